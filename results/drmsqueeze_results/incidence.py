# SPDX-License-Identifier: MIT
"""Cumulative incidence: which share of jobs has completed, failed, got stuck or been killed by a time, with the others competing.

Latencies of completed jobs alone are those of survivors. Here a job that failed can no longer complete, and one that is cut short by
what is none of these ends is censored (Aalen and Johansen 1978; the estimate is statsmodels' CumIncidenceRight).
"""

from collections.abc import Sequence

import numpy as np
from statsmodels.duration.survfunc import CumIncidenceRight

from drmsqueeze_results.analysis_model import Incidence
from drmsqueeze_results.comparison_model import Plan
from drmsqueeze_results.job_times import CENSORED, ENDS, milliseconds_of
from drmsqueeze_results.observations import Observation, Observations, by_unit
from drmsqueeze_results.statistics import CONFIDENCE, FEWEST_FOR_BOOTSTRAP

RESAMPLES = 200
MOST_POINTS = 48  # of a curve

Table = dict[tuple[str, int], int]  # (end, bucket) -> jobs


def _table(items: Sequence[Observation]) -> Table:
    counted: Table = {}
    for item in items:
        for end, buckets in (item.run.times.ends if item.run.times else {}).items():
            for bucket, count in buckets.items():
                counted[end, int(bucket)] = counted.get((end, int(bucket)), 0) + count
    return counted


def estimate(buckets: Sequence[int], ends: Sequence[str], jobs: Sequence[float], at: Sequence[int]) -> dict[str, np.ndarray]:
    """The incidence of each end by the buckets `at`, of `jobs` jobs for each (bucket, end). Ends that nobody came to stay at 0."""
    status = np.array([ENDS.index(end) + 1 if end in ENDS else 0 for end in ends])
    weights, times = np.array(jobs, dtype=float), np.array(buckets, dtype=float)
    kept = weights > 0
    result = {end: np.zeros(len(at)) for end in ENDS}
    if not (kept & (status > 0)).any():
        return result
    fitted = CumIncidenceRight(times[kept], status[kept], freq_weights=weights[kept])
    place = np.searchsorted(fitted.times, np.array(at), side="right") - 1
    for number, curve in enumerate(fitted.cinc):
        result[ENDS[number]] = np.where(place >= 0, np.clip(curve, 0, 1)[np.maximum(place, 0)], 0.0)
    return result


def _of_group(arm: str, level: float, rate_hz: float | None, items: Sequence[Observation], seed: int) -> list[Incidence]:
    units = [_table(group) for _, group in by_unit(items)]
    keys = sorted({key for unit in units for key in unit}, key=lambda key: (key[1], key[0]))
    if not keys:
        return []
    ends, buckets = [end for end, _ in keys], [bucket for _, bucket in keys]
    matrix = np.array([[unit.get(key, 0) for key in keys] for unit in units], dtype=float)
    total = matrix.sum(axis=0)
    distinct = sorted({bucket for (end, bucket), jobs in zip(keys, total) if end in ENDS and jobs})
    if not distinct:
        return []
    at = [distinct[i] for i in sorted({round(x) for x in np.linspace(0, len(distinct) - 1, min(MOST_POINTS, len(distinct)))})]
    curves = estimate(buckets, ends, list(total), at)
    low, high = curves, curves
    if len(units) >= FEWEST_FOR_BOOTSTRAP:
        rng = np.random.default_rng(seed)
        drawn = [estimate(buckets, ends, list(weights @ matrix), at)
                 for weights in rng.multinomial(len(units), [1 / len(units)] * len(units), size=RESAMPLES)]
        tail = 100 * (1 - CONFIDENCE) / 2
        low, high = ({end: np.percentile([d[end] for d in drawn], q, axis=0) for end in ENDS} for q in (tail, 100 - tail))
    else:
        low, high = ({end: np.zeros(len(at)) for end in ENDS}, {end: np.ones(len(at)) for end in ENDS})
    t_ms = tuple(round(milliseconds_of(bucket), 4) for bucket in at)
    jobs, censored = int(total.sum()), int(sum(n for (end, _), n in zip(keys, total) if end == CENSORED))

    def rounded(values: np.ndarray) -> tuple[float, ...]:
        return tuple(round(float(value), 6) for value in values)

    return [Incidence(arm, level, rate_hz, end, t_ms, rounded(curves[end]), rounded(low[end]), rounded(high[end]), jobs, censored)
            for end in ENDS if curves[end].any()]


def incidences(plan: Plan, arms: Sequence[str], observations: Observations) -> tuple[Incidence, ...]:
    """Of each arm at each level and rate, the ends that any job came to; intervals are pointwise, by resampling clusters.

    With too few clusters for that the interval is all that is possible (0 to 1). Runs judged by versions that kept no times give none.
    """
    return tuple(curve for level, rate_hz in plan.settings for arm in arms
                 for curve in _of_group(arm, level, rate_hz, observations.select(arm, level, rate_hz), plan.seed))
