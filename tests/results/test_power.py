# SPDX-License-Identifier: MIT
"""How many runs a comparison needs: held against what is known of such tests, and against the tests themselves."""

import numpy as np
import pytest
from scipy import stats

from drmsqueeze_results import power
from drmsqueeze_results.statistics import rare_event_p, sign_flip_p

NOISY = power.Assumptions(0.3, 0.2, 0.0, "")
NEVER = power.Assumptions(0.0, 0.1, 0.0, "")


def test_no_difference_has_the_power_of_chance() -> None:
    assert power.power_of(30, 2, 0.0, NOISY, 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / power.SIMULATED)
    assert power.power_of(20, 1, 0.0, NOISY, 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / power.SIMULATED)


def test_too_few_units_have_none() -> None:
    """Five clusters cannot reach a p below 0.0625, whatever they show."""
    assert power.power_of(5, 1, 0.9, NEVER, 0.05) == 0
    assert power.power_of(6, 1, 0.9, NEVER, 0.05) == 1
    assert power.fewest(lambda runs: power.power_of(runs, 1, 0.9, NEVER, 0.025), 0.8) == 7


def test_near_the_formula_of_the_normal_distribution() -> None:
    """Of a paired comparison with many blocks, where the permutation test is as good as the t test."""
    needed = power.fewest(lambda blocks: power.power_of(blocks, 1, 0.1, NOISY, 0.05), 0.8) or 0
    formula = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 * 2 * 0.2**2 / 0.1**2
    assert 0.85 * formula <= needed <= 1.25 * formula


def test_the_simulated_test_is_the_real_one() -> None:
    rng = np.random.default_rng(3)
    units = rng.normal(0.5, 1, (40, 9))
    for alpha in (0.02, 0.05, 0.3):
        real = np.mean([(sign_flip_p(list(row), 1) or 1) <= alpha for row in units])
        assert power._rejected(rng, units, alpha) == real


@pytest.mark.parametrize("runs, rate_a, rate_b", [(12, 0.0, 0.5), (8, 0.1, 0.9)])
def test_exact_power_is_that_of_fishers_test(runs: int, rate_a: float, rate_b: float) -> None:
    def table(a: int, b: int) -> list[list[int]]:
        return [[a, b], [runs - a, runs - b]]

    wanted = sum(stats.binom.pmf(a, runs, rate_a) * stats.binom.pmf(b, runs, rate_b)
                 for a in range(runs + 1) for b in range(runs + 1) if stats.fisher_exact(table(a, b))[1] <= 0.05)
    assert power.exact_power(runs, rate_a, rate_b, 0.05) == pytest.approx(wanted)
    boschloo = sum(stats.binom.pmf(b, runs, rate_b) for b in range(runs + 1) if (rare_event_p(0, runs, b, runs) or 1) <= 0.05)
    assert rate_a or boschloo >= wanted - 1e-9, "the test that is used needs no more runs"


def test_out_of_reach_is_said() -> None:
    assert power.fewest(lambda runs: power.exact_power(runs, 0.0, 0.01, 0.025), 0.8, 40) is None


def test_a_sequential_comparison_of_a_clear_difference_takes_few_rounds() -> None:
    often, rounds = power.rounds_until_sure(5, 0.3, NOISY, 0.05, 2, 40)
    assert often == 1 and rounds < 15
    often, rounds = power.rounds_until_sure(5, 0.0, NOISY, 0.05, 2, 40)
    assert often < 0.05 and rounds > 38
