# SPDX-License-Identifier: MIT
"""Tests between the first arm and each other one: which there are, on what, and which of them may decide."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

from drmsqueeze_results import statistics
from drmsqueeze_results.comparison_model import Plan, Stratum, Test
from drmsqueeze_results.model import RARE, Outcome, Run
from drmsqueeze_results.observations import Differences, Observations, by_unit

PERMUTATION = "permutation-within-blocks"
MANTEL_HAENSZEL = "mantel-haenszel"
LATENCY = "latency"

Arms = tuple[str, str]


def measure_of(outcome: str) -> str:
    """What a run contributes to a test of an outcome: of a rare one whether it had any, else the share of its jobs."""
    return "runs" if outcome in RARE else "share"


def contribution(run: Run, outcome: str) -> float:
    """The measure of one run that submitted anything."""
    count = run.jobs.of(Outcome(outcome))
    return float(count > 0) if outcome in RARE else count / run.jobs.submitted


def log_median(run: Run) -> float | None:
    """Of the latency of completed jobs; null where none completed."""
    return math.log(run.latency_ns.p50) if run.latency_ns.p50 else None


def _interval(found: Differences, seed: int) -> tuple[float, float] | None:
    """Of the mean difference, over clusters; null with too few of them, and where none differs: that is no certainty of "none"."""
    if not found.differing:
        return None
    interval, kind = statistics.share_interval(found.sums, found.blocks, seed)
    return interval if kind == "bootstrap" else None


def _permutation(found: Differences, seed: int) -> Test:
    return Test("", None, (), PERMUTATION, found.clusters, found.differing, statistics.sign_flip_p(found.sums, seed), None,
                statistics.permutation_p_attainable(found.clusters), found.mean, interval=_interval(found, seed))


def _of_outcome(observations: Observations, arms: Arms, outcome: str, seed: int, level: float | None = None,
                rate_hz: float | None = None) -> Test:
    found = observations.differences(arms, lambda run: contribution(run, outcome), level, rate_hz)
    return dataclasses.replace(_permutation(found, seed), outcome=outcome, arms=arms, level=level, rate_hz=rate_hz,
                               measure=measure_of(outcome))


def _of_latency(observations: Observations, arms: Arms, seed: int, level: float | None = None, rate_hz: float | None = None) -> Test:
    """Run medians of the latency of completed jobs, as logarithms: the effect is a ratio, the geometric mean over blocks."""
    test = _permutation(observations.differences(arms, log_median, level, rate_hz), seed)
    return dataclasses.replace(
        test, outcome=Outcome.COMPLETED.value, arms=arms, level=level, rate_hz=rate_hz, measure=LATENCY, effect_kind="ratio", primary=False,
        effect=None if test.effect is None else math.exp(test.effect),
        interval=None if test.interval is None else tuple(map(math.exp, test.interval)))


def _counts(observations: Observations, arms: Arms, outcome: str, level: float, rate_hz: float | None) -> list[statistics.Counts]:
    """Of each machine: clusters with the outcome and all clusters, of both arms. Where each run was booted these are runs."""
    strata = {machine: [0, 0, 0, 0] for machine in observations.machines}
    for place, arm in enumerate(arms):
        for (machine, _), group in by_unit(observations.select(arm, level, rate_hz)):
            strata[machine][2 * place] += any(item.run.jobs.of(Outcome(outcome)) for item in group)
            strata[machine][2 * place + 1] += 1
    return [(wa, na, wb, nb) for wa, na, wb, nb in strata.values()]


def _exact(observations: Observations, arms: Arms, outcome: str, level: float, rate_hz: float | None) -> Test:
    """Of counts of runs with a rare event. With several machines within each of them: they may differ in how often it happens."""
    strata = _counts(observations, arms, outcome, level, rate_hz)
    with_a, n_a, with_b, n_b = (sum(column) for column in zip(*strata)) if strata else (0, 0, 0, 0)
    if len(strata) > 1:
        method, p, attainable = MANTEL_HAENSZEL, statistics.stratified_p(strata), statistics.stratified_p_attainable(strata)
    else:
        method, p = statistics.exact_method(n_a, n_b), statistics.rare_event_p(with_a, n_a, with_b, n_b)
        attainable = statistics.rare_event_p_attainable(n_a, n_b)
    return Test(outcome, level, arms, method, n_a + n_b, with_a + with_b, p, None, attainable,
                statistics.stratified_difference(strata), measure="runs", rate_hz=rate_hz)


def _testable(test: Test, alpha: float) -> bool:
    """Whether the test could have come out below alpha at all.

    A permutation within blocks is conditional on how much the arms differ in each cluster: one with too few differing
    clusters can never be significant, whichever way they point. Left out of the family it costs the other tests nothing,
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


def _descriptive(plan: Plan, observations: Observations, pairings: Sequence[Arms]) -> Iterator[Test]:
    """Outcomes that are not primary, of which there was any, and latency: no part of the family, and so never significant."""
    seen = [outcome.value for outcome in Outcome if any(item.run.jobs.of(outcome) for item in observations.items)]
    for pairing in pairings:
        for outcome in seen:
            if outcome not in plan.primary_outcomes and outcome != Outcome.COMPLETED.value:
                yield dataclasses.replace(_of_outcome(observations, pairing, outcome, plan.seed), primary=False)
        yield _of_latency(observations, pairing, plan.seed)
        for level, rate_hz in plan.settings:
            yield _of_latency(observations, pairing, plan.seed, level, rate_hz)


def tests(plan: Plan, arms: Sequence[str], observations: Observations) -> tuple[Test, ...]:
    """The first arm against each other one: over all levels and rates, and then at each; then what only describes.

    Holm runs over the primary outcomes and arms of the tests over all levels, which decide. Tests at single levels are a second
    family behind that gate: none is ever more certain than the test over all levels of its outcome.
    """
    pairings = [(arms[0], other) for other in arms[1:]]
    overall = list(_adjusted([_of_outcome(observations, pairing, outcome, plan.seed)
                              for pairing in pairings for outcome in plan.primary_outcomes], plan.alpha, {}))
    gate = {(t.outcome, t.arms): t.p_adjusted for t in overall}
    single = [
        _exact(observations, pairing, outcome, level, rate_hz) if outcome in RARE else
        _of_outcome(observations, pairing, outcome, plan.seed, level, rate_hz)
        for pairing in pairings for outcome in plan.primary_outcomes for level, rate_hz in plan.settings]
    return (*overall, *_adjusted(single, plan.alpha, gate), *_descriptive(plan, observations, pairings))


def strata(plan: Plan, arms: Sequence[str], observations: Observations) -> tuple[Stratum, ...]:
    """The effect on each machine where there are several. Blocks lie on one machine, so the permutation is within machines anyway."""
    if len(observations.machines) < 2:
        return ()
    result = []
    for pairing in ((arms[0], other) for other in arms[1:]):
        for outcome in plan.primary_outcomes:
            found = observations.differences(pairing, lambda run, outcome=outcome: contribution(run, outcome))  # type: ignore[misc]
            for machine in observations.machines:
                here = found.on(machine)
                result.append(Stratum(machine, outcome, pairing, here.mean, here.clusters))
    return tuple(result)
