# SPDX-License-Identifier: MIT
"""Pure functions over runs. Each may answer "too few" (null) and none draws from a clock.

The run is the unit: jobs within a run depend on each other. The mathematics is scipy's and statsmodels'.
"""

from typing import Sequence

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

FEWEST_FOR_BOOTSTRAP = 5  # with fewer runs only the range is shown
BOOTSTRAP_RESAMPLES = 2000
PERMUTATIONS = 70000  # above log2 of this many pairs the permutation test draws instead of enumerating
CONFIDENCE = 0.95


def share(counts: Sequence[int], totals: Sequence[int]) -> float | None:
    """Share over all runs, sum(counts) / sum(totals), 0..1; null where there is nothing to share."""
    total = sum(totals)
    return sum(counts) / total if total else None


def share_interval(counts: Sequence[int], totals: Sequence[int],
                   seed: int) -> tuple[tuple[float, float] | None, str | None]:
    """Interval of the share, and its kind: "bootstrap" (percentile, resampling runs) or "range" of the runs' shares.

    Runs that submitted nothing carry no share and are left out.
    """
    pairs = [(count, total) for count, total in zip(counts, totals) if total]
    if not pairs:
        return None, None
    shares = [count / total for count, total in pairs]
    if len(pairs) < FEWEST_FOR_BOOTSTRAP:
        return (min(shares), max(shares)), "range"
    if min(shares) == max(shares):  # every resample has this share
        return (shares[0], shares[0]), "bootstrap"
    drawn = stats.bootstrap(
        (np.array([c for c, _ in pairs]), np.array([t for _, t in pairs])),
        lambda c, t, axis=-1: c.sum(axis=axis) / t.sum(axis=axis),
        paired=True, vectorized=True, method="percentile", n_resamples=BOOTSTRAP_RESAMPLES,
        confidence_level=CONFIDENCE, random_state=np.random.default_rng(seed))
    return (float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)), "bootstrap"


def median_and_range(values: Sequence[float | None]) -> tuple[float | None, tuple[float, float] | None]:
    """Median of the runs' values with their range; nulls (runs with no such value) are left out."""
    known = [float(value) for value in values if value is not None]
    if not known:
        return None, None
    return float(np.median(known)), (min(known), max(known))


def permutation_p(pairs: Sequence[tuple[float, float]], seed: int) -> float | None:
    """Two-sided p that arms A and B have the same mean, arm labels swapped within blocks; one pair (A, B) per block.

    Exact up to log2(PERMUTATIONS) blocks, then a seeded draw. Null with no block.
    """
    if not pairs:
        return None
    differences = np.array([b - a for a, b in pairs])
    if not differences.any():
        return 1.0
    if len(differences) == 1:  # scipy wants two observations; with one block both labellings are equally extreme
        return 1.0
    tested = stats.permutation_test(
        (differences,), lambda d, axis=-1: d.mean(axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=PERMUTATIONS, alternative="two-sided", random_state=np.random.default_rng(seed))
    return float(tested.pvalue)


def permutation_p_attainable(blocks: int) -> float | None:
    """The smallest p that `permutation_p` can give with so many blocks: all differences point one way."""
    if blocks < 1:
        return None
    enumerated = 2.0 / 2**blocks
    drawn = 2.0 / (PERMUTATIONS + 1) if 2**blocks > PERMUTATIONS else 0.0
    return float(min(1.0, max(enumerated, drawn)))


def rare_event_p(with_a: int, runs_a: int, with_b: int, runs_b: int) -> float | None:
    """Two-sided Boschloo test on the numbers of runs with an event. Null where an arm has no run."""
    if not runs_a or not runs_b:
        return None
    if with_a + with_b in (0, runs_a + runs_b):  # nothing that could differ; scipy answers nan
        return 1.0
    table = [[with_a, with_b], [runs_a - with_a, runs_b - with_b]]
    return float(min(1.0, stats.boschloo_exact(table).pvalue))


def rare_event_p_attainable(runs_a: int, runs_b: int) -> float | None:
    """The smallest p that `rare_event_p` can give: all runs of one arm with the event, none of the other."""
    return rare_event_p(runs_a, runs_a, 0, runs_b)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjustment over the tests that gave a p; null stays null."""
    known = [p for p in p_values if p is not None]
    if not known:
        return list(p_values)
    adjusted = iter(multipletests(known, method="holm")[1])
    return [None if p is None else float(next(adjusted)) for p in p_values]


def upper_bound(events: int, runs: int) -> float | None:
    """One-sided Clopper-Pearson upper bound, at CONFIDENCE, of the share of runs with an event. Null with no run."""
    if not runs:
        return None
    # A two-sided interval of twice the error has the one-sided bound as its upper end.
    return float(proportion_confint(events, runs, alpha=2 * (1 - CONFIDENCE), method="beta")[1])
