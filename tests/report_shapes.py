# SPDX-License-Identifier: MIT
"""Comparisons of many shapes, with no VM, for those who look at their pages: in tests/results as text, in tests/long in a browser."""

import json
import random
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent / "results"))

from comparisons import KERNELS, make  # noqa: E402
from drmsqueeze_results import anytime  # noqa: E402
from drmsqueeze_results.comparison import compare  # noqa: E402
from drmsqueeze_results.documents import validate, write_json  # noqa: E402
from drmsqueeze_results.errors import BadComparison  # noqa: E402
from drmsqueeze_results.outcomes import judge  # noqa: E402
from golden_data import DATA, edit  # noqa: E402

LEVELS = (1.0, 0.2, 0.1, 0.05, 0.02)
MANY = KERNELS | {"c": "lab+panfrost-noretry", "d": "lab+panfrost-atomic"}


def _run(level: float, arm: int, chance: random.Random) -> dict[str, Any]:
    """A run whose jobs fail and get stuck the more the less memory is left; later arms fail more and hang less."""
    harm = min(1.0, 0.03 / level)
    share = {"failed": min(0.9, harm * (0.1 + 0.25 * arm)), "stalled": 0.2 * harm / (arm + 1), "hung": 0.04 * harm / (arm + 1)}
    fates = chance.choices([*share, "completed"], [*share.values(), 1 - sum(share.values())], k=20)
    return {fate: fates.count(fate) for fate in set(fates)} | {
        "p50_ms": chance.randint(20, 300) if "completed" in fates else None, "growths": 100 + chance.randint(0, 50)}


def _grown(top: Path, kernels: Mapping[str, str] = KERNELS, levels: tuple[float, ...] = LEVELS, runs: int = 6, **options: Any) -> Path:
    chance = random.Random(1)
    directory = make(top, {level: {arm: [_run(level, number, chance) for _ in range(runs)] for number, arm in enumerate(kernels)}
                           for level in levels}, kernels, **options)
    for path in (directory / "runs").glob("*/run.json"):
        pressure = json.loads(path.read_text())["pressure"]
        edit(path, pressure=pressure | {"psi_some_percent": 30 * min(1.0, 0.05 / pressure["assigned"])})
    compare(directory)
    return directory


def _nothing_happened(top: Path) -> Path:
    quiet = [{"completed": 20, "p50_ms": 30 + number} for number in range(6)]
    directory = make(top, {level: {"a": quiet, "b": quiet} for level in LEVELS})
    compare(directory)
    return directory


def _with_members(directory: Path, **members: Any) -> Path:
    """The same with more members in compare.json, and that still in its format."""
    document = json.loads((directory / "compare.json").read_text()) | members
    validate(document, "compare", str(directory), BadComparison)
    write_json(directory / "compare.json", document)
    return directory


def _sequential(top: Path) -> Path:
    directory = _grown(top, levels=(1.0, 0.1, 0.02), runs=3)
    edit(directory / "plan.json", design={"kind": "sequential", "cold": False, "most_runs": 200, "margin": 0.05})
    rounds = range(1, 10)
    told = [{"outcome": outcome, "arms": ["a", "b"], "differences": [difference] * 9, "e_values": [growth ** n for n in rounds],
             "low": [None, *(difference - 1 / n for n in rounds[1:])], "high": [None, *(difference + 1 / n for n in rounds[1:])]}
            for outcome, difference, growth in (("failed", 0.3, 1.5), ("hung", -0.02, 0.9))]
    outcomes = [{"outcome": one["outcome"], "arms": one["arms"], "difference": one["differences"][-1], "e_value": one["e_values"][-1],
                 "p_anytime": min(1.0, 1 / max(one["e_values"])), "p_adjusted": min(1.0, 2 / max(one["e_values"])),
                 "interval": [one["low"][-1], one["high"][-1]]} for one in told]
    return _with_members(directory, sequential={
        "method": anytime.METHOD, "reference": anytime.REFERENCE, "alpha": 0.05, "margin": 0.05, "units": 9, "stopped": "answered", "decision": "differ", "outcomes": outcomes, "trajectory": told})


def _everything(top: Path) -> Path:
    """What few comparisons have: factors, several machines, repeated blocks, exposure that is not equal."""
    effects = [{"outcome": "failed", "factor": factor, "effect": 0.2, "interval": [0.1, 0.3], "p": 0.01}
               for factor in ("nowait", "errfix", "nowait x errfix")]
    return _with_members(
        _grown(top, MANY, rates=(10, 40)), factorial={"factors": ["nowait", "errfix"], "effects": effects},
        strata=[{"machine": name, "outcome": "failed", "arms": ["a", "b"], "effect": 0.2, "n": 6} for name in ("vm", "board-7")],
        repeated_blocks=[{"block": 3, "repeated_by": 61, "reason": "guest did not boot"},
                         {"block": 9, "repeated_by": None, "reason": "no time left"}],
        exposure_note="Exposure is not equal: heap growths differ by 12 %.")


Shapes = Mapping[str, Callable[[Path], Path]]
SHAPES: Shapes = {
    "two": _grown, "one level": lambda top: _grown(top, levels=(0.05,)), "nothing happened": _nothing_happened,
    "sequential": _sequential, "everything": _everything,
}
MORE: Shapes = {  # for those who have time
    "four arms": lambda top: _grown(top, MANY), "two rates": lambda top: _grown(top, runs=8, rates=(10, 40)),
    "few runs": lambda top: _grown(top, runs=2),
    "eight levels": lambda top: _grown(top, levels=(1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02)),
}


def hung(top: Path) -> Path:
    """A comparison in which one arm's run locked up, with all that a run directory holds."""
    directory = make(top, {0.02: {"a": [{"completed": 9, "p50_ms": 10}], "b": [{"completed": 9, "p50_ms": 10}]}})
    for path in (directory / "runs").iterdir():
        planned = json.loads((path / "run.json").read_text())
        shutil.rmtree(path)
        shutil.copytree(DATA / "runs" / ("hung-silent-sysrq" if planned["arm"] == "a" else "trap-lives"), path)
        facts = json.loads((path / "facts.json").read_text())
        edit(path / "facts.json", **{member: planned[member] for member in ("level", "arm", "index", "block")},
             kernel=facts["kernel"] | {"variant": KERNELS[planned["arm"]]})
        judge(path)
    compare(directory)
    return directory
