# SPDX-License-Identifier: MIT
"""The campaign on the fast machine: ten rounds after which all must be well, and each check seen failing. A thousand: docs/campaign.md."""

import subprocess
from pathlib import Path
from random import Random

import pytest

from campaigns import campaign
from drmsqueeze.campaign import checks, command, killers, plants, process_ring
from drmsqueeze.campaign.process_board import ProcessBoard
from drmsqueeze.errors import UsageError
from drmsqueeze.machines import console
from drmsqueeze.machines.machine import wait
from drmsqueeze.ring import Kind, unpack

TEN = ("harness", "host", "worker", "agent-all", "guest", "console", "ssh", "flood", "disk-full", "read-only")


def test_ten_rounds(tmp_path: Path) -> None:
    """Whatever is killed: no record lost, no wrong verdict, no knob left turned, and a night that is resumed comes to its end."""
    code, summary, said = campaign(tmp_path / "out", "--kills", "10", "--at-once", "10", *(word for name in TEN for word in ("--killer", name)))
    assert code == 0 and summary["done"] == 10, said
    assert {one["killer"] for one in summary["rounds"]} == set(TEN)
    assert sum(one["acted"] for one in summary["rounds"]) > 0


def test_each_check_finds_what_is_planted(tmp_path: Path) -> None:
    code, summary, said = campaign(tmp_path / "out", "--kills", str(len(plants.PLANTS)), "--at-once", str(len(plants.PLANTS)), "--plant", "each",
                                   "--killer", "harness")
    found = {one["planted"]: one["faults"] for one in summary["rounds"]}
    assert code == 1 and found.keys() == plants.PLANTS.keys(), said
    for name, (_, check) in plants.PLANTS.items():
        assert check in found[name], (name, found[name], said)
    kept = tmp_path / "out" / "rounds" / "0000"
    assert (kept / "harness.log").exists() and list(kept.glob("kept/night/*/night.json")), "all of a round that failed is kept"


@pytest.mark.parametrize("codes", [[], [None], [-9], [0, -11], [2]])
def test_a_night_that_does_not_end_is_a_fault(codes: list[int | None]) -> None:
    night = checks.Aftermath(Path(), [], [], None, {}, False, exit_codes=codes)
    assert list(checks.ended(night))


def test_rounds_are_drawn_from_the_seed_and_every_killer_has_its_turn() -> None:
    names = [one.killer.name for one in command.rounds(40, 7, killers.FAST, None)]
    assert names == [one.killer.name for one in command.rounds(40, 7, killers.FAST, None)]
    assert names != [one.killer.name for one in command.rounds(40, 8, killers.FAST, None)]
    there = len(killers.of(killers.FAST))
    assert len(set(names[:there])) == there
    with pytest.raises(UsageError, match="found none that machine vm has"):
        command.rounds(3, 0, killers.VM, ["panic"])


def test_its_agent_tells_records_on_the_console_as_the_real_one(tmp_path: Path) -> None:
    ring = process_ring.Ring(str(tmp_path / "ring"), str(tmp_path / "truth"), b"{}")
    ring.put(process_ring.HELLO, a=7, text="x" * 71)
    ring.put(process_ring.BYE)
    for seq in (1, 2, 3):
        digits = ring.tell(seq, 4711).strip().removeprefix(b"drmsqueeze-record: ")
        record = console.decode(digits, 4711)
        assert record and unpack(record).seq == seq and unpack(record).kind == {1: Kind.HELLO, 2: Kind.BYE, 3: 0}[seq]
        assert console.decode(digits, 4712) is None


def test_a_board_of_processes_dies_as_a_whole(tmp_path: Path) -> None:
    """Its memory, its processes and what was turned are gone with the power; its disk and its boot values are not."""
    with ProcessBoard(tmp_path / "b", Random(1)) as board:
        def ssh(command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run([board.bin / "ssh", "board", command], capture_output=True, text=True)

        assert wait(lambda: ssh("true").returncode == 0, 20)
        first = ssh("cat /proc/sys/kernel/random/boot_id").stdout
        assert ssh(f"sleep 1000 >/dev/null 2>&1 & echo x >{board.root}/memory/run/x; echo y >{board.root}/disk/y; echo 1 >{board.root}/knobs/rcu").returncode == 0
        assert list(board.processes()) and board.knobs()["rcu"] == "1" and len(board.left_over()) == 2
        board.cut_power()
        assert not list(board.processes()) and ssh("true").returncode == 255
        assert wait(lambda: ssh("true").returncode == 0, 20)
        assert ssh("cat /proc/sys/kernel/random/boot_id").stdout != first
        assert board.knobs()["rcu"] == "21" and board.left_over() == [f"{board.root}/disk/y"]
