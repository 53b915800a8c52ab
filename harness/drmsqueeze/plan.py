# SPDX-License-Identifier: MIT
"""Plans: which runs there will be, on which kernel, at which level and in which order; fixed before the first run."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drmsqueeze.errors import UsageError
from drmsqueeze.scenario import Scenario

SCHEMA = "drmsqueeze.plan/1"
ALPHA = 0.05
# Failing and locking up compete with each other, and are what a choice of GFP flags trades.
PRIMARY_OUTCOMES = ("failed", "hung")


@dataclass(frozen=True)
class PlannedRun:
    """One cell of a plan. Runs of one block share level and seed, and are the pairs that a test compares."""

    index: int
    block: int
    level: float
    arm: str
    seed: int

    @property
    def directory(self) -> str:
        return f"{self.index:04d}"


@dataclass(frozen=True)
class Plan:
    """`purpose` is `run`, where an unexpected outcome is a failure, or `compare`, where outcomes are what is measured."""

    purpose: str
    scenario: Scenario
    arms: Mapping[str, str]
    levels: Sequence[float]
    runs: int
    seed: int
    order: tuple[PlannedRun, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA, "purpose": self.purpose, "scenario": self.scenario.document, "arms": dict(self.arms),
            "levels": list(self.levels), "runs": self.runs, "seed": self.seed, "alpha": ALPHA,
            "primary_outcomes": list(PRIMARY_OUTCOMES), "order": [asdict(run) for run in self.order],
        }

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_json(), indent=1) + "\n")

    @staticmethod
    def load(path: Path) -> "Plan":
        document = json.loads(path.read_text())
        return Plan(document["purpose"], Scenario(document["scenario"]), document["arms"], document["levels"], document["runs"],
                    document["seed"], tuple(PlannedRun(**run) for run in document["order"]))


def _order(arms: Sequence[str], levels: Sequence[float], runs: int, seed: int) -> Iterator[PlannedRun]:
    chance = random.Random(seed)
    index = block = 0
    for _ in range(runs):
        for level in chance.sample(levels, len(levels)):
            # The first block takes the plan's own seed: so a plan of one run repeats a run, given its seed.
            run_seed = chance.randrange(1 << 32) if block else seed
            for arm in chance.sample(arms, len(arms)):
                yield PlannedRun(index, block, level, arm, run_seed)
                index += 1
            block += 1


def make(purpose: str, scenario: Scenario, kernels: Sequence[str], runs: int | None = None, seed: int | None = None) -> Plan:
    """A plan with the kernels as arms a, b, ...: in every block each arm once at one level, all in seeded random order.

    Raises UsageError where the scenario has no place in a comparison.
    """
    if purpose == "compare" and any("steer" in injector for injector in scenario["injectors"]):
        raise UsageError(f"{scenario.name}: its hog steers by what it measures, and so would take more memory from one kernel than from the other; "
                         "a comparison needs the same pressure on both (levels)")
    runs = scenario["runs"] if runs is None else runs
    seed = scenario["seed"] if seed is None else seed
    arms = {chr(ord("a") + i): kernel for i, kernel in enumerate(kernels)}
    return Plan(purpose, scenario, arms, scenario["levels"], runs, seed,
                tuple(_order(list(arms), scenario["levels"], runs, seed)))
