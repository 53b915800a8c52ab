# SPDX-License-Identifier: MIT
"""Two kernels or more, one scenario: from DIR/plan.json and DIR/runs/*/run.json to DIR/compare.json."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from drmsqueeze_results import arm_tests, dose_response, exposure, factorial, incidence, rounds, statistics, verdicts
from drmsqueeze_results.comparison_model import (Arm, ArmLevel, ArmLockdep, Bound, Cell, Comparison, Level, Plan, PlannedCell,
                                                 SeenCycle, Share, Spread)
from drmsqueeze_results.documents import from_plain, read_json, to_plain, validate, write_json
from drmsqueeze_results.errors import BadComparison, BadRunDirectory
from drmsqueeze_results.exposure import INJECTS_FAILURES, PLANTED
from drmsqueeze_results.model import LockCycle, Outcome, Run, ScenarioId
from drmsqueeze_results.observations import Observation, Observations, by_unit
from drmsqueeze_results.outcomes import load_run

QUANTILES = ("p50", "p90", "p99")


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
        if cell is None or (cell.arm, cell.block) != (run.arm, run.block) or cell.level != run.level or run.rate_hz not in (None, cell.rate_hz):
            raise BadComparison(f"{path}: this run is not the one that the plan has as number {run.index}")
        if run.index in runs:
            raise BadComparison(f"{path}: a second run with number {run.index}")
        runs[run.index] = run
    return runs, unreadable


def _cell(planned: PlannedCell, run: Run | None, unreadable: str | None) -> Cell:
    status, reason = "missing", None
    if run:
        status, reason = run.status.value, run.verdict.reason_code
    elif unreadable:
        status, reason = "error", unreadable
    return Cell(planned.index, planned.block, planned.level, planned.arm, status, reason, planned.rate_hz, planned.cluster, planned.repeats)


def _spread(values: Sequence[float | None]) -> Spread:
    return Spread(*statistics.median_and_range(values))


def _arm_level(items: Sequence[Observation], seed: int) -> ArmLevel:
    runs = [item.run for item in items]
    units = [[item.run.jobs for item in group] for _, group in by_unit(items)]
    submitted = [sum(jobs.submitted for jobs in unit) for unit in units]
    shares = {}
    for outcome in Outcome:
        counts = [sum(jobs.of(outcome) for jobs in unit) for unit in units]
        interval, kind = statistics.share_interval(counts, submitted, seed)
        shares[outcome.value] = Share(sum(counts), statistics.share(counts, submitted), interval, kind,
                                      sum(run.jobs.of(outcome) > 0 for run in runs))
    return ArmLevel(
        len(runs), sum(submitted), shares,
        {q: _spread([getattr(run.latency_ns, q) for run in runs]) for q in QUANTILES},
        {name: _spread([getattr(run.pressure, name) for run in runs])
         for name in ("mem_available_min_kib", "psi_some_percent")})


def _bounds(plan: Plan, arms: Sequence[str], observations: Observations) -> Iterator[Bound]:
    """Upper bounds for what was never seen, at each level and rate and over all: of the share of runs, or of clusters of them."""
    for arm in arms:
        for level, rate_hz in ((None, None), *plan.settings):
            group = observations.select(arm, level, rate_hz)
            units = len({item.unit for item in group})
            for outcome in Outcome:
                upper = statistics.upper_bound(0, units)
                if outcome is Outcome.COMPLETED or upper is None or any(item.run.jobs.of(outcome) for item in group):
                    continue
                yield Bound(arm, outcome.value, level, units, upper, statistics.CONFIDENCE, rate_hz)


def _lockdep(runs: Sequence[Run]) -> ArmLockdep:
    by_place: dict[tuple[object, ...], list[LockCycle]] = {}
    for run in runs:
        for cycle in run.lockdep.cycles if run.lockdep else ():
            place = (cycle.kind, *((edge.lock, edge.under, edge.function) for edge in cycle.edges))
            by_place.setdefault(place, []).append(cycle)
    return ArmLockdep(len(runs), sum(bool(run.lockdep and run.lockdep.checked) for run in runs),
                      tuple(SeenCycle(len(group), group[0]) for group in by_place.values()))


def _planted(runs: Sequence[Run]) -> list[str]:
    return sorted({str(i.settings.get(PLANTED[i.injector], i.injector)) for run in runs for i in run.injections if i.injector in PLANTED})


def compare(directory: Path) -> Comparison:
    """Compare the runs under `directory` as its plan says, and write compare.json.

    Every planned run ends in exactly one cell status. Raises BadComparison where the plan is missing or bad, or where a
    run is not the planned one.
    """
    plan, document = load_plan(directory)
    loaded, unreadable = _load_runs(directory, plan)
    keys = tuple(document["arms"])
    sequential, replaced = rounds.follow(plan, keys, loaded), rounds.repeated_by(plan.order)
    cells = tuple(rounds.standing(_cell(planned, loaded.get(planned.index), unreadable.get(planned.index)), replaced, sequential)
                  for planned in plan.order)
    observations = Observations.of(cells, {index: run for index, run in loaded.items() if run.status.usable})
    runs = [item.run for item in observations.items]
    kernels = document["arms"]
    arms = {key: Arm(kernel, len(observations.select(key)), sum(cell.arm == key and (cell.usable or cell.owed) for cell in cells))
            for key, kernel in kernels.items()}
    levels = tuple(Level(level, {key: _arm_level(observations.select(key, level, rate_hz), plan.seed) for key in keys}, rate_hz)
                   for level, rate_hz in plan.settings)
    tests = arm_tests.tests(plan, keys, observations)
    if sequential:  # these p-values hold for a number of runs that was fixed before: here they describe, and none is called significant
        tests = tuple(dataclasses.replace(test, p_adjusted=None) for test in tests)
    bounds = tuple(_bounds(plan, keys, observations))
    injected = sorted({i.injector for run in runs for i in run.injections} & INJECTS_FAILURES)
    some = next(iter(loaded.values()), None)
    exposed = {key: exposure.exposure(observations.select(key)) for key in keys}
    result = Comparison(
        scenario=ScenarioId(document["scenario"]["name"], some.scenario.sha256 if some else None, plan.seed),
        plan=plan, arms=arms, cells=cells, levels=levels, tests=tests, bounds=bounds, exposure=exposed,
        verdict=verdicts.compose(plan, arms, cells, levels, tests, bounds, injected, _planted(runs), observations.machines, sequential),
        lockdep={key: _lockdep([item.run for item in observations.select(key)]) for key in keys},
        dose_response=dose_response.dose_responses(plan, keys, observations),
        regression=dose_response.regressions(plan, keys, observations),
        trade=dose_response.trades(plan, keys, observations),
        incidence=incidence.incidences(plan, keys, observations),
        exposure_note=exposure.note(arms, exposed),
        factorial=factorial.analyse(plan, kernels, observations),
        strata=arm_tests.strata(plan, keys, observations),
        sequential=sequential, repeated_blocks=rounds.repeated_blocks(document, cells))
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
