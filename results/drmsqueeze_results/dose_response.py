# SPDX-License-Identifier: MIT
"""Shares of jobs that end badly over the assigned level: logistic curves, the level at which half do, and arms held against each other.

The regressor is log2(1 / level): how many times the memory left has been halved. Levels are planned geometrically, what is left of
memory acts by its ratio to what is wanted, and a logarithm, unlike a logit, is finite at level 1. It is the level that was *assigned*:
what is reached depends on the arm. Covariances are robust to jobs of one run, and runs of one cluster, that go together: the jackknife over
clusters, with Student's t of clusters - 1 (MacKinnon, Nielsen and Webb, "Fast and reliable jackknife and bootstrap methods for
cluster-robust inference", Journal of Applied Econometrics 38, 2023); of many clusters the sandwich, which then says the same sooner.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import statsmodels.api as sm
from scipy import stats

from drmsqueeze_results.analysis_model import CurvePoint, DoseResponse, Interval, Regression, Trade, TradeShare
from drmsqueeze_results.comparison_model import Plan
from drmsqueeze_results.model import JobCounts
from drmsqueeze_results.observations import Observation, Observations, by_unit
from drmsqueeze_results.statistics import CONFIDENCE, share, share_interval, upper_bound

POINTS = 33  # of a curve
# By simulation (five levels, jobs and rounds that go together): from so many clusters on a 95 % interval of the half level holds it in 92 to
# 99 % of cases; with six, of three levels, in 69 to 77 %.
FEWEST_CLUSTERS = 8
# More have the same by the sandwich (Cameron and Miller, "A Practitioner's Guide to Cluster-Robust Inference", 2015), with one fit and not one for each.
JACKKNIFE_UP_TO = 40

OF: dict[str, Callable[[JobCounts], int]] = {
    "failed": lambda jobs: jobs.failed,
    "stuck": lambda jobs: jobs.hung + jobs.stalled,
    "bad": lambda jobs: jobs.submitted - jobs.completed,
}
WORDS = {"failed": "failed", "stuck": "hung or stalled", "bad": "did not complete"}
NONE = {"failed": "No job failed", "stuck": "No job hung or stalled", "bad": "All jobs completed"}


@dataclass(frozen=True)
class Data:
    """Runs of one arm: how often the memory left was halved, jobs with the outcome, jobs without, and the cluster."""

    x: np.ndarray
    bad: np.ndarray
    good: np.ndarray
    unit: np.ndarray


def gather(items: Sequence[Observation], of: str, units: dict[object, int]) -> Data:
    """The runs that submitted anything, at levels that have a logarithm. `units` numbers the clusters, and is added to."""
    kept = [item for item in items if item.run.jobs.submitted and item.cell.level > 0]
    bad = [OF[of](item.run.jobs) for item in kept]
    return Data(np.array([-math.log2(item.cell.level) for item in kept]), np.array(bad, dtype=float),
                np.array([item.run.jobs.submitted - n for item, n in zip(kept, bad)], dtype=float),
                np.array([units.setdefault(item.unit, len(units)) for item in kept], dtype=int))


def why_not(data: Data, of: str) -> str:
    """Why no finite curve fits, or nothing. With one regressor it exists only where good and bad jobs overlap (Albert and Anderson 1984)."""
    if not len(data.x):
        return "No run has jobs to count."
    if len(set(data.x)) < 2:
        return "A curve needs two levels."
    if not data.bad.any():
        return f"{NONE[of]}: there is nothing to fit."
    if not data.good.any():
        return f"All jobs {WORDS[of]}, at every level: there is nothing to fit."
    bad, good = data.x[data.bad > 0], data.x[data.good > 0]
    if bad.min() >= good.max() or bad.max() <= good.min():
        return "Good and bad jobs overlap at one level at the most: any curve that is steep enough fits."
    if len(set(data.unit)) < FEWEST_CLUSTERS:
        return f"With fewer than {FEWEST_CLUSTERS} independent clusters of runs no interval of a curve can be trusted."
    return ""


@dataclass(frozen=True)
class Fit:
    """Coefficients, with a covariance by cluster."""

    params: np.ndarray
    cov: np.ndarray


def _glm(design: np.ndarray, data: Data, **options: Any) -> Any:
    """The logistic regression of bad jobs on `design`; None where it does not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say is checked below
        try:
            fitted = sm.GLM(np.column_stack([data.bad, data.good]), design, family=sm.families.Binomial()).fit(**options)
        except (ValueError, FloatingPointError, np.linalg.LinAlgError, sm.tools.sm_exceptions.PerfectSeparationError):
            return None
    return fitted if fitted.converged and np.isfinite(fitted.params).all() else None


def _jackknife(design: np.ndarray, data: Data, params: np.ndarray) -> np.ndarray | None:
    """The covariance from fits that each leave out one cluster; None where one of them has no finite curve."""
    clusters = np.unique(data.unit)
    without = []
    for cluster in clusters:
        kept = data.unit != cluster
        fitted = _glm(design[kept], Data(data.x[kept], data.bad[kept], data.good[kept], data.unit[kept]), start_params=params)
        if fitted is None:
            return None
        without.append(fitted.params - params)
    off = np.array(without)
    return (len(clusters) - 1) / len(clusters) * off.T @ off


def fit(design: np.ndarray, data: Data) -> Fit | None:
    """The logistic regression of bad jobs on `design`; None where it, or its covariance, cannot be had."""
    fitted = _glm(design, data, cov_type="cluster", cov_kwds={"groups": data.unit})
    if fitted is None:
        return None
    cov = fitted.cov_params() if len(set(data.unit)) > JACKKNIFE_UP_TO else _jackknife(design, data, fitted.params)
    return Fit(fitted.params, cov) if cov is not None and np.isfinite(cov).all() and (np.diag(cov) > 0).all() else None


def _t(clusters: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, clusters - 1))


def _expit(value: np.ndarray | float) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(value, -700, 700)))


def fieller(beta: np.ndarray, cov: np.ndarray, t: float) -> Interval | None:
    """The set of x at which intercept + slope x may be 0 (Fieller 1954); null where that is no interval, the slope being too uncertain.

    It is where the curve's own interval holds one half, and unlike the delta method's it need not be symmetric.
    """
    a = beta[1] ** 2 - t * t * cov[1, 1]
    b = 2 * (beta[0] * beta[1] - t * t * cov[0, 1])
    c = beta[0] ** 2 - t * t * cov[0, 0]
    inside = b * b - 4 * a * c
    if a <= 0 or inside < 0:
        return None
    ends = (-b - math.sqrt(inside)) / (2 * a), (-b + math.sqrt(inside)) / (2 * a)
    return min(ends), max(ends)


def _percent(level: float) -> str:
    return f"{100 * level:.3g} %"


def _bracket(data: Data) -> tuple[Interval | None, str]:
    """Without a curve: the two neighbouring levels between which the shares pass one half, if they do so once."""
    levels = sorted(set(data.x))
    shares = [float(data.bad[data.x == x].sum() / (data.bad + data.good)[data.x == x].sum()) for x in levels]
    crossings = [(round(2 ** -b, 6), round(2 ** -a, 6)) for a, b, low, high in zip(levels, levels[1:], shares, shares[1:]) if (low < 0.5) != (high < 0.5)]
    if len(crossings) == 1:
        low, high = crossings[0]
        return (low, high), f" Half of the jobs lie between {_percent(high)} and {_percent(low)} of memory left; where, was not tried."
    return None, ""


def _half(fitted: Fit, t: float, x: np.ndarray, of: str) -> tuple[float | None, Interval | None, str]:
    """The level at which the curve is at one half, its interval, and what is to be said."""
    beta, cov = fitted.params, fitted.cov
    lowest, highest = 2 ** -x.max(), 2 ** -x.min()
    half_x = -beta[0] / beta[1]
    if not x.min() <= half_x <= x.max():
        above = float(_expit(beta[0] + beta[1] * x.max())) > 0.5 and float(_expit(beta[0] + beta[1] * x.min())) > 0.5
        where = (f"More than half of the jobs {WORDS[of]} at every level that was tried." if above else
                 f"Half of the jobs {WORDS[of]} at no level that was tried: by the curve, below the lowest level ({_percent(lowest)})."
                 if beta[1] > 0 else f"Half of the jobs {WORDS[of]} at no level that was tried.")
        return None, None, where
    found = fieller(beta, cov, t)
    level = float(2 ** -half_x)
    if found is None:
        return level, None, "The slope is too uncertain for an interval of that level."
    ends = 2 ** -found[1], 2 ** -found[0]
    inside = max(ends[0], lowest), min(ends[1], highest)
    cut = "" if inside == ends else "The interval of that level is cut at the levels that were tried."
    return level, (float(inside[0]), float(inside[1])), cut


def _misses(data: Data, fitted: Fit, t: float, seed: int) -> str:
    """Where the curve contradicts what was seen: levels whose own interval and the curve's have nothing in common."""
    wrong = []
    for x in sorted(set(data.x)):
        here = data.x == x
        units = sorted(set(data.unit[here]))
        bad = [int(data.bad[here & (data.unit == u)].sum()) for u in units]
        jobs = [int((data.bad + data.good)[here & (data.unit == u)].sum()) for u in units]
        seen, kind = share_interval(bad, jobs, seed)
        bound = upper_bound(0, len(units)) or 1.0  # no resample of what was never seen has it, and yet it may happen
        if not any(bad):
            seen = 0.0, bound
        elif bad == jobs:
            seen = 1 - bound, 1.0
        row = np.array([1.0, x])
        middle, half = float(row @ fitted.params), t * math.sqrt(float(row @ fitted.cov @ row))
        if kind == "bootstrap" and seen and (seen[0] > _expit(middle + half) or seen[1] < _expit(middle - half)):
            wrong.append(_percent(2 ** -x))
    return f"The curve misses what was seen at {', '.join(wrong)} of memory left." if wrong else ""


def curve(arm: str, rate_hz: float | None, of: str, data: Data, seed: int) -> DoseResponse:
    """The curve of one arm."""
    note = why_not(data, of)
    fitted = None if note else fit(sm.add_constant(data.x), data)
    if fitted is None:
        bracket, more = _bracket(data) if len(data.x) else (None, "")
        return DoseResponse(arm, rate_hz, of, None, None, None, bracket, (), (note or "The fit does not converge.") + more)
    t = _t(len(set(data.unit)))
    grid = np.linspace(data.x.min(), data.x.max(), POINTS)
    rows = sm.add_constant(grid)
    middle = rows @ fitted.params
    width = t * np.sqrt(np.einsum("ij,jk,ik->i", rows, fitted.cov, rows))
    half_level, half_interval, said = _half(fitted, t, data.x, of)
    slope, slope_interval, _ = _term(fitted, 1, len(set(data.unit)))
    points = tuple(CurvePoint(*(round(float(v), 6) for v in row))
                   for row in zip(2 ** -grid, _expit(middle), _expit(middle - width), _expit(middle + width)))
    notes = [text for text in (said, _misses(data, fitted, t, seed)) if text]
    return DoseResponse(arm, rate_hz, of, slope, slope_interval, half_level, half_interval, points, " ".join(notes))


def dose_responses(plan: Plan, arms: Sequence[str], observations: Observations) -> tuple[DoseResponse, ...]:
    """A curve for each arm, demand rate and kind of bad end."""
    return tuple(
        curve(arm, rate, of, gather([o for o in observations.by_arm.get(arm, ()) if o.cell.rate_hz == rate], of, {}), plan.seed)
        for of in OF for rate in plan.rates_hz for arm in arms)


def _term(fitted: Fit, number: int, clusters: int) -> tuple[float, Interval, float]:
    """A coefficient with its interval and p."""
    value, error, t = float(fitted.params[number]), math.sqrt(fitted.cov[number, number]), _t(clusters)
    return value, (value - t * error, value + t * error), float(2 * stats.t.sf(abs(value) / error, clusters - 1))


def regression(arms: tuple[str, str], rate_hz: float | None, of: str, first: Data, second: Data) -> Regression:
    """Both arms in one model, with an interaction of arm and level. A block's runs share a seed: both arms of a cluster are one group."""
    notes = [f"{arm}: {why}" for arm, data in zip(arms, (first, second)) if (why := why_not(data, of))]
    fitted = None
    if not notes:
        x = np.concatenate([first.x, second.x])
        centred = x - (x.min() + x.max()) / 2
        arm = np.repeat([0.0, 1.0], [len(first.x), len(second.x)])
        both = Data(x, np.concatenate([first.bad, second.bad]), np.concatenate([first.good, second.good]), np.concatenate([first.unit, second.unit]))
        fitted = fit(np.column_stack([np.ones_like(x), centred, arm, centred * arm]), both)
    if fitted is None:
        return Regression(arms, rate_hz, of, None, None, None, None, None, None, " ".join(notes) or "The fit does not converge.")
    clusters = len(set(both.unit))
    return Regression(arms, rate_hz, of, *_term(fitted, 2, clusters), *_term(fitted, 3, clusters), "")


def regressions(plan: Plan, arms: Sequence[str], observations: Observations) -> tuple[Regression, ...]:
    """The first arm against each other one, at each demand rate. Descriptive."""
    result = []
    for of in OF:
        for rate in plan.rates_hz:
            for other in arms[1:]:
                units: dict[object, int] = {}
                first, second = (gather([o for o in observations.by_arm.get(arm, ()) if o.cell.rate_hz == rate], of, units)
                                 for arm in (arms[0], other))
                result.append(regression((arms[0], other), rate, of, first, second))
    return tuple(result)


def _trade_share(items: Sequence[Observation], of: str, seed: int) -> TradeShare:
    """With an interval over clusters. Of what was never seen it ends at the bound of runs with it, which bounds the share of jobs too."""
    groups = [group for _, group in by_unit([item for item in items if item.run.jobs.submitted])]
    bad = [sum(OF[of](item.run.jobs) for item in group) for group in groups]
    jobs = [sum(item.run.jobs.submitted for item in group) for group in groups]
    bound = upper_bound(0, len(groups))
    if bound is not None and not any(bad):
        return TradeShare(0.0, (0.0, bound), "bound")
    interval, kind = share_interval(bad, jobs, seed)
    return TradeShare(share(bad, jobs), interval, kind)


def trades(plan: Plan, arms: Sequence[str], observations: Observations) -> tuple[Trade, ...]:
    """What each arm pays with, at each level and rate."""
    return tuple(Trade(arm, level, rate_hz, *(_trade_share(observations.select(arm, level, rate_hz), of, plan.seed) for of in ("failed", "stuck")))
                 for level, rate_hz in plan.settings for arm in arms)
