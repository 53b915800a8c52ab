# SPDX-License-Identifier: MIT
"""What a run needs of the place where it happens: small interfaces that the VM (lab.py, machines/vm.py) and a board satisfy alike."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from drmsqueeze import targets
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.journal import Journal
from drmsqueeze.limits import Limits
from drmsqueeze.plan import PlannedRun
from drmsqueeze.ring import Record
from drmsqueeze.scenario import Scenario


UNTIL_WE_DIE = ("setpriv", "--pdeathsig", "KILL", "--")
"""No program that is started so outlives the thread that started it, and so the harness, however that ended (prctl(2), PR_SET_PDEATHSIG)."""
# A busy guest under TCG answers a sysrq within a second, and prints some hundred lines a second.
SYSRQ_ANSWER_S = 3.0
SYSRQ_QUIET_S = 1.0
SYSRQ_PRINTING_S = 20.0
COMPLAINT_LINES = 15


def wait(done: Callable[[], bool], limit_s: float) -> bool:
    """Until it is done, but not longer than this; whether it is."""
    until = time.monotonic() + limit_s
    while not done() and time.monotonic() < until:
        time.sleep(0.05)
    return done()


def press_sysrq(press: Callable[[], bool], answers: Callable[[], int], printed: Callable[[], float]) -> bool:
    """Press a magic sysrq key until the kernel answers, and wait until what it prints has ended; whether it answered.

    `press` says whether it is of use to try again; `answers` is how many there were, and `printed` changes with all that is printed.
    """
    for _ in range(3):  # a BREAK while the kernel still waits for the key of the last one makes it forget both: so an odd number
        before = answers()
        if not press():
            return False
        if wait(lambda: answers() > before, SYSRQ_ANSWER_S):
            until = time.monotonic() + SYSRQ_PRINTING_S
            while time.monotonic() < until:
                last = printed()
                if not wait(lambda: printed() != last, SYSRQ_QUIET_S):
                    break
            return True
    return False


def last_lines(console: str) -> str:
    """The end of a console; for messages."""
    lines = "\n".join(f"  | {line}" for line in console.splitlines()[-COMPLAINT_LINES:])
    return f"the console's last lines:\n{lines}"


class Records(Protocol):
    """The agent's records as they come in."""

    @property
    def full(self) -> bool:
        """Whether there is no room for more of them."""

    def read(self, final: bool = False) -> Iterator[Record]:
        """Those that came since the last call, in order; with `final` nobody writes any more. Never waits."""

    def ask_to_stop(self) -> None:
        """Ask the agent to release everything and to say bye."""

    def close(self) -> None: ...


class Machine(Protocol):
    """A machine that carries out a run, seen from outside. Nothing here raises because the machine is dead."""

    started: float
    """When it was told to begin, by time.monotonic()."""

    @property
    def powers_off(self) -> bool:
        """Whether it powers off once its agent has said bye."""

    @property
    def over(self) -> str | None:
        """None while more may come from it; else how it ended where neither a bye nor a panic tells (an `ended` of facts.json)."""

    @property
    def deserted(self) -> bool:
        """Whether no agent is there any more, as far as is known, and all that it said has been read: it will stay silent."""

    def panics(self) -> list[str]:
        """What it newly told of a panic by another way than its console."""

    def console(self) -> str:
        """All that it has printed up to now."""

    def sysrq(self, keys: str) -> bool:
        """Send magic sysrq keys, and wait until what they print has ended; whether the kernel answered every one."""

    def silence(self, answered: bool) -> str:
        """What its silence amounts to (`silent`, or that we do not hear it: `link-lost`); `answered`: sysrq was, just now."""

    def wait_for_end(self, limit_s: float) -> None:
        """Until it is over, but not longer than this."""

    def complaint(self) -> str:
        """The end of its console and what else it said; for messages."""


@dataclass(frozen=True)
class Task:
    """One run as it is to be carried out: `scenario` is resolved, `request` is the agent's part of it, with times as they are there."""

    scenario: Scenario
    request: Mapping[str, Any]
    limits: Limits
    run: PlannedRun
    kernel: str
    directory: Path
    slower: float = 1.0
    """How many times slower than `lab` this kernel is."""
    warm: bool = False
    beside: int = 0

    def facts(self, machine: Mapping[str, Any], release: str | None = None, config_sha256: str | None = None,
              module_sha256: str | None = None, snapshot: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The members of facts.json that tell of the place, with what is known of it."""
        target = self.scenario["target"]
        return {
            "machine": {"kind": None, "accelerator": None, "qemu_exit": None} | dict(machine),
            "kernel": {"release": release, "variant": self.kernel, "config_sha256": config_sha256},
            "driver": {"name": target["driver"], "module_sha256": module_sha256, "model": target.get("model"),
                       "timeout_ms": self.request["driver_timeout_ms"], "oom_null": targets.oom_null(target)},
            "snapshot": snapshot,
        }


@dataclass
class UnderWay:
    """A run that has begun."""

    machine: Machine
    records: Records
    boot_limit_s: float
    looked: Callable[[], None] = lambda: None
    """To be called after every reading of the records."""
    end: Callable[[], None] = lambda: None
    """Ends what is left of the run, at once."""
    leave: Callable[[str], None] = lambda ended: None
    """After all records were read: given how the run ended, see that the machine is as it was found."""
    facts: Callable[[], dict[str, Any]] = dict
    """Task.facts(), as far as they are known."""
    settled: Callable[[], None] = lambda: None
    """To be called once facts.json is on the disk."""


class NotUp(InfrastructureError):
    """The machine did not get so far that a run could begin."""


class Site(Protocol):
    """Where the runs of a session happen."""

    @property
    def name(self) -> str:
        """As in facts.json: `vm`, `board NAME`."""

    def time_scales(self, kernel: str) -> tuple[float, float]:
        """How many times slower than a board it is, and how many times slower than that this kernel is there."""

    def suited(self, scenario: Scenario) -> Scenario:
        """The scenario as it is carried out here. Raises UsageError for one that cannot be."""

    def refuse_kernel(self, kernel: str) -> None:
        """Raises UsageError for a kernel that is not known here."""

    def refuse(self, kernel: str, scenario: Scenario) -> None:
        """Raises UsageError where this scenario cannot be carried out here on this kernel, as far as that is known before."""

    def begin(self, task: Task, journal: Journal) -> AbstractContextManager[UnderWay]:
        """Bring the machine up and start the agent. Raises NotUp where the machine fails, InfrastructureError where the lab does."""
