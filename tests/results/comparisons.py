# SPDX-License-Identifier: MIT
"""Comparison directories for tests, made from one golden run and a short description of each cell."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from golden_data import DATA
from drmsqueeze_results.job_times import bucket_of
from drmsqueeze_results.model import Outcome

TEMPLATE = json.loads((DATA / "run-completed.json").read_text())
KERNELS = {"a": "lab", "b": "lab+panfrost-nowait"}
MS = 1_000_000
# Members of a cell that a stressor counts, and what it calls them.
COUNTS = {"growths": "heap growths", "passes": "incremental passes", "refused": "attempts refused", "repaired": "jobs repaired"}

# What a run of an arm at a level comes to: counts by fate; "p50_ms"; "status"; "injector"; "lockdep"; "machine"; "failed_ms";
# with "growths" what else COUNTS names.
# None: no run.json at all.
Cell = Mapping[str, Any] | None


def make(directory: Path, cells: Mapping[float, Mapping[str, Sequence[Cell]]], kernels: Mapping[str, str] = KERNELS,
         primary: Sequence[str] = ("failed", "hung"), *, rates: Sequence[float | None] = (None,), blocks_per_cluster: int | None = None) -> Path:
    """Write DIR/plan.json and DIR/runs/NNNN/run.json. Run k of every arm at a level is a block.

    With `rates` the runs of a level are dealt to them in turn. Blocks of one cluster follow each other.
    """
    order: list[dict[str, Any]] = []
    runs = max(len(run_list) for arms in cells.values() for run_list in arms.values())
    for level, arms in cells.items():
        for number in range(runs):
            block = len(order)
            cluster = block if blocks_per_cluster is None else block // len(arms) // blocks_per_cluster
            for arm, run_list in arms.items():
                index = len(order)
                order.append({"index": index, "block": block, "level": level, "arm": arm, "seed": block, "cluster": cluster,
                              "rate_hz": rates[number % len(rates)], "repeats": None})
                if run_list[number] is not None:
                    _write(directory / "runs" / f"{index:04d}", run_list[number], order[-1], kernels[arm])
    directory.mkdir(exist_ok=True)
    (directory / "plan.json").write_text(json.dumps({
        "schema": "drmsqueeze.plan/1", "purpose": "compare", "scenario": {"name": "panfrost-heap"}, "arms": kernels,
        "levels": list(cells), "rates_hz": list(rates), "runs": runs // len(rates), "seed": 1, "alpha": 0.05, "primary_outcomes": list(primary),
        "order": order}))
    return directory


def _write(directory: Path, cell: Any, planned: Mapping[str, Any], kernel: str) -> None:
    fates = {o.value: cell.get(o.value, 0) for o in Outcome}
    p50 = cell.get("p50_ms")
    run = TEMPLATE | {
        "verdict": {"status": cell.get("status", "pass"), "reason_code": cell.get("reason_code", "ok"), "reasons": []},
        **{name: planned[name] for name in ("level", "arm", "index", "block")},
        "environment": TEMPLATE["environment"] | {"machine": cell.get("machine", "vm"), "kernel": TEMPLATE["environment"]["kernel"] | {"variant": kernel}},
        "jobs": {"submitted": sum(fates.values()), **fates},
        "latency_ns": {"p50": p50 and p50 * MS, "p90": p50 and 2 * p50 * MS, "p99": p50 and 3 * p50 * MS,
                       "max": p50 and 4 * p50 * MS},
        "pressure": TEMPLATE["pressure"] | {"assigned": planned["level"]},
        "times": {"buckets_per_octave": 16, "deadline_ms": 3000.0, "ends": {
            end: {str(bucket_of(ms / 1000)): count} for end, ms, count in (
                ("completed", p50 or 100, fates["completed"]), ("failed", cell.get("failed_ms", 10), fates["failed"]),
                ("stuck", 3000, fates["hung"] + fates["stalled"])) if count}},
    }
    if "growths" in cell:
        run["stressors"] = [{"stressor": "tiler-heap", "tables": [],
                             "counts": {name: cell[key] for key, name in COUNTS.items() if key in cell}}]
    if "injector" in cell:
        run["injections"] = [{"injector": cell["injector"], "settings": {}, "fired": 7}]
    if "lockdep" in cell:
        run["lockdep"] = cell["lockdep"]
    directory.mkdir(parents=True)
    (directory / "run.json").write_text(json.dumps(run))
