# SPDX-License-Identifier: MIT
"""Two guests really at once: what a check would have to allow is simply said here, so that every machine takes this way."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from drmsqueeze import cache
from drmsqueeze.execute import Lab
from drmsqueeze.machines import speed
from drmsqueeze.machines.vm import QEMU, Hardware

from whole_runs import SMALL

COMPARE = """
import sys
from drmsqueeze import cli, execute
from drmsqueeze.machines.speed import AtOnce
execute.Lab.at_once = lambda *_: AtOnce(2, "the test says so")
sys.exit(cli.main(["compare", sys.argv[1], "--a", "lab", "--b", "lab+panfrost-nowait", "--runs", "1", "--out", sys.argv[2]]))
"""


def start(scenario: Path, out: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", COMPARE, scenario, out], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env=os.environ | {"PYTHONPATH": ":".join(sys.path)})


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SMALL | {"machine": {"vcpus": 1}}))
    return path


def span(run_json: Path) -> tuple[float, float]:
    run = json.loads(run_json.read_text())
    begun = datetime.fromisoformat(run["started"]).timestamp()
    return begun, begun + run["timing_s"]["boot"] + run["timing_s"]["run"]


def test_blocks_of_a_comparison_go_side_by_side(small: Path, tmp_path: Path) -> None:
    process = start(small, tmp_path / "out")
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0 and "guests at once: 2" in said, said
    runs = sorted((tmp_path / "out/runs").glob("*/run.json"))
    assert len(runs) == 4
    order = json.loads((tmp_path / "out/plan.json").read_text())["order"]
    spans = {(run["block"], place): span(runs[run["index"]]) for place in (0, 1) for run in order[place::2]}
    for place in (0, 1):
        first, second = spans[0, place], spans[1, place]
        assert max(first[0], second[0]) < min(first[1], second[1]), f"at once: {spans}"
        assert all(json.loads(path.read_text())["jobs"]["completed"] == 4 for path in runs)
    assert max(spans[0, 0][1], spans[1, 0][1]) <= min(spans[0, 1][0], spans[1, 1][0]) + 0.5, f"one step after the other: {spans}"


def children(pid: int) -> list[int]:
    """The QEMU processes that a process has started."""
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", QEMU], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


def test_an_interrupt_ends_both_guests(small: Path, tmp_path: Path) -> None:
    small.write_text(json.dumps(SMALL | {"machine": {"vcpus": 1}, "stressors": [{"kind": "tiler-heap", "heap_mib": 2, "jobs": 100000}]}))
    process = start(small, tmp_path / "out")
    until = time.monotonic() + 120
    while len(guests := children(process.pid)) < 2 or len(list((tmp_path / "out").glob("runs/*/console.log"))) < 2:
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 3 and "interrupted" in said, said
    assert not any(Path(f"/proc/{pid}").exists() for pid in guests)
    assert not list((tmp_path / "out").glob("runs/*/facts.json")), "what was cut short is no run"


def test_the_check_measures_guests_at_once_against_one_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """More guests than cores must disturb each other, on every machine."""
    monkeypatch.setattr(speed, "ROUNDS", 1)
    monkeypatch.setattr(speed, "PACE_S", 1.0)
    cores = len(os.sched_getaffinity(0))
    if cores > 4:
        pytest.skip(f"{cores} cores take too many guests")
    assert speed._disturbance(lab.guest("lab"), lab.accelerator, Hardware(192, 1, zram_mib=0), 2 * cores) > 1.3


def test_what_has_no_room_is_not_measured(lab: Lab) -> None:
    many = speed.at_once(lab.guest("lab"), lab.accelerator, vcpus=len(os.sched_getaffinity(0)), ram_mib=192)
    large = speed.at_once(lab.guest("lab"), lab.accelerator, vcpus=1, ram_mib=1 << 30)
    assert many.guests == large.guests == 1 and "no room" in many.why and "no room" in large.why


def test_the_check_decides_and_is_made_once(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    guest, accelerator = lab.guest("lab"), lab.accelerator
    monkeypatch.setattr(cache, "root", lambda: tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    asked: list[int] = []
    monkeypatch.setattr(speed, "_disturbance", lambda *words: asked.append(words[-1]) or (1.5 if words[-1] > 4 else 1.05))
    for _ in range(2):
        found = speed.at_once(guest, accelerator, vcpus=1, ram_mib=64)
        assert found == speed.AtOnce(4, "8 at once are 1.50 times as slow as one; 6 at once are 1.50 times as slow as one; "
                                        "4 at once are 1.05 times as slow as one")
    assert asked == [8, 6, 4]
