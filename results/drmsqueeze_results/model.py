# SPDX-License-Identifier: MIT
"""What became of a job and of a run: the words of the design as types. Fields are the members of run.json."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Mapping


class Outcome(str, Enum):
    """The fate of a job; each job has exactly one."""

    COMPLETED = "completed"
    CORRUPTED = "corrupted"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    STALLED = "stalled"
    HUNG = "hung"
    LOST = "lost"


# Outcomes that end a run or nearly so: their number of jobs says little, whether a run had one says all. Fixed here,
# and not by looking at the data.
RARE = frozenset({Outcome.STALLED.value, Outcome.HUNG.value, Outcome.LOST.value})


class Status(str, Enum):
    """The fate of a run."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    SKIP = "skip"

    @property
    def exit_code(self) -> int:
        """The exit code of the command line for one run."""
        return {Status.PASS: 0, Status.FAIL: 1, Status.ERROR: 3, Status.SKIP: 77}[self]

    @property
    def usable(self) -> bool:
        """Whether the counts of such a run are data: a failed test is, a test that could not do its work is not."""
        return self in (Status.PASS, Status.FAIL)


@dataclass(frozen=True)
class Verdict:
    """`reason_code` is a short word for machines ("ok" for a plain pass), `reasons` are sentences for people."""

    status: Status
    reason_code: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class ScenarioId:
    """Which scenario, as resolved; the hash is over the resolved document."""

    name: str
    sha256: str | None
    seed: int


@dataclass(frozen=True)
class Kernel:
    """The kernel that ran."""

    release: str | None
    variant: str | None
    config_sha256: str | None


@dataclass(frozen=True)
class Driver:
    """The driver under test; `model` is null on a real board, `timeout_ms` is the driver's own job timeout. `oom_null`: what the model's
    firmware does when it asks for heap memory and gets none; null where no model decides that."""

    name: str
    module_sha256: str | None
    model: str | None
    timeout_ms: float | None
    oom_null: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """The saved guest that a run was restored from; runs of one are clones of one booted machine."""

    id: str
    cluster: int


@dataclass(frozen=True)
class Environment:
    """What a reader needs to judge whether another machine would answer the same. Null: not known.

    `snapshot` is null where the guest booted for this run alone. `slowdown`: how many times slower than the plain lab kernel this one
    is, as measured; it is part of `time_scale`. `more_ram_mib`: what a debug kernel was given for its own tables, beside what the scenario says.
    `recorded` are QEMU's icount options, where it recorded the run for an exact replay; null where it did not. `beside`: how many other
    guests of the same plan ran at the same time.
    """

    machine: str
    accelerator: str | None
    kernel: Kernel
    driver: Driver
    time_scale: float | None
    snapshot: Snapshot | None
    ram_kib: int | None
    swap: Any
    min_free_kib: int | None
    swappiness: int | None
    thp: str | None
    mglru: Any
    preemption: str | None
    hz: int | None
    slowdown: float | None = None
    more_ram_mib: int | None = None
    recorded: str | None = None
    beside: int | None = None


@dataclass(frozen=True)
class JobCounts:
    """Counts of jobs by fate. Their sum is `submitted`, always."""

    submitted: int
    completed: int = 0
    corrupted: int = 0
    failed: int = 0
    timed_out: int = 0
    stalled: int = 0
    hung: int = 0
    lost: int = 0

    def __post_init__(self) -> None:
        total = sum(self.of(outcome) for outcome in Outcome)
        if total != self.submitted:
            raise ValueError(f"fates sum to {total}, submitted were {self.submitted}")

    def of(self, outcome: Outcome) -> int:
        """The number of jobs with this fate."""
        return int(getattr(self, outcome.value))


@dataclass(frozen=True)
class Latency:
    """Latency of completed jobs in nanoseconds; null where nothing completed. Quantiles are good to 4 %."""

    p50: int | None
    p90: int | None
    p99: int | None
    max: int | None


@dataclass(frozen=True)
class DataTable:
    """A table that a stressor or an injector fills: cells are texts, numbers, yes or no, or null."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Injection:
    """What was injected. `fired` is null where it cannot be counted or the machine died before it was read.

    `charged_to` is the memory cgroup that what was taken is charged to ("/": nobody's), null where nothing was taken.
    """

    injector: str
    settings: Mapping[str, Any]
    fired: int | None
    charged_to: str | None = None
    counts: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[DataTable, ...] = ()


@dataclass(frozen=True)
class StressorReport:
    """What a stressor tells beside the fates of its jobs."""

    stressor: str
    counts: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[DataTable, ...] = ()


@dataclass(frozen=True)
class PhaseResult:
    """What became of the jobs that were begun in a phase of the scenario; the time is the guest's."""

    index: int
    kind: str
    begun_s: float
    jobs: JobCounts
    latency_ns: Latency


@dataclass(frozen=True)
class Pressure:
    """`assigned` is the level; the rest is what was really reached (percent of time; KiB).

    The kernel refreshes its own average every two seconds, which is too slow for short runs: `psi_some_percent` is the share of
    the whole run's time in which some task waited for memory, from the kernel's total.
    """

    assigned: float
    psi_some_avg10_max: float | None
    mem_available_min_kib: int | None
    psi_some_percent: float | None = None


@dataclass(frozen=True)
class JobTimes:
    """After how long jobs came to an end: by end ("completed", "failed", "stuck", "oom"; "censored": cut short by something else)
    a histogram in which bucket b holds times from 2^(b/buckets_per_octave) ns on. `deadline_ms` is the jobs', in guest time.
    """

    buckets_per_octave: int
    deadline_ms: float | None
    ends: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class LeakCount:
    """How many of a thing the kernel held before a run and after it; up to `allowed` more are noise."""

    what: str
    before: int
    after: int
    allowed: int


@dataclass(frozen=True)
class Leaks:
    """What a run left behind. Not `compared`: why not. `waited_s`: for how long things were given time to go back (guest seconds)."""

    compared: bool
    reason: str | None
    waited_s: float | None
    counts: tuple[LeakCount, ...]

    @property
    def grown(self) -> tuple[LeakCount, ...]:
        """What did not come back."""
        return tuple(count for count in self.counts if count.after - count.before > count.allowed) if self.compared else ()


@dataclass(frozen=True)
class Finding:
    """Something that a person must see. `signature` is equal for the same bug on two machines."""

    kind: str
    signature: str
    count: int
    first_s: float | None
    expected: bool
    excerpt: str


@dataclass(frozen=True)
class Witness:
    """An independent sign of a hang, when it was first and last seen (guest seconds; null: not known), how often, and details.

    `settled`: what it saw was over later, since jobs that were begun after it completed, or it was no hang at all.
    """

    kind: str
    first_s: float | None
    last_s: float | None = None
    count: int = 1
    text: str = ""
    settled: bool = False


@dataclass(frozen=True)
class Stall:
    """A job that was late and completed: how long after its intent, and how long after all was given back (null: before that)."""

    job: int
    latency_s: float | None
    after_release_s: float | None


@dataclass(frozen=True)
class LockEdge:
    """A lock, the one that is held while it is taken, and the function that takes it; `frames` are its stack, innermost first.

    `lock` "fs_reclaim" stands for being in memory reclaim or where it may be entered, "dma_fence_map" for code that a GPU fence
    depends on, or that waits for one: they are annotations and no locks.
    """

    lock: str
    under: str | None
    function: str | None
    frames: tuple[str, ...]


@dataclass(frozen=True)
class LockCycle:
    """A report of lockdep. The first edge is the one that closes the cycle; `explanation` is null where we know none."""

    kind: str
    task: str | None
    first_s: float | None
    edges: tuple[LockEdge, ...]
    explanation: str | None


@dataclass(frozen=True)
class LockdepVerdict:
    """What lockdep says of a run. `checked`: whether it looked on, to the end or to its report (null: not known).

    It says one thing only and then looks no more: after `stopped_s` (guest seconds) nothing was checked. Null: to the end.
    """

    checked: bool | None
    stopped_s: float | None
    cycles: tuple[LockCycle, ...]


@dataclass(frozen=True)
class Timing:
    """Seconds of the host's clock."""

    boot: float | None
    run: float | None


@dataclass(frozen=True)
class Run:
    """One run as judged: the contents of run.json. `restored` is true, false or "unknown"; `started` and `rate_hz` as in facts.json."""

    verdict: Verdict
    scenario: ScenarioId
    level: float
    arm: str
    index: int
    block: int
    environment: Environment
    jobs: JobCounts
    latency_ns: Latency
    errnos: Mapping[str, int]
    injections: tuple[Injection, ...]
    pressure: Pressure
    findings: tuple[Finding, ...]
    witnesses: tuple[Witness, ...]
    restored: Any
    timing_s: Timing
    phases: tuple[PhaseResult, ...] = ()
    stressors: tuple[StressorReport, ...] = ()
    lockdep: LockdepVerdict | None = None
    first_witness: str | None = None
    stalls: tuple[Stall, ...] = ()
    leaks: Leaks | None = None
    started: str | None = None
    rate_hz: float | None = None
    times: JobTimes | None = None
    schema: str = "drmsqueeze.run/1"

    @property
    def status(self) -> Status:
        """Short for verdict.status."""
        return self.verdict.status


def kernel_of(run: Run) -> str:
    """The kernel as the user named it."""
    return run.environment.kernel.variant or run.arm
