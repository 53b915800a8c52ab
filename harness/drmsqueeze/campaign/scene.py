# SPDX-License-Identifier: MIT
"""What a killer finds before him: the harness of a night, its results, and the machine that it uses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from drmsqueeze.campaign.harness_process import Harness
from drmsqueeze.campaign.results_disk import ResultsDisk
from drmsqueeze.campaign.truth import Truth
from drmsqueeze.campaign.workload import Workload


class Bench:
    """A machine for nights, and hands that reach into it past the harness. What they return: False where there is nothing to do it to, now or
    ever. Use it as a context."""

    name: str
    machine: str
    """As `--machine` takes it."""
    workloads: Sequence[Workload]
    begins_s: float
    takes_s: float
    steps_of_run: int
    """About how long a night takes to begin, a run in all, and how many steps (see `steps`) it has: for moments."""
    run_s: float
    """About how long the jobs of one run take."""
    patience_s: float
    """How long one command of the harness may take at all, whatever is killed."""

    def __init__(self) -> None:
        self.misfortunes: list[str] = []
        """What befell the machine as a whole, or the agent there."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        pass

    @property
    def environment(self) -> Mapping[str, str]:
        """For the harness."""
        return {}

    def steps(self) -> int:
        """How far the night has come: grows with what the harness does."""
        raise NotImplementedError

    def knobs(self) -> dict[str, str]:
        """The values of all that a run may turn."""
        return {}

    def turn(self, name: str, value: str) -> None:
        """A knob, by hand."""
        raise NotImplementedError

    def left_over(self) -> list[str]:
        """What of runs is still on it: files, processes."""
        return []

    def truth(self) -> Truth | None:
        """None where the agent keeps no account of its own."""
        return None

    def has_agent(self, which: str) -> bool:
        """Whether there is one of `client`, `superv`, `guardian`, `keeper`, or of `all`."""
        return False

    def kill_agent(self, which: str) -> bool:
        """SIGKILL for it."""
        return False

    def kill_sshd(self) -> bool:
        """The board's side of all connections."""
        return False

    def cut_power(self) -> bool:
        """It fails, and comes back."""
        return False

    def panic(self) -> bool:
        return False

    def freeze(self) -> bool:
        """Nothing of it moves any more, until its power is cut."""
        return False

    def unplug(self, unplugged: bool) -> bool:
        """The network cable."""
        return False

    def flood(self, seconds: float) -> bool:
        """Its console."""
        return False

    def cut_console(self) -> bool:
        """Whoever has the console loses it."""
        return False

    def settle(self) -> None:
        """After the night: the machine as it is when nobody does anything to it any more."""


@dataclass
class Scene:
    """One round under way."""

    harness: Harness
    bench: Bench
    disk: ResultsDisk
    random: Random
    log: Callable[[str], None]
    undo: list[tuple[float, str, Callable[[], object]]] = field(default_factory=list)
    """What ends by itself: at which time (time.monotonic()), what, and how."""
    again: bool = False
    """Whether the night must be resumed though its command may end well."""


BenchMaker = Callable[[Path, Random], Bench]
