# SPDX-License-Identifier: MIT
"""What every section of a report has: findings, the environment, limits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drmsqueeze_results import plots
from drmsqueeze_results.documents import read_json, to_plain
from drmsqueeze_results.errors import BadComparison
from drmsqueeze_results.facts import read_run
from drmsqueeze_results.model import Environment, Finding, Run
from drmsqueeze_results.model import kernel_of as kernel_of
from drmsqueeze_results.tables import Grid


@dataclass(frozen=True)
class FindingView:
    """A finding over all runs of a section: in how many runs of which kernel, and the first excerpt."""

    finding: Finding
    seen: str


def _flat(value: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, item in value.items():
        if isinstance(item, dict):
            yield from _flat(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "not known" if item is None else str(item)


def environment_grid(environments: Mapping[str, Environment]) -> Grid:
    """The environments side by side, one column for each kernel."""
    flat = {kernel: dict(_flat(to_plain(environment))) for kernel, environment in environments.items()}
    names = dict.fromkeys(name for column in flat.values() for name in column)
    rows = tuple((name, *(column.get(name, "") for column in flat.values())) for name in names)
    return Grid("Environment", ("", *flat), (False,) * (len(flat) + 1), rows)


def environments(runs: Sequence[Run]) -> Grid:
    first: dict[str, Environment] = {}
    for run in sorted(runs, key=lambda run: run.arm):
        first.setdefault(kernel_of(run), run.environment)
    return environment_grid(first)


def findings(runs: Sequence[Run]) -> tuple[FindingView, ...]:
    """Findings by signature; what nobody expected comes first."""
    seen: dict[tuple[str, bool], list[tuple[str, Finding]]] = {}
    for run in runs:
        for finding in run.findings:
            seen.setdefault((finding.signature, finding.expected), []).append((kernel_of(run), finding))
    views = []
    for group in seen.values():
        kernels = [kernel for kernel, _ in group]
        where = ", ".join(f"{kernel}: {kernels.count(kernel)} of {sum(kernel_of(r) == kernel for r in runs)} runs"
                          for kernel in dict.fromkeys(kernels))
        views.append(FindingView(group[0][1], where))
    return tuple(sorted(views, key=lambda view: view.finding.expected))


def limits(runs: Sequence[Run]) -> tuple[str, ...]:
    """What results like these do not show."""
    sentences = ["One machine, one scenario: other heaps, rates, amounts of memory or swap may answer otherwise."]
    environments = [run.environment for run in runs]
    models = sorted({e.driver.model for e in environments if e.driver.model})
    if models:
        sentences.append(f"The GPU is a software model ({', '.join(models)}) behind the real driver: what the "
                         "driver and the kernel's memory management do is real, the GPU's own speed is not.")
    scales = sorted({e.time_scale for e in environments if e.time_scale and e.time_scale != 1})
    if any(e.accelerator == "tcg" for e in environments):
        scaled = f"deadlines and timeouts are stretched {' or '.join(f'{s:g}' for s in scales)} times" if scales else (
            "deadlines and timeouts are unscaled")
        sentences.append(f"The CPU is emulated (TCG) and slower than a board; {scaled}. Compare the kernels with each "
                         "other; do not take the latencies for those of a board.")
    sentences.append("Latencies are those of jobs that completed: survivors. A kernel that fails its slow jobs looks "
                     "fast.")
    return tuple(sentences)


def plan_of(group: Path) -> Mapping[str, Any]:
    """The plan in a directory, or nothing where there is none."""
    path = group / "plan.json"
    document = read_json(path, BadComparison) if path.exists() else {}
    return document if isinstance(document, dict) else {}


def samples(run_dir: Path) -> plots.Samples:
    return read_run(run_dir).samples
