# SPDX-License-Identifier: MIT
"""The contents of compare.json as types."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from drmsqueeze_results.model import LockCycle, ScenarioId

Interval = tuple[float, ...]


@dataclass(frozen=True)
class PlannedCell:
    """One planned run, before it was started."""

    index: int
    block: int
    level: float
    arm: str
    seed: int


@dataclass(frozen=True)
class Plan:
    """The plan as it was fixed before the first run."""

    levels: tuple[float, ...]
    runs: int
    seed: int
    alpha: float
    primary_outcomes: tuple[str, ...]
    order: tuple[PlannedCell, ...]


@dataclass(frozen=True)
class Cell:
    """What became of a planned run: exactly one of pass, fail, error, skip and missing. The first two are data."""

    index: int
    block: int
    level: float
    arm: str
    status: str
    reason_code: str | None

    @property
    def usable(self) -> bool:
        """Whether the run's counts are data."""
        return self.status in ("pass", "fail")


@dataclass(frozen=True)
class Arm:
    """A kernel that takes part: how many runs gave data, of how many planned."""

    kernel: str
    runs: int
    planned: int


@dataclass(frozen=True)
class Share:
    """Jobs with one outcome: count, share 0..1, its interval and the kind of it; and in how many runs there was any."""

    count: int
    share: float | None
    interval: Interval | None
    interval_kind: str | None
    runs_with: int


@dataclass(frozen=True)
class Spread:
    """Median over runs, and the range of the runs."""

    median: float | None
    interval: Interval | None


@dataclass(frozen=True)
class ArmLevel:
    """One arm at one level. Latencies are medians of the runs' quantiles over completed jobs, in ns."""

    runs: int
    submitted: int
    outcomes: Mapping[str, Share]
    latency_ns: Mapping[str, Spread]
    reached: Mapping[str, Spread]


@dataclass(frozen=True)
class Level:
    """All arms at one level (share of the idle MemAvailable that is left)."""

    level: float
    arms: Mapping[str, ArmLevel]


@dataclass(frozen=True)
class Test:
    """A test of one outcome between the baseline and another arm; `level` null: over all levels, within blocks.

    `n` is what it rests on: complete blocks (permutation) or runs (exact tests); `differing` of them are blocks in
    which the arms differ, or runs with the event. `p_attainable` is the smallest p that this n could give; `p_adjusted`
    is null where the data could not have come out significant. `effect` is the difference, second arm minus first, of
    mean shares or of shares of runs.
    """

    outcome: str
    level: float | None
    arms: tuple[str, ...]
    method: str
    n: int
    differing: int
    p: float | None
    p_adjusted: float | None
    p_attainable: float | None
    effect: float | None


@dataclass(frozen=True)
class Bound:
    """For an outcome never seen: the largest share of runs with it that the data do not exclude."""

    arm: str
    outcome: str
    level: float | None
    runs: int
    upper: float
    confidence: float


@dataclass(frozen=True)
class Exposure:
    """What an arm was exposed to; descriptive."""

    jobs_submitted: int
    injections_fired: Mapping[str, int]


@dataclass(frozen=True)
class SeenCycle:
    """A report of lockdep, and in how many of an arm's runs it came: the first of those that take the same locks in the same functions."""

    runs: int
    cycle: LockCycle


@dataclass(frozen=True)
class ArmLockdep:
    """What lockdep says of an arm's runs: in `checked` of them it looked on."""

    runs: int
    checked: int
    found: tuple[SeenCycle, ...]


@dataclass(frozen=True)
class ComparisonVerdict:
    """A word for machines, a sentence for people, and notes that belong to it."""

    code: str
    sentence: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """The contents of compare.json."""

    scenario: ScenarioId
    plan: Plan
    arms: Mapping[str, Arm]
    cells: tuple[Cell, ...]
    levels: tuple[Level, ...]
    tests: tuple[Test, ...]
    bounds: tuple[Bound, ...]
    exposure: Mapping[str, Exposure]
    verdict: ComparisonVerdict
    lockdep: Mapping[str, ArmLockdep] = field(default_factory=dict)

    @property
    def carried_out(self) -> bool:
        """Whether every planned run gave data."""
        return all(cell.usable for cell in self.cells)
