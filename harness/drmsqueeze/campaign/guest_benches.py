# SPDX-License-Identifier: MIT
"""The slow machines of a campaign: the stand-in board and the VM, with the real agent in a guest. No agent there keeps an account of its
own, so verdicts are held against jobs whose outcome is known."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from drmsqueeze import guest as guests
from drmsqueeze.campaign.harness_process import MARK
from drmsqueeze.campaign.processes import marked, words
from drmsqueeze.campaign.scene import Bench, BenchMaker
from drmsqueeze.campaign.workload import GUESTS
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.lab import Lab
from drmsqueeze.machines import board_file, received
from drmsqueeze.machines.link import SshLink
from drmsqueeze.machines.on_board import script
from drmsqueeze.machines.stand_in import StandIn
from drmsqueeze.ring import RECORD_SIZE

RECORDS_A_STEP = 10
UP_S = 180.0
AGENT = {"client": "drmsq-client", "superv": "drmsq-superv", "guardian": "drmsq-guardian", "keeper": "drmsqueeze-agen",
         "all": r"drmsqueeze-agen\|drmsq-guardian\|drmsq-superv\|drmsq-client"}
KILL_AGENT = """some=1
for comm in $(grep -lsx "$1" /proc/[0-9]*/comm); do
    grep -qs send-records "${comm%comm}cmdline" && continue
    process=${comm%/comm}
    kill -9 "${process#/proc/}" && some=0
done
exit $some"""
KILL_SESSIONS = """some=1
for comm in $(grep -lsx dropbear /proc/[0-9]*/comm); do
    process=${comm%/comm}; process=${process#/proc/}
    read -r _ _ _ parent _ </proc/$process/stat
    test "$process" = "$PPID" && continue
    grep -qsx dropbear "/proc/$parent/comm" && kill -9 "$process" && some=0
done
exit $some"""
KNOBS = """for knob in /proc/sys/kernel/hung_task_timeout_secs /proc/sys/kernel/hung_task_check_interval_secs /proc/sys/kernel/watchdog_thresh \\
    /sys/module/workqueue/parameters/watchdog_thresh /sys/module/rcupdate/parameters/rcu_cpu_stall_timeout /proc/sys/vm/swappiness \\
    /proc/sys/vm/min_free_kbytes /sys/kernel/debug/fail_page_alloc/* /sys/kernel/debug/failslab/* /sys/fs/cgroup/cgroup.subtree_control; do
    test -f "$knob" && echo "$knob $(cat "$knob" | tr '\\n' ' ')"
done
for group in /sys/fs/cgroup/*/; do echo "$group a cgroup"; done"""
TURN = 'echo "$2" >"$1"'
LEFT = """for place in "$1" "$2"; do for file in "$place"/* "$place"/.[!.]*; do test -e "$file" && echo "file $file"; done; done
for comm in $(grep -ls '^drmsq' /proc/[0-9]*/comm); do echo "process $(cat $comm) on the board"; done"""


def _steps(results: Path) -> int:
    """What was noted of the night, and how many records have come."""
    noted = sum(len(file.read_bytes().splitlines()) for file in results.glob("*/night.jsonl"))
    return noted + sum(file.stat().st_size for file in results.glob(f"*/runs/*/{received.FILE}")) // RECORD_SIZE // RECORDS_A_STEP


class VmBench(Bench):
    """See scene.Bench."""

    name = "vm"
    machine = "vm"
    workloads = GUESTS
    begins_s, takes_s, steps_of_run = 3.0, 16.0, 30
    run_s = 3.0
    patience_s = 600.0

    def __init__(self, directory: Path, random: Random) -> None:
        super().__init__()
        self._mark = str(directory)
        self._results = directory / "results" / "night"

    def steps(self) -> int:
        return _steps(self._results)

    def cut_power(self) -> bool:
        guests_of_it = [pid for pid in marked(MARK, self._mark) if any("qemu-system" in word for word in words(pid)[:1])]
        for pid in guests_of_it:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if guests_of_it:
            self.misfortunes.append("guest killed")
        return bool(guests_of_it)


class StandInBench(Bench):
    """See scene.Bench. A board for each round, which the harness and this reach over ssh."""

    name = "stand-in"
    workloads = GUESTS
    begins_s, takes_s, steps_of_run = 5.0, 25.0, 30
    run_s = 3.0
    patience_s = 1200.0

    def __init__(self, lab: Lab, directory: Path) -> None:
        super().__init__()
        self._results = directory / "results" / "night"
        self._board = StandIn({"lab": lab.guest("lab")}, lab.accelerator.name, lab.accelerator.time_scale, modules=["vgem"])
        self.machine = str(self._board.file)
        file = board_file.load(self._board.file)
        self._places = (file.directory, file.state)
        self._link = SshLink(file)

    def __enter__(self) -> Self:
        self._board.__enter__()
        self._board.press("on")
        self._link.wait_up(UP_S, ["true"])
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._board.__exit__(kind, value, trace)

    def steps(self) -> int:
        return _steps(self._results)

    def knobs(self) -> dict[str, str]:
        lines = self._link.output(script(KNOBS)).splitlines()
        return {name: value for name, _, value in (line.partition(" ") for line in lines)}

    def turn(self, name: str, value: str) -> None:
        self._link.output(script(TURN, name, value))

    def left_over(self) -> list[str]:
        return self._link.output(script(LEFT, *self._places)).splitlines()

    def _there(self, misfortune: str | None, do: Callable[[], object]) -> bool:
        """Whether it could be done; a board that is just off is asked again later."""
        try:
            done = do()
        except (InfrastructureError, OSError):
            return False
        if misfortune and done is not False:
            self.misfortunes.append(misfortune)
        return done is not False

    def has_agent(self, which: str) -> bool:
        """As far as its records tell."""
        return any(file.stat().st_size > 0 and not (file.parent / "facts.json").exists() for file in self._results.glob(f"*/runs/*/{received.FILE}"))

    def kill_agent(self, which: str) -> bool:
        return self._there(f"{which} killed", lambda: self._link.run(script(KILL_AGENT, AGENT[which])).returncode == 0)

    def kill_sshd(self) -> bool:
        return self._there(None, lambda: self._link.run(script(KILL_SESSIONS)).returncode == 0)

    def cut_power(self) -> bool:
        return self._there("guest killed", self._board.kill)

    def panic(self) -> bool:
        return self._there("panic", lambda: self._board.tell("panic"))

    def freeze(self) -> bool:
        return self._there("frozen", self._board.freeze)

    def unplug(self, unplugged: bool) -> bool:
        return self._there(None, lambda: self._board.unplug(unplugged))

    def flood(self, seconds: float) -> bool:
        return self._there(None, lambda: self._board.tell("flood"))

    def settle(self) -> None:
        self.unplug(False)
        self._link.wait_up(UP_S, ["true"])


@contextmanager
def opened_vm() -> Iterator[BenchMaker]:
    lab = Lab()
    lab.guest("lab")
    lab.accelerator  # measured once, and kept
    yield VmBench


@contextmanager
def opened_stand_in() -> Iterator[BenchMaker]:
    lab = Lab()
    lab.guest("lab")
    lab.accelerator
    guests.build_for_boards("x86_64")
    yield lambda directory, random: StandInBench(lab, directory)
