# SPDX-License-Identifier: MIT
"""How long runs took on this machine, and on boards: kept in the cache, for `compare --plan` and for a night's budget."""

import json
from pathlib import Path
from typing import Any

from drmsqueeze_results.documents import write_json

from drmsqueeze import cache
from drmsqueeze.scenario import Scenario

ASSUMED_S = 10.0
VM = "vm"


def _file() -> Path:
    return cache.root() / "timings.json"


def _known() -> dict[str, Any]:
    try:
        known = json.loads(_file().read_text())
        return known if isinstance(known, dict) else {}
    except (OSError, ValueError):
        return {}


def _key(scenario: Scenario, machine: str) -> str:
    return scenario.sha256 if machine == VM else f"{scenario.sha256} {machine}"


def note(scenario: Scenario, runs: int, seconds: float, machine: str = VM) -> None:
    """So many runs of a scenario, with all that is around them, took so long."""
    if not runs:
        return
    with cache.locked(_file().with_suffix(".lock")):
        write_json(_file(), _known() | {_key(scenario, machine): {"name": scenario.name, "runs": runs, "seconds": round(seconds, 1),
                                                                  "machine": machine}})


def per_run_s(scenario: Scenario, machine: str = VM) -> tuple[float, str]:
    """Seconds of a run, and where they are from: this scenario there, others there, or nothing but an assumption."""
    known = {key: entry for key, entry in _known().items() if entry.get("machine", VM) == machine}
    where = "here" if machine == VM else f"on {machine}"
    if entry := known.get(_key(scenario, machine)):
        return entry["seconds"] / entry["runs"], f"measured {where}, in {entry['runs']} runs of this scenario"
    if known:
        seconds, runs = (sum(entry[member] for entry in known.values()) for member in ("seconds", "runs"))
        return seconds / runs, f"measured {where}, in {runs} runs of other scenarios"
    return ASSUMED_S, f"assumed: nothing was measured {where} yet"
