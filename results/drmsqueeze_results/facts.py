# SPDX-License-Identifier: MIT
"""The facts of a run directory as the harness left them, read and validated; nothing is judged here."""

import json
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Mapping, Sequence

from drmsqueeze_results.documents import from_plain, is_scalar, read_json, validate
from drmsqueeze_results.errors import BadRunDirectory
from drmsqueeze_results.kernel_log import Line, read_lines
from drmsqueeze_results.model import Driver, Injection, Kernel, Leaks, Outcome, ScenarioId, Snapshot, StressorReport, Timing


class Ended(str, Enum):
    """How the machine's part of a run came to its end, seen from outside."""

    BYE = "bye"
    POWEROFF_WITHOUT_BYE = "poweroff-without-bye"
    SILENT = "silent"
    KILLED = "killed"
    PANIC = "panic"
    BOOT_TIMEOUT = "boot-timeout"
    TIME_LIMIT = "time-limit"
    RING_FULL = "ring-full"
    REBOOTED = "rebooted"
    LINK_LOST = "link-lost"
    HARNESS_KILLED = "harness-killed"


@dataclass(frozen=True)
class Machine:
    """Where it ran and how it ended; `last_beat_s` is the last heartbeat in guest seconds.

    `slowdown` is how many times slower than the plain lab kernel this kernel is, which is part of `time_scale`; `more_ram_mib` is
    what the guest got beside the scenario's `ram_mib`, for its kernel's own tables.
    `recorded` are QEMU's icount options, where it recorded the run for an exact replay; `beside`: how many other guests of the same plan
    ran at the same time. `board`: what a board's machine file does not say of the run (boot id, watchdog, connections, how it was left).
    """

    kind: str
    accelerator: str | None
    ended: Ended
    last_beat_s: float | None
    qemu_exit: int | None
    sysrq_taken: bool
    slowdown: float | None = None
    more_ram_mib: int | None = None
    recorded: str | None = None
    beside: int | None = None
    board: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class JobTotals:
    """Intents and ends that the host has seen."""

    intents: int
    ended: int


@dataclass(frozen=True)
class Release:
    """When everything taken was given back (guest seconds), and whether that was verified."""

    begun_s: float | None
    done_s: float | None
    restored: bool | None


@dataclass(frozen=True)
class PhaseBegun:
    """A phase of the scenario that has begun; `index` is its place in the scenario, the time is the guest's."""

    index: int
    kind: str
    begun_s: float


@dataclass(frozen=True)
class Bye:
    """The agent's last word; 0 is well, else an errno and why."""

    code: int
    reason: str


@dataclass(frozen=True)
class SeenWitness:
    """A witness as the agent or the harness recorded it. `in_time`: what was taken for late had signalled in time, by its own stamp."""

    kind: str
    first_s: float | None
    count: int
    job: int | None
    text: str | None
    last_s: float | None = None
    in_time: bool = False

    def named(self) -> "SeenWitness":
        """The same with its first word as kind: recorders put details behind it ("d-state irq/25-panfrost")."""
        word, _, rest = self.kind.partition(" ")
        return replace(self, kind=word, text=" ".join(part for part in (rest, self.text) if part) or None)


@dataclass(frozen=True)
class Facts:
    """The contents of facts.json.

    `started`: the host's clock when the run began, ISO 8601 in UTC; null in older runs. `rate_hz`: the demand rate that was put into
    the stressors; null where it is the scenario's own.
    """

    scenario: ScenarioId
    level: float
    arm: str
    index: int
    block: int
    machine: Machine
    kernel: Kernel
    driver: Driver
    time_scale: float | None
    snapshot: Snapshot | None
    jobs: JobTotals
    release: Release | None
    bye: Bye | None
    witnesses: tuple[SeenWitness, ...]
    timing_s: Timing
    expect: Mapping[str, Sequence[int | None]] | None
    infrastructure_error: str | None
    phases: tuple[PhaseBegun, ...] = ()
    started: str | None = None
    rate_hz: float | None = None


@dataclass(frozen=True)
class JobRecord:
    """A line of jobs.jsonl for a job that did not complete or has no end (`fate` null). Times in guest seconds.

    `refused`: attempts that lacked memory; `remedies`: what the client did about those came out so, so often; it took `remedied_ns`.
    `submit_s` is that of the first attempt.
    """

    job: int
    intent_s: float
    submit_s: float | None
    end_s: float | None
    fate: Outcome | None
    errno: int
    latency_ns: int | None
    late: bool
    after_release: bool
    victim: bool
    submit_failed: bool
    reason: str
    stressor: str = ""
    client: int | None = None
    context: int | None = None
    thread: int | None = None
    demand_bytes: int | None = None
    phase: int | None = None
    refused: int = 0
    remedies: Mapping[str, int] = field(default_factory=dict)
    remedied_ns: int = 0


@dataclass(frozen=True)
class CompletedJobs:
    """A line of jobs.jsonl: the completed jobs of one stressor. Bucket b holds latencies from 2^(b/16) ns on.

    `last_intent_s`: when the last of them was begun, which shows that what executes them worked then. `repaired`: how many of them
    completed after an attempt that was refused memory.
    """

    stressor: str
    count: int
    late: int
    min_ns: int
    max_ns: int
    buckets_per_octave: int
    counts: Mapping[str, int]
    phase: int | None = None
    last_intent_s: float | None = None
    repaired: int = 0

    def __post_init__(self) -> None:
        octaves = 64  # of nanoseconds: more than a machine's life
        if not 0 < self.buckets_per_octave <= 1000 or min(self.count, *self.counts.values(), 0) < 0 or self.max_ns < self.min_ns:
            raise ValueError("found a histogram with numbers below 0")
        if sum(self.counts.values()) != self.count:
            raise ValueError("found a histogram whose buckets do not add up")
        if not all(0 <= int(bucket) <= octaves * self.buckets_per_octave for bucket in self.counts):
            raise ValueError("found a histogram with buckets out of range")


@dataclass(frozen=True)
class RunData:
    """Everything that a verdict may rest on. `damaged` are sentences about files that could not be used in full.

    `kmemleak` is what the kernel printed of memory that nobody refers to any more; empty where it did not look.
    """

    directory: Path
    facts: Facts
    jobs: tuple[JobRecord, ...]
    completed: tuple[CompletedJobs, ...]
    samples: tuple[Mapping[str, float], ...]
    injections: tuple[Mapping[str, Any], ...] | None
    stressors: tuple[Mapping[str, Any], ...]
    environment: Mapping[str, Any]
    scenario: Mapping[str, Any]
    console: tuple[Line, ...]
    damaged: tuple[str, ...]
    leaks: Leaks
    kmemleak: str = ""


NOT_COUNTED = Leaks(False, "nothing was counted after the run", None, ())


def _json_lines(path: Path, damaged: list[str]) -> list[dict[str, Any]]:
    """The documents of a .jsonl file. A line that is no JSON object, as a kill leaves it, is told in `damaged`."""
    documents = []
    if not path.exists():
        return []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            document = json.loads(line)
            if not isinstance(document, dict):
                raise ValueError("not an object")
            documents.append(document)
        except (ValueError, RecursionError) as e:
            damaged.append(f"{path.name}: line {number} cannot be read ({e})")
    return documents


def _optional_json(path: Path, wanted: type, damaged: list[str]) -> Any:
    """The document in `path`, or None; a guest that died halfway through sending it leaves half a file."""
    if not path.exists():
        return None
    try:
        document = read_json(path, BadRunDirectory)
    except BadRunDirectory as e:
        damaged.append(f"{path.name} cannot be read ({e})")
        return None
    if not isinstance(document, wanted):
        damaged.append(f"{path.name} is no {wanted.__name__}")
        return None
    return document


def _fits(cls: type, entry: Any, named: str) -> bool:
    try:
        from_plain(cls, {"settings": {}, "fired": None} | entry)
    except (KeyError, TypeError, ValueError):
        return False
    return named in entry


def _entries(path: Path, cls: type, named: str, damaged: list[str]) -> tuple[Mapping[str, Any], ...] | None:
    """A list of objects that each are a `cls`, the text member `named` among them; None where the file is missing."""
    entries = _optional_json(path, list, damaged)
    if entries is None:
        return None
    sound = tuple(entry for entry in entries if isinstance(entry, dict) and _fits(cls, entry, named))
    if len(sound) < len(entries):
        damaged.append(f"{path.name} has {len(entries) - len(sound)} entries without member {named}, or with others of no use")
    return sound


def _samples(path: Path, damaged: list[str]) -> tuple[Mapping[str, float], ...]:
    """The samples whose members are all numbers, the time among them."""
    lines = _json_lines(path, damaged)
    sound = tuple(line for line in lines if "t_s" in line and all(is_scalar(float, value) for value in line.values()))
    if len(sound) < len(lines):
        damaged.append(f"{path.name} has {len(lines) - len(sound)} lines that are no samples")
    return sound


def _is_range(name: str, value: Any) -> bool:
    return (name in Outcome._value2member_map_ and isinstance(value, list) and len(value) == 2 and is_scalar(float, value[0])
            and (value[1] is None or is_scalar(float, value[1])))


def _scenario(path: Path, damaged: list[str]) -> Mapping[str, Any]:
    """The scenario, as far as verdicts rest on it; the harness has held it against its schema before the run."""
    document = _optional_json(path, dict, damaged) or {}
    lists = {name: document.get(name, []) for name in ("injectors", "model_faults", "traps", "phases")}
    sound = all(isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries) for entries in lists.values())
    sound = sound and all(isinstance(entry.get("kind"), str) for entry in lists["injectors"] + lists["phases"])
    sound = sound and all(isinstance(entry.get("trap"), str) for entry in lists["traps"])
    expected = [entry.get("expect", {}) for entry in lists["phases"]] if sound else []
    if sound and all(isinstance(e, dict) and all(_is_range(name, value) for name, value in e.items()) for e in expected):
        return document
    damaged.append(f"{path.name} is no scenario")
    return {}


def read_facts(directory: Path) -> Facts:
    """facts.json alone. Raises BadRunDirectory where it is missing or not in its format."""
    path = directory / "facts.json"
    document = read_json(path, BadRunDirectory)
    validate(document, "facts", str(path), BadRunDirectory)
    try:
        facts = from_plain(Facts, document)
    except (KeyError, TypeError, ValueError) as e:
        raise BadRunDirectory(f"{path}: {e}") from e
    return replace(facts, witnesses=tuple(witness.named() for witness in facts.witnesses))


def read_run(directory: Path) -> RunData:
    """Read the facts of `directory`. Raises BadRunDirectory where facts.json is missing or not in its format.

    Other files may be missing or cut short, since machines die; what was lost is told in `damaged`.
    """
    facts = read_facts(directory)
    damaged: list[str] = []
    lines = _json_lines(directory / "jobs.jsonl", damaged)
    console = directory / "console.log"
    log = console.read_text(encoding="utf-8", errors="replace") if console.exists() else ""
    kmemleak = directory / "evidence" / "kmemleak.txt"
    injections = _entries(directory / "injections.json", Injection, "injector", damaged)
    leaks = _optional_json(directory / "leaks.json", dict, damaged)
    try:
        return RunData(
            directory=directory,
            facts=facts,
            jobs=tuple(from_plain(JobRecord, line) for line in lines if "completed" not in line),
            completed=tuple(from_plain(CompletedJobs, line["completed"]) for line in lines if "completed" in line),
            samples=_samples(directory / "samples.jsonl", damaged),
            injections=injections,
            stressors=_entries(directory / "stressors.json", StressorReport, "stressor", damaged) or (),
            environment=_optional_json(directory / "environment.json", dict, damaged) or {},
            scenario=_scenario(directory / "scenario.json", damaged),
            console=tuple(read_lines(log)),
            damaged=tuple(damaged),
            leaks=from_plain(Leaks, leaks) if leaks else NOT_COUNTED,
            kmemleak=kmemleak.read_text(encoding="utf-8", errors="replace") if kmemleak.exists() else "",
        )
    except (KeyError, TypeError, ValueError) as e:
        raise BadRunDirectory(f"{directory}: jobs.jsonl or leaks.json is not in its format: {e}") from e
