# SPDX-License-Identifier: MIT
"""Statistics against known values and, where there is no closed form, by simulation with fixed seeds."""

import numpy as np
import pytest

from drmsqueeze_results import statistics as st


def test_too_few_is_an_answer() -> None:
    assert st.share([], []) is None
    assert st.share_interval([0], [0], 1) == (None, None)
    assert st.median_and_range([None, None]) == (None, None)
    assert st.permutation_p([], 1) is None
    assert st.permutation_p_attainable(0) is None
    assert st.rare_event_p(0, 0, 1, 3) is None
    assert st.upper_bound(0, 0) is None
    assert st.holm([None]) == [None]


@pytest.mark.parametrize("runs, bound", [(30, 0.0950), (300, 0.0099), (6, 0.3930), (3, 0.6316)])
def test_bound_for_what_was_never_seen(runs: int, bound: float) -> None:
    """1 - 0.05 ** (1 / n); the design names the first two."""
    assert st.upper_bound(0, runs) == pytest.approx(bound, abs=5e-5)
    assert st.upper_bound(0, runs) == pytest.approx(1 - 0.05 ** (1 / runs))
    assert st.upper_bound(1, runs) > st.upper_bound(0, runs)  # type: ignore[operator]


@pytest.mark.parametrize("blocks, p", [(1, 1.0), (2, 0.5), (3, 0.25), (6, 0.03125), (10, 2 / 1024)])
def test_permutation_reaches_what_is_attainable_and_no_less(blocks: int, p: float) -> None:
    assert st.permutation_p_attainable(blocks) == p
    assert st.permutation_p([(0.0, 0.5 + 0.01 * i) for i in range(blocks)], 1) == pytest.approx(p)


def test_permutation_that_draws_agrees_with_its_floor() -> None:
    assert st.permutation_p([(0.0, 1.0)] * 40, 1) == pytest.approx(st.permutation_p_attainable(40))


def test_permutation_by_hand() -> None:
    """Differences 1, 2, -4: of 8 sign patterns, |sum| >= 1 holds for all but none is smaller: p = 1."""
    assert st.permutation_p([(0, 1), (0, 2), (0, -4)], 1) == 1.0
    # Differences 3, 2, -1: sums in size 6, 4, 2, 0; |4| or more in 4 of 8.
    assert st.permutation_p([(0, 3), (0, 2), (0, -1)], 1) == pytest.approx(0.5)
    assert st.permutation_p([(0.5, 0.5)] * 9, 1) == 1.0


def test_boschloo_known_values() -> None:
    assert st.rare_event_p(0, 3, 3, 3) == pytest.approx(0.03125, abs=1e-6)
    assert st.rare_event_p(0, 20, 0, 20) == 1.0
    assert st.rare_event_p(20, 20, 20, 20) == 1.0
    assert st.rare_event_p_attainable(3, 3) == pytest.approx(st.rare_event_p(0, 3, 3, 3))


def test_holm_by_hand_and_null_stays_null() -> None:
    assert st.holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06)]


def test_interval_is_the_range_below_five_runs() -> None:
    assert st.share_interval([1, 3, 2, 4], [10] * 4, 1) == ((0.1, 0.4), "range")
    assert st.share_interval([1, 3, 2, 4, 5], [10] * 5, 1)[1] == "bootstrap"
    assert st.share_interval([10] * 6, [10] * 6, 1) == ((1.0, 1.0), "bootstrap")


def test_bootstrap_covers_and_resamples_runs_not_jobs() -> None:
    """Runs differ much: an interval over jobs would be far too narrow and would miss the truth most of the time."""
    rng = np.random.default_rng(5)
    covered = naive = 0
    for trial in range(120):
        counts = rng.binomial(100, rng.beta(2, 2, size=20))  # true share 0.5
        interval, _ = st.share_interval(list(counts), [100] * 20, trial)
        assert interval
        covered += interval[0] <= 0.5 <= interval[1]
        half = 1.96 * (0.25 / 2000) ** 0.5
        naive += abs(counts.sum() / 2000 - 0.5) <= half
    assert covered >= 0.86 * 120
    assert naive < 0.60 * 120


@pytest.mark.parametrize("effect, least, most", [(0.0, 0.0, 0.08), (0.25, 0.9, 1.0)])
def test_permutation_false_alarms_and_power(effect: float, least: float, most: float) -> None:
    """Blocks differ much among each other; within a block the arms do not (or do)."""
    rng = np.random.default_rng(11)
    found = 0
    for trial in range(200):
        blocks = rng.uniform(0, 0.5, size=10)
        pairs = [(b + rng.normal(0, 0.1), b + effect + rng.normal(0, 0.1)) for b in blocks]
        found += (st.permutation_p(pairs, trial) or 1) <= 0.05
    assert least <= found / 200 <= most


def test_same_seed_same_answer() -> None:
    arguments = [1, 5, 2, 8, 3, 9], [10] * 6
    assert st.share_interval(*arguments, 3) == st.share_interval(*arguments, 3)
