# SPDX-License-Identifier: MIT
"""How long runs took on this machine: kept in the cache, for `compare --plan`."""

import json
from pathlib import Path
from typing import Any

from drmsqueeze_results.documents import write_json

from drmsqueeze import cache
from drmsqueeze.scenario import Scenario

ASSUMED_S = 10.0


def _file() -> Path:
    return cache.root() / "timings.json"


def _known() -> dict[str, Any]:
    try:
        known = json.loads(_file().read_text())
        return known if isinstance(known, dict) else {}
    except (OSError, ValueError):
        return {}


def note(scenario: Scenario, runs: int, seconds: float) -> None:
    """So many runs of a scenario, with all that is around them, took so long. A note that two processes write at once may get lost."""
    if runs:
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_json(_file(), _known() | {scenario.sha256: {"name": scenario.name, "runs": runs, "seconds": round(seconds, 1)}})


def per_run_s(scenario: Scenario) -> tuple[float, str]:
    """Seconds of a run, and where they are from: this scenario here, others here, or nothing but an assumption."""
    known = _known()
    if scenario.sha256 in known:
        entry = known[scenario.sha256]
        return entry["seconds"] / entry["runs"], f"measured here, in {entry['runs']} runs of this scenario"
    if known:
        seconds, runs = (sum(entry[member] for entry in known.values()) for member in ("seconds", "runs"))
        return seconds / runs, f"measured here, in {runs} runs of other scenarios"
    return ASSUMED_S, "assumed: nothing was measured here yet"
