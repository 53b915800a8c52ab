# SPDX-License-Identifier: MIT
"""Two kernels or more, one scenario: from DIR/plan.json and DIR/runs/*/run.json to DIR/compare.json."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from drmsqueeze_results import statistics, verdicts
from drmsqueeze_results.comparison_model import (Arm, ArmLevel, ArmLockdep, Bound, Cell, Comparison, Exposure, Level, Plan,
                                                 PlannedCell, SeenCycle, Share, Spread, Test)
from drmsqueeze_results.documents import from_plain, read_json, to_plain, validate, write_json
from drmsqueeze_results.errors import BadComparison, BadRunDirectory
from drmsqueeze_results.model import RARE, LockCycle, Outcome, Run, ScenarioId
from drmsqueeze_results.outcomes import load_run

PERMUTATION = "permutation-within-blocks"
BOSCHLOO = "boschloo"
# Injectors that make allocations fail. A comparison with one of them is no verdict on GFP flags.
INJECTS_FAILURES = frozenset({"fail-page-alloc", "failslab", "fail-function", "fail-nth"})
PLANTED = {"trap": "trap", "model-fault": "fault"}
QUANTILES = ("p50", "p90", "p99")

Runs = Mapping[int, Run]  # by the index of the plan; only runs whose counts are data


def load_plan(directory: Path) -> tuple[Plan, Mapping[str, Any]]:
    """The plan in `directory`, and the document that it came from. Raises BadComparison."""
    path = directory / "plan.json"
    document = read_json(path, BadComparison)
    validate(document, "plan", str(path), BadComparison)
    strangers = {cell["arm"] for cell in document["order"]} - set(document["arms"])
    if strangers:
        raise BadComparison(f"{path}: /order: arms that /arms does not name: {', '.join(sorted(strangers))}")
    return from_plain(Plan, document), document


def _load_runs(directory: Path, plan: Plan) -> tuple[dict[int, Run], dict[int, str]]:
    """The planned runs that have a verdict, and why others that are there have none."""
    planned = {cell.index: cell for cell in plan.order}
    runs: dict[int, Run] = {}
    unreadable: dict[int, str] = {}
    for path in sorted((directory / "runs").glob("*/run.json")):
        try:
            run = load_run(path.parent)
        except BadRunDirectory:
            if path.parent.name.isdigit():
                unreadable[int(path.parent.name)] = "unreadable"
            continue
        cell = planned.get(run.index)
        if cell is None or (cell.arm, cell.block) != (run.arm, run.block) or cell.level != run.level:
            raise BadComparison(f"{path}: this run is not the one that the plan has as number {run.index}")
        if run.index in runs:
            raise BadComparison(f"{path}: a second run with number {run.index}")
        runs[run.index] = run
    return runs, unreadable


def _cell(planned: PlannedCell, run: Run | None, unreadable: str | None) -> Cell:
    where = planned.index, planned.block, planned.level, planned.arm
    if run:
        return Cell(*where, run.status.value, run.verdict.reason_code)
    return Cell(*where, "error", unreadable) if unreadable else Cell(*where, "missing", None)


def _of(cells: Sequence[Cell], runs: Runs, level: float | None, arm: str) -> list[Run]:
    return [runs[c.index] for c in cells if c.arm == arm and level in (None, c.level) and c.index in runs]


def _spread(values: Sequence[float | None]) -> Spread:
    return Spread(*statistics.median_and_range(values))


def _arm_level(runs: Sequence[Run], seed: int) -> ArmLevel:
    submitted = [run.jobs.submitted for run in runs]
    shares = {}
    for outcome in Outcome:
        counts = [run.jobs.of(outcome) for run in runs]
        interval, kind = statistics.share_interval(counts, submitted, seed)
        shares[outcome.value] = Share(sum(counts), statistics.share(counts, submitted), interval, kind,
                                      sum(count > 0 for count in counts))
    return ArmLevel(
        len(runs), sum(submitted), shares,
        {q: _spread([getattr(run.latency_ns, q) for run in runs]) for q in QUANTILES},
        {name: _spread([getattr(run.pressure, name) for run in runs])
         for name in ("mem_available_min_kib", "psi_some_percent")})


def _measure(run: Run, outcome: str) -> float:
    """What a run contributes to a test: whether it had a rare outcome, else the share of its jobs."""
    count = run.jobs.of(Outcome(outcome))
    return float(count > 0) if outcome in RARE else count / run.jobs.submitted


def _pairs(cells: Sequence[Cell], runs: Runs, level: float | None, arms: tuple[str, str],
           outcome: str) -> list[tuple[float, float]]:
    """Per block with data of both arms: the mean of the first and of the second."""
    by_block: dict[int, dict[str, list[float]]] = {}
    for cell in cells:
        if cell.index in runs and cell.arm in arms and level in (None, cell.level) and runs[cell.index].jobs.submitted:
            by_block.setdefault(cell.block, {}).setdefault(cell.arm, []).append(_measure(runs[cell.index], outcome))

    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    return [(mean(arm[arms[0]]), mean(arm[arms[1]])) for arm in by_block.values() if len(arm) == 2]


def _permutation(pairs: Sequence[tuple[float, float]], outcome: str, level: float | None, arms: tuple[str, str],
                 seed: int) -> Test:
    effect = sum(b - a for a, b in pairs) / len(pairs) if pairs else None
    return Test(outcome, level, arms, PERMUTATION, len(pairs), sum(a != b for a, b in pairs),
                statistics.permutation_p(pairs, seed), None, statistics.permutation_p_attainable(len(pairs)), effect)


def _boschloo(cells: Sequence[Cell], runs: Runs, outcome: str, level: float, arms: tuple[str, str]) -> Test:
    of_arm = [_of(cells, runs, level, arm) for arm in arms]
    n_a, n_b = map(len, of_arm)
    with_a, with_b = (sum(run.jobs.of(Outcome(outcome)) > 0 for run in group) for group in of_arm)
    effect = with_b / n_b - with_a / n_a if n_a and n_b else None
    return Test(outcome, level, arms, BOSCHLOO, n_a + n_b, with_a + with_b,
                statistics.rare_event_p(with_a, n_a, with_b, n_b), None,
                statistics.rare_event_p_attainable(n_a, n_b), effect)


def _testable(test: Test, alpha: float) -> bool:
    """Whether the test could have come out below alpha at all.

    A permutation within blocks is conditional on how much the arms differ in each block: one with too few differing
    blocks can never be significant, whichever way they point. Left out of the family it costs the other tests nothing,
    and the family's error stays below alpha (Tarone 1990).
    """
    if test.method == PERMUTATION:
        attainable = statistics.permutation_p_attainable(test.differing)
    else:
        attainable = test.p_attainable
    return attainable is not None and attainable <= alpha


def _adjusted(tests: Sequence[Test], alpha: float,
              at_least: Mapping[tuple[str, tuple[str, ...]], float | None]) -> Iterator[Test]:
    """Holm over the testable ones; null for the others, and behind a gate (`at_least`) that gave none."""
    p_values = [test.p if _testable(test, alpha) else None for test in tests]
    for test, adjusted in zip(tests, statistics.holm(p_values)):
        floor = at_least.get((test.outcome, test.arms), 0.0)
        yield dataclasses.replace(test, p_adjusted=None if adjusted is None or floor is None else max(adjusted, floor))


def _tests(plan: Plan, arms: Sequence[str], cells: Sequence[Cell], runs: Runs) -> tuple[Test, ...]:
    """The first arm against each other one: over all levels, and then at each.

    Holm runs over the primary outcomes of the tests over all levels, which decide. Tests at single levels are a second
    family behind that gate: none is ever more certain than the test over all levels of its outcome.
    """
    pairings = [(arms[0], other) for other in arms[1:]]
    overall = list(_adjusted([
        _permutation(_pairs(cells, runs, None, pairing, outcome), outcome, None, pairing, plan.seed)
        for pairing in pairings for outcome in plan.primary_outcomes], plan.alpha, {}))
    gate = {(t.outcome, t.arms): t.p_adjusted for t in overall}
    single = [
        _boschloo(cells, runs, outcome, level, pairing) if outcome in RARE else
        _permutation(_pairs(cells, runs, level, pairing, outcome), outcome, level, pairing, plan.seed)
        for pairing in pairings for outcome in plan.primary_outcomes for level in plan.levels]
    return (*overall, *_adjusted(single, plan.alpha, gate))


def _bounds(plan: Plan, arms: Sequence[str], cells: Sequence[Cell], runs: Runs) -> Iterator[Bound]:
    """Upper bounds for what was never seen, at each level and over all."""
    for arm in arms:
        for level in (None, *plan.levels):
            group = _of(cells, runs, level, arm)
            for outcome in Outcome:
                upper = statistics.upper_bound(0, len(group))
                if outcome is Outcome.COMPLETED or upper is None or any(run.jobs.of(outcome) for run in group):
                    continue
                yield Bound(arm, outcome.value, level, len(group), upper, statistics.CONFIDENCE)


def _exposure(runs: Sequence[Run]) -> Exposure:
    fired: dict[str, int] = {}
    for run in runs:
        for injection in run.injections:
            if injection.fired is not None:
                fired[injection.injector] = fired.get(injection.injector, 0) + injection.fired
    return Exposure(sum(run.jobs.submitted for run in runs), fired)


def _lockdep(runs: Sequence[Run]) -> ArmLockdep:
    by_place: dict[tuple[object, ...], list[LockCycle]] = {}
    for run in runs:
        for cycle in run.lockdep.cycles if run.lockdep else ():
            place = (cycle.kind, *((edge.lock, edge.under, edge.function) for edge in cycle.edges))
            by_place.setdefault(place, []).append(cycle)
    return ArmLockdep(len(runs), sum(bool(run.lockdep and run.lockdep.checked) for run in runs),
                      tuple(SeenCycle(len(group), group[0]) for group in by_place.values()))


def compare(directory: Path) -> Comparison:
    """Compare the runs under `directory` as its plan says, and write compare.json.

    Every planned run ends in exactly one cell status. Raises BadComparison where the plan is missing or bad, or where a
    run is not the planned one.
    """
    plan, document = load_plan(directory)
    loaded, unreadable = _load_runs(directory, plan)
    cells = tuple(_cell(planned, loaded.get(planned.index), unreadable.get(planned.index)) for planned in plan.order)
    runs = {index: run for index, run in loaded.items() if run.status.usable}
    keys = tuple(document["arms"])
    arms = {key: Arm(kernel, len(_of(cells, runs, None, key)), sum(cell.arm == key for cell in cells))
            for key, kernel in document["arms"].items()}
    levels = tuple(Level(level, {key: _arm_level(_of(cells, runs, level, key), plan.seed) for key in keys})
                   for level in sorted(plan.levels, reverse=True))
    tests = _tests(plan, keys, cells, runs)
    bounds = tuple(_bounds(plan, keys, cells, runs))
    used = [injection for run in runs.values() for injection in run.injections]
    injected = sorted({i.injector for i in used} & INJECTS_FAILURES)
    planted = sorted({str(i.settings.get(PLANTED[i.injector], i.injector)) for i in used if i.injector in PLANTED})
    some = next(iter(loaded.values()), None)
    result = Comparison(
        scenario=ScenarioId(document["scenario"]["name"], some.scenario.sha256 if some else None, plan.seed),
        plan=plan, arms=arms, cells=cells, levels=levels, tests=tests, bounds=bounds,
        exposure={key: _exposure(_of(cells, runs, None, key)) for key in keys},
        verdict=verdicts.compose(plan, arms, cells, levels, tests, bounds, injected, planted),
        lockdep={key: _lockdep(_of(cells, runs, None, key)) for key in keys})
    plain = {"schema": "drmsqueeze.compare/1", **to_plain(result)}
    validate(plain, "compare", str(directory / "compare.json"), BadComparison)
    write_json(directory / "compare.json", plain)
    return result


def load_comparison(directory: Path) -> Comparison:
    """The comparison in `directory`/compare.json. Raises BadComparison where it is missing or not in its format."""
    path = directory / "compare.json"
    document = read_json(path, BadComparison)
    validate(document, "compare", str(path), BadComparison)
    return from_plain(Comparison, document)
