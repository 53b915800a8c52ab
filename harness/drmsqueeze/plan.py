# SPDX-License-Identifier: MIT
"""Plans: which runs there will be, on which kernel, at which level and demand and in which order; fixed before the first run."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from drmsqueeze_results.documents import write_json

from drmsqueeze.arms import Arm
from drmsqueeze.errors import UsageError
from drmsqueeze.scenario import Scenario

SCHEMA = "drmsqueeze.plan/1"
ALPHA = 0.05
# Failing and locking up compete with each other, and are what a choice of GFP flags trades.
PRIMARY_OUTCOMES = ("failed", "hung")
# The permutation test swaps whole clusters, and its smallest p is 2 / 2^clusters: twelve leave room for Holm and for clusters that agree.
CLUSTERS = 12
MOST_RUNS = 200
# A difference of shares that is taken for none: an answer too, and the only one that ends an argument about equal kernels.
MARGIN = 0.05


@dataclass(frozen=True)
class PlannedRun:
    """One cell of a plan.

    Runs of one block share level, demand rate and seed, and are what a test compares. `cluster`: blocks whose runs start, per arm, from one
    snapshot. `rate_hz` None: as the scenario's stressors say. `repeats`: the block that this one is carried out in place of.
    """

    index: int
    block: int
    level: float
    arm: str
    seed: int
    rate_hz: float | None = None
    cluster: int = 0
    repeats: int | None = None

    @property
    def directory(self) -> str:
        return f"{self.index:04d}"


@dataclass(frozen=True)
class Design:
    """How many runs there will be. `fixed`: as planned; `sequential`: until the question is answered, `most_runs` of an arm at the most.

    `cold`: every run boots its own guest. `margin`: differences of shares below it do not matter to who asks (sequential only).
    """

    kind: str = "fixed"
    cold: bool = False
    most_runs: int | None = None
    margin: float | None = None

    @property
    def sequential(self) -> bool:
        return self.kind == "sequential"


@dataclass(frozen=True)
class RepeatedBlock:
    """A block that lost an arm to infrastructure, the block carried out in its place, and what it was lost to."""

    block: int
    repeated_by: int
    reason: str


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
    rates_hz: Sequence[float | None] = (None,)
    design: Design = field(default_factory=Design)
    repeated_blocks: tuple[RepeatedBlock, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA, "purpose": self.purpose, "scenario": self.scenario.document, "arms": dict(self.arms),
            "levels": list(self.levels), "rates_hz": list(self.rates_hz), "runs": self.runs, "seed": self.seed, "alpha": ALPHA,
            "primary_outcomes": list(PRIMARY_OUTCOMES), "design": asdict(self.design), "order": [asdict(run) for run in self.order],
            "repeated_blocks": [asdict(repeated) for repeated in self.repeated_blocks],
        }

    def write(self, path: Path) -> None:
        """Written whole or not at all: whoever reads it meanwhile sees the old plan or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, self.to_json())

    @staticmethod
    def load(path: Path) -> "Plan":
        """Also a plan from before there were clusters, when each block was one."""
        document = json.loads(path.read_text())
        order = tuple(PlannedRun(**{"cluster": run["block"]} | run) for run in document["order"])
        return Plan(document["purpose"], Scenario(document["scenario"]), document["arms"], document["levels"], document["runs"],
                    document["seed"], order, document.get("rates_hz", [None]), Design(**document.get("design", {})),
                    tuple(RepeatedBlock(**repeated) for repeated in document.get("repeated_blocks", ())))

    @property
    def warm(self) -> bool:
        """Whether runs start from snapshots, where that can be. A single run boots, as the run boots that it is to reproduce."""
        return self.purpose == "compare" and not self.design.cold

    @property
    def standing(self) -> list[PlannedRun]:
        """The runs that count: not those of blocks that were run again."""
        again = {repeated.block for repeated in self.repeated_blocks}
        return [run for run in self.order if run.block not in again]

    @property
    def conditions(self) -> int:
        """How many (level, demand rate) there are: the blocks of a round."""
        return len(self.levels) * len(self.rates_hz)

    def arm_of(self, run: PlannedRun) -> Arm:
        return Arm.parse(self.arms[run.arm])

    @property
    def of_each_arm(self) -> list[tuple[str, Scenario]]:
        """Kernel and scenario of each arm."""
        arms = [Arm.parse(label) for label in self.arms.values()]
        return [(arm.kernel, arm.of(self.scenario)) for arm in arms]

    def blocks(self) -> dict[int, list[PlannedRun]]:
        """The runs of each block, in their order."""
        found: dict[int, list[PlannedRun]] = {}
        for run in self.order:
            found.setdefault(run.block, []).append(run)
        return found

    def with_repeats(self, lost: Mapping[int, str]) -> "Plan":
        """This plan, with a block at its end for each of these that lost an arm, and to what.

        The new block keeps level, rate and cluster and has a seed of its own: what its own seed lost is not to be lost again.
        """
        blocks, order, repeated = self.blocks(), list(self.order), list(self.repeated_blocks)
        for block, reason in lost.items():
            new = order[-1].block + 1
            chance = random.Random(f"{self.seed} repeats {block}")
            seed = chance.randrange(1 << 32)
            for old in chance.sample(blocks[block], len(blocks[block])):
                order.append(replace(old, index=len(order), block=new, seed=seed, repeats=block))
            repeated.append(RepeatedBlock(block, new, reason))
        return replace(self, order=tuple(order), repeated_blocks=tuple(repeated))


def _orders_of_arms(chance: random.Random, arms: Sequence[str]) -> Iterator[Sequence[str]]:
    """For the blocks of one condition, one after the other: a random order, then that order reversed (ABBA), and so on.

    So each arm comes as early as late in every two blocks, and a machine that warms up or slows down favours none (counterbalancing:
    Cox, "Planning of Experiments", 1958, chapter 13).
    """
    while True:
        order = chance.sample(arms, len(arms))
        yield order
        yield order[::-1]


def _order(arms: Sequence[str], levels: Sequence[float], rates_hz: Sequence[float | None], runs: int, seed: int,
           of_a_cluster: int) -> Iterator[PlannedRun]:
    chance = random.Random(seed)
    conditions = list(product(levels, rates_hz))
    orders = [_orders_of_arms(chance, arms) for _ in conditions]
    index = block = 0
    for _ in range(runs):
        for number in chance.sample(range(len(conditions)), len(conditions)):
            level, rate_hz = conditions[number]
            # The first block takes the plan's own seed: so a plan of one run repeats a run, given its seed.
            run_seed = chance.randrange(1 << 32) if block else seed
            for arm in next(orders[number]):
                yield PlannedRun(index, block, level, arm, run_seed, rate_hz, block // of_a_cluster)
                index += 1
            block += 1


def _check_place_in_comparison(scenario: Scenario) -> None:
    if any("steer" in injector for injector in scenario["injectors"]):
        raise UsageError(f"{scenario.name}: its hog steers by what it measures, and so would take more memory from one kernel than from the other; "
                         "a comparison needs the same pressure on both (levels)")


def blocks_per_cluster(blocks: int, cold: bool) -> int:
    """Of a fixed plan with so many blocks."""
    return 1 if cold else max(1, blocks // CLUSTERS)


def make(purpose: str, scenario: Scenario, kernels: Sequence[str], runs: int | None = None, seed: int | None = None, *,
         cold: bool = False) -> Plan:
    """A plan with the kernels (of a comparison: labels of arms.Arm) as arms a, b, ...: in every block each arm once at one level and demand rate, all in seeded random order.

    Raises UsageError where the scenario has no place in a comparison.
    """
    if purpose == "compare":
        _check_place_in_comparison(scenario)
    runs = scenario["runs"] if runs is None else runs
    blocks = runs * len(scenario["levels"]) * len(scenario.rates_hz)
    return _make(purpose, scenario, kernels, runs, seed, Design(cold=cold), blocks_per_cluster(blocks, cold))


def _make(purpose: str, scenario: Scenario, kernels: Sequence[str], runs: int, seed: int | None, design: Design,
          of_a_cluster: int) -> Plan:
    seed = scenario["seed"] if seed is None else seed
    arms = {chr(ord("a") + i): kernel for i, kernel in enumerate(kernels)}
    order = tuple(_order(list(arms), scenario["levels"], scenario.rates_hz, runs, seed, of_a_cluster))
    return Plan(purpose, scenario, arms, scenario["levels"], runs, seed, order, scenario.rates_hz, design)


def make_sequential(scenario: Scenario, kernels: Sequence[str], seed: int | None = None, *, most_runs: int = MOST_RUNS,
                    margin: float = MARGIN, cold: bool = False) -> Plan:
    """A plan of a comparison that goes on until its question is answered: each arm has `most_runs` runs at the most, over all conditions.

    A round, each condition once, is the unit of its test and a cluster. Raises UsageError as `make` does, and where no round fits.
    """
    conditions = len(scenario["levels"]) * len(scenario.rates_hz)
    rounds = most_runs // conditions
    if rounds < 1:
        raise UsageError(f"{scenario.name}: {most_runs} runs of each kernel are less than one at each of {len(scenario['levels'])} levels "
                         f"and {len(scenario.rates_hz)} demand rates")
    if not 0 < margin < 1:
        raise UsageError(f"a margin of {margin:g} is no difference of shares; expected more than 0 and less than 1")
    _check_place_in_comparison(scenario)
    return _make("compare", scenario, kernels, rounds, seed, Design("sequential", cold, most_runs, margin), conditions)
