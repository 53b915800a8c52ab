# SPDX-License-Identifier: MIT
"""The sequential test: that it errs no more often than it says, however it is stopped; what it finds, and what it saves."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm, t

from drmsqueeze_results import anytime

ALPHA = 0.05
ROUNDS = 100
REPETITIONS = 4000
PAIR = ("a", "b")
Draw = Callable[[np.random.Generator, tuple[int, int]], anytime.Values]


def same(draw: Draw) -> Draw:
    """The difference of two arms that are one kernel."""
    return lambda rng, size: draw(rng, size) - draw(rng, size)


def share(low: float, high: float, jobs: int = 20) -> Draw:
    """The failed share of a run: binomial, about a mean that is the run's own."""
    return lambda rng, size: rng.binomial(jobs, rng.uniform(low, high, size)) / jobs


def rare(probability: float, blocks: int) -> Draw:
    """The share of a round's runs with a hang."""
    return lambda rng, size: rng.binomial(blocks, probability, size) / blocks


def beta(a: float, b: float) -> Draw:
    return lambda rng, size: rng.beta(a, b, size)


def of_a_snapshot(rng: np.random.Generator, size: tuple[int, int]) -> anytime.Values:
    """Five runs from one snapshot, which has a failed share of its own: none fails, or nearly all do."""
    cluster = rng.beta(0.3, 0.3, size)
    return np.asarray(rng.binomial(5 * 20, cluster) / 100)


def drifting(rng: np.random.Generator, size: tuple[int, int]) -> anytime.Values:
    """A machine that changes while it is measured: both arms of a round have its mean, and the spread grows too."""
    when = np.linspace(0.02, 0.6, size[1])
    return np.asarray(rng.binomial(20, np.clip(rng.normal(when, when / 2, size), 0, 1)) / 20)


NULLS: dict[str, Draw] = {
    "rare": same(rare(0.02, 5)), "rare, one block": same(rare(0.01, 1)), "common": same(share(0.3, 0.3)), "spread": same(share(0, 1)),
    "overdispersed": same(beta(0.1, 0.4)), "cluster": same(of_a_snapshot), "drift": same(drifting), "coin": same(rare(0.5, 1)),
    "never": same(rare(0.0, 5)),
}


@pytest.mark.parametrize("null", NULLS)
def test_false_positives_stay_below_alpha_whenever_one_stops(null: str) -> None:
    """The largest capital over all rounds, so at the worst moment to stop: no more than alpha of the series ever reach 1/alpha."""
    rng = np.random.default_rng(5)
    capital = anytime.log_e_values(NULLS[null](rng, (REPETITIONS, ROUNDS)), ALPHA)
    ever = float((capital.max(axis=1) >= np.log(1 / ALPHA)).mean())
    assert ever <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / REPETITIONS)
    print(f"{null}: {ever:.4f}")


def test_peeking_at_a_fixed_test_does_not() -> None:
    """The control: what is not to be done. A t test after every round from the sixth on, where the method above stays below alpha."""
    differences = NULLS["spread"](np.random.default_rng(5), (REPETITIONS, ROUNDS))
    n = np.arange(1, ROUNDS + 1)
    mean = np.cumsum(differences, axis=1) / n
    spread = np.sqrt((np.cumsum(differences**2, axis=1) - n * mean**2)[:, 5:] / (n[5:] - 1))
    beyond = np.abs(mean[:, 5:]) / spread * np.sqrt(n[5:]) >= t.ppf(1 - ALPHA / 2, n[5:] - 1)
    print(f"{beyond.any(axis=1).mean():.3f}; once, at the end: {beyond[:, -1].mean():.3f}")
    assert beyond.any(axis=1).mean() > 4 * ALPHA
    assert beyond[:, -1].mean() < 1.5 * ALPHA, "looked at once, at the end, it does what it says"


@pytest.mark.parametrize("draw, mean", [(rare(0.1, 5), 0.1), (share(0, 1), 0.5), (of_a_snapshot, 0.5), (beta(0.1, 0.4), 0.2)])
def test_the_interval_holds_the_mean_at_all_times(draw: Draw, mean: float) -> None:
    """Of values that are not symmetric about their mean, too."""
    capital = anytime.log_capital(draw(np.random.default_rng(6), (REPETITIONS, ROUNDS)), mean, ALPHA)
    missed = float((capital.max(axis=1) >= np.log(1 / ALPHA)).mean())
    assert missed <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / REPETITIONS)


def test_the_interval_is_where_no_capital_is_large() -> None:
    differences = np.array([0.3, 0.1, 0.25, 0.4, 0.2] * 12)
    low, high = anytime.confidence_sequence(differences, ALPHA)
    assert (np.diff(low) >= 0).all() and (np.diff(high) <= 0).all(), "what was excluded stays excluded"
    assert low[-1] < 0.25 < high[-1] and high[-1] - low[-1] < 0.5
    inside, outside = (float(anytime.log_capital(differences, mean, ALPHA).max()) for mean in (low[-1] + 0.002, low[-1] - 0.002))
    assert inside < np.log(1 / ALPHA) <= outside


def rounds_until(draw: Draw, most: int, tests: int) -> anytime.Values:
    """When each of 1000 series reaches a Holm-adjusted p of alpha as the first of so many tests; inf: not within `most` rounds."""
    capital = anytime.log_e_values(draw(np.random.default_rng(7), (1000, most)), ALPHA)
    reached = capital >= np.log(tests / ALPHA)
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)


def planned_for(difference: float, spread: float, tests: int) -> int:
    """Rounds of a fixed plan that see a difference with a power of 0.8: the usual formula, of the normal distribution."""
    return int(np.ceil(((norm.ppf(1 - ALPHA / tests / 2) + norm.ppf(0.8)) * spread / difference) ** 2))


def effect(mean: float, spread: float) -> Draw:
    return lambda rng, size: np.clip(rng.normal(mean, spread, size), -1, 1)


@pytest.mark.parametrize("mean, spread, power, rounds", [
    (0.25, 0.05, 1.0, 10), (0.25, 0.15, 1.0, 13), (0.1, 0.03, 1.0, 11), (0.1, 0.1, 0.95, 20), (0.1, 0.2, 0.35, 40)])
def test_what_differs_is_found(mean: float, spread: float, power: float, rounds: int) -> None:
    """Within the 40 rounds that 200 runs of each kernel are at five levels."""
    when = rounds_until(effect(mean, spread), 40, 2)
    assert float(np.isfinite(when).mean()) >= power
    assert float(np.minimum(when, 40).mean()) <= rounds


def test_runs_are_saved_against_a_plan_for_what_might_have_been() -> None:
    """Planned for a difference of 10 points at the spread of the rounds, and the kernels differ by 25: less than half of the runs."""
    fixed = planned_for(0.1, 0.15, 2)
    when = rounds_until(effect(0.25, 0.15), 200, 2)
    print(f"fixed {fixed} rounds, sequential {when.mean():.1f}: {when.mean() / fixed:.2f} of the runs")
    assert 20 <= fixed <= 30
    assert when.mean() / fixed < 0.6


def test_certainty_has_its_price() -> None:
    """The control of the one above: where a fixed plan was made for just this difference, going on until sure takes more."""
    fixed = planned_for(0.25, 0.15, 2)
    assert rounds_until(effect(0.25, 0.15), 200, 2).mean() > fixed


def follow(failed: list[float], hung: list[float] | None = None, all_run: bool = False, margin: float = 0.05) -> anytime.Sequential:
    return anytime.follow({("failed", PAIR): failed, ("hung", PAIR): hung or [0.0] * len(failed)}, ALPHA, margin, all_run)


def test_stops_early_at_a_difference() -> None:
    found = follow([0.3, 0.25, 0.35] * 20)
    assert (found.stopped, found.decision) == ("answered", "differ")
    assert found.units < 15, "what was measured afterwards decides nothing"
    failed, hung = found.outcomes
    assert failed.p_adjusted <= ALPHA < hung.p_adjusted
    assert hung.interval and hung.interval[0] < -0.05, "open, and told with its interval"
    assert len(found.trajectory[0].e_values) == found.units
    assert follow([0.3, 0.25, 0.35] * 20, all_run=True) == found, "the same, whatever came later"
    assert follow(([0.3, 0.25, 0.35] * 20)[:found.units - 1]).stopped == "not-finished"


def test_stops_at_the_margin() -> None:
    nothing = [0.0] * 100
    found = follow(nothing)
    assert (found.stopped, found.decision, found.units) == ("answered", "within-margin", anytime.rounds_for_margin(0.05, ALPHA))
    assert follow(nothing[:found.units - 1]).decision == "undecided"
    assert follow(nothing, [0.0, 0.2] * 50).decision == "differ", "all outcomes must lie within it"
    assert follow(nothing, margin=0.2).units < 25, "a wide margin is reached sooner"


def test_cannot_be_decided() -> None:
    mixed = [0.4, -0.35, 0.1, -0.2, 0.3, -0.3, 0.05, -0.1]
    assert (follow(mixed, all_run=True).stopped, follow(mixed, all_run=True).decision) == ("most-runs", "undecided")
    assert follow(mixed).stopped == "not-finished"
    assert anytime.follow({("failed", PAIR): []}, ALPHA, 0.05, True).units == 0


def test_more_than_two_arms_are_answered_each() -> None:
    clear, open_yet = [0.3, 0.25, 0.35] * 10, [0.3, -0.25, 0.1] * 10
    found = anytime.follow({("failed", PAIR): clear, ("failed", ("a", "c")): open_yet}, ALPHA, 0.05, False)
    assert found.stopped == "not-finished", "the third arm is still an open question"
    found = anytime.follow({("failed", PAIR): clear, ("failed", ("a", "c")): [-one for one in clear]}, ALPHA, 0.05, False)
    assert (found.stopped, found.decision) == ("answered", "differ")


def test_rounds_that_no_one_mean_fits() -> None:
    """First all one way, then all the other: the interval is empty, and says so."""
    found = anytime.follow({("failed", PAIR): [1.0, -1.0] * 3 + [0.9] * 60 + [-0.9] * 300}, 0.05, 0.01, True)
    assert found.trajectory[0].low[-1] is None or found.units < 360
    low, _ = anytime.confidence_sequence(np.array([0.9] * 60 + [-0.9] * 300), ALPHA)
    assert np.isnan(low[-1])
