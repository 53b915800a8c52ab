# SPDX-License-Identifier: MIT
"""The fast machine of a campaign: a board made of processes, and hands in it."""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from drmsqueeze.campaign.process_board import ProcessBoard
from drmsqueeze.campaign.processes import words
from drmsqueeze.campaign.scene import Bench
from drmsqueeze.campaign.truth import Truth
from drmsqueeze.campaign.workload import PROCESSES
from drmsqueeze.machines.machine import wait

COMM = {"client": "drmsq-client", "superv": "drmsq-superv", "guardian": "drmsq-guardian", "keeper": "drmsqueeze-agen"}
SETTLE_S = 8.0
"""Longer than an agent that nobody listens to goes on."""


def _kill(found: list[tuple[int, str]]) -> bool:
    for pid, _ in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(found)


class FastBench(Bench):
    """See scene.Bench."""

    name = "fast"
    workloads = PROCESSES
    begins_s, takes_s, steps_of_run = 1.5, 4.5, 11
    run_s = 2.2
    patience_s = 300.0

    def __init__(self, directory: Path, random: Random) -> None:
        super().__init__()
        self.board = ProcessBoard(directory / "board", random)
        self.machine = str(self.board.file)

    def __enter__(self) -> Self:
        self.board.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.board.__exit__(kind, value, trace)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"PATH": f"{self.board.bin}{os.pathsep}{os.environ['PATH']}"}

    def steps(self) -> int:
        return self.board.calls

    def knobs(self) -> dict[str, str]:
        return self.board.knobs()

    def turn(self, name: str, value: str) -> None:
        (self.board.root / "knobs" / name).write_text(value)

    def left_over(self) -> list[str]:
        return [f"file {name}" for name in self.board.left_over()] + [
            f"process {pid} of the board: {name} {' '.join(words(pid))[:120]}" for pid, name in self.board.processes()]

    def truth(self) -> Truth:
        return Truth(self.board.root / "truth")

    def _agent(self, which: str) -> list[tuple[int, str]]:
        """Its processes; not the one that sends records, which has the agent's name too."""
        whom = set(COMM.values()) if which == "all" else {COMM[which]}
        return [(pid, name) for pid, name in self.board.processes() if name in whom and "--send-records" not in words(pid)]

    def has_agent(self, which: str) -> bool:
        return bool(self._agent(which))

    def kill_agent(self, which: str) -> bool:
        found = self._agent(which)
        self.misfortunes += [f"{name} killed" for _, name in found]
        return _kill(found)

    def kill_sshd(self) -> bool:
        return _kill([(pid, name) for pid, name in self.board.processes() if "--send-records" in words(pid) or name == "sh"])

    def cut_power(self) -> bool:
        self.misfortunes.append("power cut")
        self.board.cut_power()
        return True

    def panic(self) -> bool:
        self.misfortunes.append("panic")
        self.board.panic()
        return True

    def freeze(self) -> bool:
        self.misfortunes.append("frozen")
        self.board.freeze()
        return True

    def unplug(self, unplugged: bool) -> bool:
        self.board.unplug(unplugged)
        return True

    def flood(self, seconds: float) -> bool:
        self.board.flood(seconds)
        return True

    def cut_console(self) -> bool:
        return self.board.cut_consoles()

    def settle(self) -> None:
        self.board.unplug(False)
        wait(lambda: not self.left_over(), SETTLE_S)
