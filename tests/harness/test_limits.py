# SPDX-License-Identifier: MIT
"""Witnesses are staggered: whatever the deadline and the time scale, they speak one after the other."""

import json
import socket
from dataclasses import astuple
from pathlib import Path

import pytest

from drmsqueeze.limits import Limits
from drmsqueeze.machines.events import Events


@pytest.mark.parametrize("time_scale", [0.5, 1, 4, 15, 20, 30])
@pytest.mark.parametrize("deadline_ms", [100, 1500, 6000, 45000])
def test_each_comes_after_the_one_before(deadline_ms: int, time_scale: float) -> None:
    limits = astuple(Limits.of(deadline_ms, time_scale))
    if Limits.of(deadline_ms, time_scale).soft_lockup < 120:
        assert list(limits) == sorted(set(limits)), limits
    assert list(limits[:4]) == sorted(set(limits[:4])) and list(limits[4:]) == sorted(set(limits[4:])), limits


@pytest.mark.parametrize("deadline_ms", [80000, 900000])
def test_with_long_deadlines_linux_keeps_to_what_it_can(deadline_ms: int) -> None:
    limits = Limits.of(deadline_ms, 15)
    assert limits.late_fence < limits.no_progress < limits.d_state < limits.hung_task
    assert limits.soft_lockup <= 120 < limits.rcu <= 300 and limits.rcu < limits.workqueue < limits.silence
    assert 1 <= int(limits.kernel_arguments()["sysctl.kernel.watchdog_thresh"]) <= 60


def test_a_machine_is_not_silent_before_25_beats_are_missed() -> None:
    assert Limits.of(100, 40).silence >= 25 * 0.2 * 40


def test_events_of_qemu_are_read_as_they_come_and_after_its_end(tmp_path: Path) -> None:
    events = Events(tmp_path / "qmp")
    assert list(events.read()) == []  # QEMU has not made its socket yet
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "qmp"))
        server.listen()
        assert list(events.read()) == []
        line, _ = server.accept()
        assert json.loads(line.recv(4096)) == {"execute": "qmp_capabilities"}
        line.sendall(b'{"QMP": {}}\n{"return": {}}\n{"event": "GUEST_PANICKED", "da')
        assert list(events.read()) == []
        line.sendall(b'ta": {"action": "pause"}}\n')
        line.close()
        assert [event["event"] for event in events.read()] == ["GUEST_PANICKED"]
        assert list(events.read()) == []
    events.close()
