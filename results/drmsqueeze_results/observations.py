# SPDX-License-Identifier: MIT
"""Runs as observations: which of them count, what is independent of what, and what is held against what."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from drmsqueeze_results.comparison_model import Cell
from drmsqueeze_results.model import Run

Unit = tuple[str, int]  # a machine and a cluster of blocks
Value = Callable[[Run], float | None]
DIGITS = 12  # of sums of shares: more are noise of the arithmetic, which must not make equal arms differ


@dataclass(frozen=True)
class Observation:
    """A run whose counts are data, with its place in the plan.

    Runs that start from one snapshot are clones of one machine state, and runs of one block share a seed: what is independent
    of all else is the cluster, not the run.
    """

    cell: Cell
    run: Run

    @property
    def machine(self) -> str:
        """Where it ran."""
        return self.run.environment.machine

    @property
    def unit(self) -> Unit:
        """Its cluster, on its machine."""
        return self.machine, self.cell.unit


@dataclass(frozen=True)
class Differences:
    """Two arms over clusters: for each the sum over its blocks of second minus first, and how many blocks these are."""

    sums: tuple[float, ...] = ()
    blocks: tuple[int, ...] = ()
    machines: tuple[str, ...] = ()

    @property
    def clusters(self) -> int:
        """How many clusters have data of both arms."""
        return len(self.sums)

    @property
    def differing(self) -> int:
        """In how many of them the arms differ."""
        return sum(total != 0 for total in self.sums)

    @property
    def mean(self) -> float | None:
        """Of a block; null with none."""
        return sum(self.sums) / sum(self.blocks) if self.blocks else None

    def on(self, machine: str) -> "Differences":
        """Those of one machine."""
        kept = [n for n, name in enumerate(self.machines) if name == machine]
        return Differences(tuple(self.sums[n] for n in kept), tuple(self.blocks[n] for n in kept), (machine,) * len(kept))


@dataclass(frozen=True)
class Observations:
    """All runs that count."""

    items: tuple[Observation, ...] = ()
    by_arm: Mapping[str, tuple[Observation, ...]] = field(default_factory=dict)

    @staticmethod
    def of(cells: Sequence[Cell], runs: Mapping[int, Run]) -> "Observations":
        """The usable `runs` (by index); what is left of a block that another one was carried out in place of does not count."""
        repeated = {cell.repeats for cell in cells}
        items = tuple(Observation(cell, runs[cell.index]) for cell in cells if cell.index in runs and cell.block not in repeated)
        by_arm: dict[str, list[Observation]] = {}
        for item in items:
            by_arm.setdefault(item.cell.arm, []).append(item)
        return Observations(items, {arm: tuple(group) for arm, group in by_arm.items()})

    @property
    def machines(self) -> tuple[str, ...]:
        """Where runs were, by name."""
        return tuple(sorted({item.machine for item in self.items}))

    def select(self, arm: str, level: float | None = None, rate_hz: float | None = None) -> tuple[Observation, ...]:
        """Those of one arm; `level` null: at all levels and rates, else at that level and rate."""
        return tuple(o for o in self.by_arm.get(arm, ()) if level is None or (o.cell.level, o.cell.rate_hz) == (level, rate_hz))

    def differences(self, arms: Sequence[str], value: Value, level: float | None = None, rate_hz: float | None = None) -> Differences:
        """Second arm minus first within the blocks in which both have a value on the same machine, summed by cluster."""
        blocks: dict[tuple[str, int], dict[str, list[float]]] = {}
        units: dict[tuple[str, int], Unit] = {}
        for arm in arms:
            for item in self.select(arm, level, rate_hz):
                known = value(item.run) if item.run.jobs.submitted else None
                if known is not None:
                    place = item.machine, item.cell.block
                    units[place] = item.unit
                    blocks.setdefault(place, {}).setdefault(arm, []).append(known)
        sums: dict[Unit, list[float]] = {}
        for place, values in sorted(blocks.items()):
            if len(values) == 2:
                first, second = (sum(values[arm]) / len(values[arm]) for arm in arms)
                sums.setdefault(units[place], []).append(second - first)
        order = sorted(sums)
        return Differences(tuple(round(sum(sums[unit]), DIGITS) for unit in order), tuple(len(sums[unit]) for unit in order),
                           tuple(machine for machine, _ in order))


def by_unit(items: Sequence[Observation]) -> Iterator[tuple[Unit, list[Observation]]]:
    """The observations of each unit, in order."""
    groups: dict[Unit, list[Observation]] = {}
    for item in items:
        groups.setdefault(item.unit, []).append(item)
    for unit in sorted(groups):
        yield unit, groups[unit]
