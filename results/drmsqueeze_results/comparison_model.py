# SPDX-License-Identifier: MIT
"""The contents of compare.json as types."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from drmsqueeze_results.analysis_model import (DoseResponse, Factorial, Incidence, Interval, Regression, RepeatedBlock, Stratum,
                                               Trade)
from drmsqueeze_results.anytime import Sequential
from drmsqueeze_results.model import LockCycle, ScenarioId


@dataclass(frozen=True)
class PlannedCell:
    """One planned run, before it was started."""

    index: int
    block: int
    level: float
    arm: str
    seed: int
    rate_hz: float | None = None
    cluster: int | None = None
    repeats: int | None = None

    @property
    def unit(self) -> int:
        """What is independent of all else: the cluster, and of plans that have none (cold runs) the block."""
        return self.block if self.cluster is None else self.cluster


@dataclass(frozen=True)
class Design:
    """How many runs there may be (`kind` "fixed" or "sequential"), and whether each was booted (`cold`) or came from a snapshot."""

    kind: str = "fixed"
    cold: bool = True
    most_runs: int | None = None
    margin: float | None = None


@dataclass(frozen=True)
class Plan:
    """The plan as it was fixed before the first run. `rates_hz`: demand rates swept; null as the scenario's stressors say."""

    levels: tuple[float, ...]
    runs: int
    seed: int
    alpha: float
    primary_outcomes: tuple[str, ...]
    order: tuple[PlannedCell, ...]
    rates_hz: tuple[float | None, ...] = (None,)
    design: Design | None = None

    @property
    def settings(self) -> tuple[tuple[float, float | None], ...]:
        """All (level, rate), from the most memory left to the least."""
        return tuple((level, rate) for level in sorted(self.levels, reverse=True) for rate in self.rates_hz)


@dataclass(frozen=True)
class Cell:
    """What became of a planned run: exactly one status. "pass" and "fail" are data; "error", "skip" and "missing" are gaps.

    "repeated" (its block was carried out again) and "not-needed" (a sequential plan stopped before it) are neither.
    """

    index: int
    block: int
    level: float
    arm: str
    status: str
    reason_code: str | None
    rate_hz: float | None = None
    cluster: int | None = None
    repeats: int | None = None

    @property
    def unit(self) -> int:
        """See PlannedCell."""
        return self.block if self.cluster is None else self.cluster

    @property
    def usable(self) -> bool:
        """Whether the run's counts are data."""
        return self.status in ("pass", "fail")

    @property
    def owed(self) -> bool:
        """Whether the plan still wants this run's data and has none."""
        return not self.usable and self.status not in ("repeated", "not-needed")


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
    """All arms at one level (share of the idle MemAvailable that is left) and one demand rate (jobs per second)."""

    level: float
    arms: Mapping[str, ArmLevel]
    rate_hz: float | None = None


@dataclass(frozen=True)
class Test:
    """A test of one outcome between the baseline and another arm; `level` null: over all levels and rates, within blocks.

    `measure` is what a run contributes: the share of its jobs with the outcome ("share"), whether it had any ("runs"), or the
    median latency of its completed jobs ("latency"). `n` is what it rests on: clusters of complete blocks (permutation) or runs
    (exact tests); `differing` of them are clusters in which the arms differ, or runs with the event. `p_attainable` is the
    smallest p that this n could give; `p_adjusted` is null where the data could not have come out significant, and for tests that
    are not `primary`: those describe, and are never called significant. `effect` is the difference of mean shares or of shares
    of runs, second arm minus first; of latencies it is the ratio, second by first (`effect_kind`). `interval` is that of the effect.
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
    measure: str = "share"
    primary: bool = True
    rate_hz: float | None = None
    effect_kind: str = "difference"
    interval: Interval | None = None
    __test__: ClassVar[bool] = False  # for pytest, which takes classes of this name for its own


@dataclass(frozen=True)
class Bound:
    """For an outcome never seen: the largest share of runs with it that the data do not exclude."""

    arm: str
    outcome: str
    level: float | None
    runs: int
    upper: float
    confidence: float
    rate_hz: float | None = None


@dataclass(frozen=True)
class Exposure:
    """What an arm was exposed to; descriptive. Rates are jobs with an outcome per 1,000 heap growths, or per 1,000 faults fired.

    `heap_growths`: how often the GPU's touch made a driver give a heap memory; null where the runs do not tell. `faults_fired`:
    faults that were injected and happened; null where none were injected. `incremental_passes`: how often a GPU that got no memory for a
    heap rendered what it had and went on, which is no job's failure; null where GPU or driver know no such thing. `attempts_refused`: of
    jobs, for want of memory, by the clients' count; `jobs_repaired`: jobs that completed after one, where clients do something about it.
    """

    jobs_submitted: int
    injections_fired: Mapping[str, int]
    heap_growths: int | None = None
    faults_fired: int | None = None
    per_1000_growths: Mapping[str, float] = field(default_factory=dict)
    per_1000_faults: Mapping[str, float] = field(default_factory=dict)
    incremental_passes: int | None = None
    attempts_refused: int | None = None
    jobs_repaired: int | None = None


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
    dose_response: tuple[DoseResponse, ...] = ()
    regression: tuple[Regression, ...] = ()
    trade: tuple[Trade, ...] = ()
    incidence: tuple[Incidence, ...] = ()
    exposure_note: str = ""
    factorial: Factorial | None = None
    strata: tuple[Stratum, ...] = ()
    sequential: Sequential | None = None
    repeated_blocks: tuple[RepeatedBlock, ...] = ()

    @property
    def carried_out(self) -> bool:
        """Whether every planned run gave data, or needed to give none."""
        return not any(cell.owed for cell in self.cells)
