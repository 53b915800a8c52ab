# SPDX-License-Identifier: MIT
"""Run directories of many nights for tests of the history, made from one golden run each."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from golden_data import DATA
from drmsqueeze_results.model import Outcome

TEMPLATE = json.loads((DATA / "run-completed.json").read_text())
FIRST = datetime(2026, 10, 1, 22, tzinfo=timezone.utc)  # night 0
JOBS = 100


def night(number: int) -> str:
    """The name of a night: the date of its beginning."""
    return (FIRST + timedelta(days=number)).date().isoformat()


@dataclass(frozen=True)
class Made:
    """A run that is to be made. `findings` are signatures that nobody expected, `jobs` fates of some of its 100 jobs."""

    night: int
    status: str = "pass"
    scenario: str = "panfrost-heap"
    kernel: str = "lab"
    machine: str = "vm"
    level: float = 0.05
    rate_hz: float | None = None
    seed: int | None = None
    release: str = "6.12.117"
    after_s: int | None = None  # after 22:00, when its night's runs begin
    findings: Sequence[str] = ()
    expected: Sequence[str] = ()
    jobs: dict[str, int] = field(default_factory=dict)


def document(one: Made, index: int) -> dict[str, Any]:
    """The run.json of `one`, which is the run `index` of all and by that began so many seconds into its night."""
    completed = 0 if one.status in ("error", "skip") else JOBS - sum(one.jobs.values())
    fates = {outcome.value: one.jobs.get(outcome.value, 0) for outcome in Outcome} | {"completed": completed}
    environment = TEMPLATE["environment"]
    return TEMPLATE | {
        "verdict": {"status": one.status, "reason_code": "made", "reasons": []},
        "scenario": TEMPLATE["scenario"] | {"name": one.scenario, "seed": index if one.seed is None else one.seed},
        "level": one.level, "rate_hz": one.rate_hz, "index": index,
        "environment": environment | {"machine": one.machine, "kernel": environment["kernel"] | {
            "variant": one.kernel, "release": one.release}},
        "jobs": {"submitted": sum(fates.values()), **fates},
        "findings": [{"kind": signature.partition(":")[0], "signature": signature, "count": 1, "first_s": 1.0, "expected": expected, "excerpt": "x"}
                     for expected, signatures in ((False, one.findings), (True, one.expected)) for signature in signatures],
        "started": (FIRST + timedelta(days=one.night, seconds=index % 7200 if one.after_s is None else one.after_s)).isoformat(timespec="milliseconds"),
    }


def make(directory: Path, runs: Sequence[Made]) -> Path:
    """Write DIR/SCENARIO/NNNN/run.json for each."""
    for index, one in enumerate(runs):
        place = directory / one.scenario / f"{index:04d}"
        place.mkdir(parents=True)
        (place / "run.json").write_text(json.dumps(document(one, index), indent=1))
    return directory


def campaign(runs: int, nights: int = 40) -> Iterator[Made]:
    """What a lab has after some weeks: `runs` over its nights, 20 scenarios, 2 kernels and 5 levels, with findings that come and go."""
    for index in range(runs):
        at = index * nights // runs
        number = index % 20
        findings = [name for name, seen in (
            ("hung-task: irq/N-panfro: shrink_slab", number == 3 and at == nights - 1),
            ("warn: panfrost_mmu.c:N panfrost_mmu_map", number == 5 and at < nights * 3 // 4),
            ("leak: pages shmem", number == 7 and index % 3 == 0)) if seen]
        failed = {"failed": 1 + index % 7} if index % 4 == 0 else {}
        yield Made(at, "fail" if findings or number == 9 and index % 11 == 0 else "pass", f"scenario-{number:02d}",
                   ("lab", "lab+panfrost-nowait")[index // 20 % 2], level=(1.0, 0.5, 0.2, 0.1, 0.05)[index // 40 % 5], findings=findings, jobs=failed)
