# SPDX-License-Identifier: MIT
"""The agent for arm64 boards: it is built and linked here, and runs under qemu-user as it would on a board."""

import json
import os
import shlex
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.outcomes import judge

from drmsqueeze import execute as execution
from drmsqueeze import guest as guests
from drmsqueeze.machines import received
from drmsqueeze.machines.board import BoardSite
from drmsqueeze.plan import PlannedRun
from drmsqueeze.ring import MAGIC, RECORD_SIZE, RECORDS_OFFSET, VERSION, Kind, unpack
from drmsqueeze.scenario import parse
from harness.fake_board import FakeBoard, on_path

EMULATOR = "qemu-aarch64"
NEEDED = ("aarch64-linux-gnu-g++", "/usr/lib/aarch64-linux-gnu/libdrm.a", "/usr/lib/aarch64-linux-gnu/libfmt.so", EMULATOR)
INSTALL = "dpkg --add-architecture arm64 && apt-get update && apt-get install crossbuild-essential-arm64 libdrm-dev:arm64 libfmt-dev:arm64 qemu-user"
missing = [name for name in NEEDED if not (Path(name).exists() if name.startswith("/") else shutil.which(name))]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"missing: {', '.join(missing)}; {INSTALL}")

# What no machine of ours has: so nothing of this one is turned.
SCENARIO: dict[str, Any] = {
    "schema": "drmsqueeze.scenario/1", "name": "absent", "description": "A driver that is not there.", "target": {"driver": "panfrost"},
    "stressors": [{"kind": "device-fault", "jobs": 1}],
}


@pytest.fixture(scope="module")
def agent() -> Path:
    """Fails where the build breaks."""
    return guests.build_for_boards("aarch64") / guests.AGENT


# A machine that is marked as a target and has nothing that could be turned: the emulator shows it the files of this one.
ELSEWHERE = "for place in /etc /sys /proc/sys; do mount -t tmpfs none $place; done && touch /etc/drmsqueeze-target && exec \"$@\""


@pytest.fixture
def command(agent: Path) -> list[str]:
    elsewhere = ["unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)), "sh", "-c", ELSEWHERE, "sh"]
    tried = subprocess.run([*elsewhere, "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no mounts of our own here: {tried.stderr.strip()}")
    return [*elsewhere, EMULATOR, str(agent)]


def test_it_is_static_and_of_its_architecture(agent: Path) -> None:
    elf = agent.read_bytes()
    assert elf[:6] == b"\x7fELF\x02\x01" and struct.unpack_from("<H", elf, 18)[0] == 183, "little endian, EM_AARCH64"
    offset, size, count = struct.unpack_from("<Q", elf, 32)[0], *struct.unpack_from("<HH", elf, 54)
    segments = [struct.unpack_from("<I", elf, offset + size * i)[0] for i in range(count)]
    assert 3 not in segments, "PT_INTERP: it asks for a loader, and so for libraries of the board"


def test_it_says_what_it_can_do(command: list[str]) -> None:
    said = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--send-records" in said and "--watchdog" in said
    known = json.loads(subprocess.run([*command, "--capabilities"], capture_output=True, text=True, check=True).stdout)
    assert known, "JSON, and something in it"
    assert subprocess.run([*command, "--no-such-option"], capture_output=True).returncode == 2


def test_its_ring_and_its_records_are_those_that_we_read(command: list[str], tmp_path: Path) -> None:
    """Started as on a board, without a harness that takes what it writes."""
    scenario = parse(json.dumps(SCENARIO), "absent")
    request = {"schema": "drmsqueeze.request/1", "scenario": scenario.scaled(1), "level": 1.0, "seed": 1, "time_scale": 1.0,
               "deadline_ms": 1000, "grace_ms": 1000, "driver_timeout_ms": 500}
    ring, log = tmp_path / "ring", tmp_path / "log"
    done = subprocess.run([*command, "--journal", str(tmp_path / "restore.json"), "--ring", str(ring), "--watchdog", "0", "--start", str(log)],
                          input=json.dumps(request), capture_output=True, text=True, check=True)
    pid = int(json.loads(done.stdout)["pid"])
    with subprocess.Popen([*command, "--send-records", "--ring", str(ring), "--agent", str(pid)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as sender:  # an end of its input would end it
        assert sender.stdout
        sent = sender.stdout.read()
    data = ring.read_bytes()
    magic, version, size, offset = struct.unpack_from("<8sIIQ", data)
    assert (magic, version, size, offset) == (MAGIC, VERSION, RECORD_SIZE, RECORDS_OFFSET)
    records = [unpack(data[RECORDS_OFFSET + i * RECORD_SIZE:][:RECORD_SIZE]) for i in range(3)]
    assert [record.seq for record in records[:2]] == [1, 2] and records[0].kind == Kind.HELLO, log.read_text()
    (*_, last) = [unpack(sent[at:at + RECORD_SIZE]) for at in range(0, len(sent), RECORD_SIZE)]
    assert last.kind == Kind.BYE and last.a != 0 and "device-fault" in last.text, last


def test_a_run_on_a_board_that_says_it_is_arm64(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a run but a real ssh and a real driver; it is skipped for what the target lacks."""
    board = FakeBoard(tmp_path / "board")
    monkeypatch.setenv("PATH", on_path(board))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (board.bin / "uname").write_text("#!/bin/sh\nif [ \"$1\" = -m ]; then echo aarch64; else exec /bin/uname \"$@\"; fi\n")
    emulated = board.root / "programs" / guests.AGENT
    emulated.write_text(f"#!/bin/sh\nexec {shlex.join(command)} \"$@\"\n")
    asked: list[str] = []
    monkeypatch.setattr(guests, "build_for_boards", lambda architecture: (asked.append(architecture), emulated.parent)[1])
    monkeypatch.setattr(received, "RETRY_S", 0.2)
    execution.execute(BoardSite(board.board(watchdog=False)), parse(json.dumps(SCENARIO), "absent"), PlannedRun(0, 0, 1.0, "a", 1), "running",
                      tmp_path / "run")
    run = judge(tmp_path / "run")
    assert set(asked) == {"aarch64"}
    assert run.verdict.status.value == "skip" and "device-fault" in " ".join(run.verdict.reasons), run.verdict
    records = list(received.stored(tmp_path / "run"))
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert records[0].kind == Kind.HELLO and records[-1].kind == Kind.BYE
    assert not (board.root / "run" / "work").exists()
