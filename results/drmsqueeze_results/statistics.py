# SPDX-License-Identifier: MIT
"""Pure functions over units. Each may answer "too few" (null) and none draws from a clock.

A unit is what is independent of all else: a run that was booted, or a cluster of runs that were restored from one snapshot. It is
never a job, for jobs within a run depend on each other. The mathematics is scipy's and statsmodels'.
"""

from typing import Sequence

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

FEWEST_FOR_BOOTSTRAP = 5  # with fewer runs only the range is shown
BOOTSTRAP_RESAMPLES = 2000
PERMUTATIONS = 70000  # above log2 of this many pairs the permutation test draws instead of enumerating
PERMUTATIONS_AT_ONCE = 1000  # bounds the memory that a drawn test takes
MOST_FOR_BOSCHLOO = 100  # units of an arm; with more it takes seconds, and Fisher's test loses next to nothing against it
CONFIDENCE = 0.95


def share(counts: Sequence[int], totals: Sequence[int]) -> float | None:
    """Share over all runs, sum(counts) / sum(totals), 0..1; null where there is nothing to share."""
    total = sum(totals)
    return sum(counts) / total if total else None


def share_interval(counts: Sequence[float], totals: Sequence[int],
                   seed: int) -> tuple[tuple[float, float] | None, str | None]:
    """Interval of the share, and its kind: "bootstrap" (percentile, resampling units) or "range" of the units' shares.

    Units that submitted nothing carry no share and are left out. Also for means of differences: sums over numbers of blocks.
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
    """Two-sided p that arms A and B have the same mean, arm labels swapped within units; one pair (sum of A, of B) per unit.

    Exact up to log2(PERMUTATIONS) units that differ, then a seeded draw. Null with no unit.
    """
    return sign_flip_p([b - a for a, b in pairs], seed)


def sign_flip_p(differences: Sequence[float], seed: int) -> float | None:
    """As `permutation_p`, of the differences. Swapping the labels of a unit that does not differ changes nothing: it is left out."""
    if not differences:
        return None
    told = np.array([d for d in differences if d])
    if len(told) < 2:  # with one that differs both labellings are equally extreme; scipy wants two
        return 1.0
    tested = stats.permutation_test(
        (told,), lambda d, axis=-1: d.sum(axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=PERMUTATIONS, batch=PERMUTATIONS_AT_ONCE, alternative="two-sided", random_state=np.random.default_rng(seed))
    return float(tested.pvalue)


def permutation_p_attainable(blocks: int) -> float | None:
    """The smallest p that `permutation_p` can give with so many blocks: all differences point one way."""
    if blocks < 1:
        return None
    enumerated = 2.0 / 2**blocks
    drawn = 2.0 / (PERMUTATIONS + 1) if 2**blocks > PERMUTATIONS else 0.0
    return float(min(1.0, max(enumerated, drawn)))


def exact_method(units_a: int, units_b: int) -> str:
    """Which test `rare_event_p` takes. Both are exact; Boschloo's has Fisher's p as its statistic and is never less powerful."""
    return "fisher" if max(units_a, units_b) > MOST_FOR_BOSCHLOO else "boschloo"


def rare_event_p(with_a: int, units_a: int, with_b: int, units_b: int) -> float | None:
    """Two-sided exact p on the numbers of units with an event. Null where an arm has no unit."""
    if not units_a or not units_b:
        return None
    if with_a + with_b in (0, units_a + units_b):  # nothing that could differ; scipy answers nan
        return 1.0
    table = [[with_a, with_b], [units_a - with_a, units_b - with_b]]
    if exact_method(units_a, units_b) == "fisher":
        return float(stats.fisher_exact(table)[1])
    return float(min(1.0, stats.boschloo_exact(table).pvalue))


def rare_event_p_attainable(units_a: int, units_b: int) -> float | None:
    """The smallest p that `rare_event_p` can give: all units of one arm with the event, none of the other."""
    return rare_event_p(units_a, units_a, 0, units_b)


Counts = tuple[int, int, int, int]  # of one stratum: with an event in A, units of A, with an event in B, units of B


def stratified_p(strata: Sequence[Counts]) -> float | None:
    """Mantel-Haenszel p, with continuity correction, that the share of units with an event is the same in each stratum.

    A large-sample test: with few events it says too little rather than too much. Null with no stratum that has both arms.
    """
    known = [(wa, na, wb, nb) for wa, na, wb, nb in strata if na and nb]
    if not known:
        return None
    told = [np.array([[wb, nb - wb], [wa, na - wa]]) for wa, na, wb, nb in known if 0 < wa + wb < na + nb]
    if not told:
        return 1.0
    return float(StratifiedTable(told).test_null_odds(correction=True).pvalue)


def stratified_p_attainable(strata: Sequence[Counts]) -> float | None:
    """The smallest p that `stratified_p` can give with so many units."""
    return stratified_p([(na, na, 0, nb) for _, na, _, nb in strata])


def stratified_difference(strata: Sequence[Counts]) -> float | None:
    """Difference of the shares of units with an event, B minus A, with Mantel-Haenszel's weights of strata (Greenland and Robins 1985)."""
    weighted = [(na * nb / (na + nb), wb / nb - wa / na) for wa, na, wb, nb in strata if na and nb]
    return sum(w * d for w, d in weighted) / sum(w for w, _ in weighted) if weighted else None


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
