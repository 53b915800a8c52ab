# SPDX-License-Identifier: MIT
"""Curves over the assigned level: found again in made-up data, refused where the data carry none, and honest about what they do not know."""

import math

import numpy as np
import pytest

from drmsqueeze_results.dose_response import Data, curve, fieller, regression

LEVELS = (1.0, 0.2, 0.1, 0.05, 0.02)
X = np.array([-math.log2(level) for level in LEVELS])


def data(counts: list[tuple[float, int, int]]) -> Data:
    """From (level, bad, good), each a run and a cluster of its own."""
    return Data(np.array([-math.log2(level) for level, _, _ in counts]), np.array([b for _, b, _ in counts], dtype=float),
                np.array([g for _, _, g in counts], dtype=float), np.arange(len(counts)))


def simulated(rng: np.random.Generator, half: float, slope: float, *, clusters: int = 12, spread: float = 0.0, jobs: int = 20) -> Data:
    """One run at each level in each cluster; clusters differ by a normal shift of the log odds with this standard deviation."""
    x = np.tile(X, clusters)
    unit = np.repeat(np.arange(clusters), len(X))
    shift = rng.normal(0, spread, clusters)[unit]
    bad = rng.binomial(jobs, 1 / (1 + np.exp(-(slope * (x + math.log2(half)) + shift))))
    return Data(x, bad.astype(float), (jobs - bad).astype(float), unit)


@pytest.mark.parametrize("half, slope", [(0.05, 1.5), (0.1, 0.8)])
def test_half_level_is_found_again(half: float, slope: float) -> None:
    rng = np.random.default_rng(1)
    found = curve("a", None, "failed", simulated(rng, half, slope, clusters=60), 1)
    assert found.half_level == pytest.approx(half, rel=0.1)
    assert found.slope == pytest.approx(slope, rel=0.15)
    assert found.slope_interval and found.slope_interval[0] < slope < found.slope_interval[1]
    assert found.half_interval and found.half_interval[0] < half < found.half_interval[1]
    assert found.note == ""
    at_half = min(found.curve, key=lambda point: abs(math.log(point.level / half)))
    assert at_half.share == pytest.approx(0.5, abs=0.1) and at_half.low < at_half.share < at_half.high


def test_intervals_hold_what_they_promise_where_runs_of_a_cluster_go_together() -> None:
    """Negative control beside it: taking each run for independent misses far more often than one time in twenty."""
    rng = np.random.default_rng(2)
    held = naive = 0
    for trial in range(100):
        clustered = simulated(rng, 0.05, 1.5, clusters=12, spread=1.0)
        alone = Data(clustered.x, clustered.bad, clustered.good, np.arange(len(clustered.x)))
        for number, one in enumerate((clustered, alone)):
            half = curve("a", None, "failed", one, trial).half_interval
            inside = half is not None and half[0] <= 0.05 <= half[1]
            held, naive = held + (inside and number == 0), naive + (inside and number == 1)
    assert held >= 86
    assert naive < held - 5


@pytest.mark.parametrize("levels, runs", [(LEVELS, 2), ((1.0, 0.05, 0.02), 4)])
def test_intervals_hold_with_as_few_booted_runs_as_a_curve_is_drawn_of(levels: tuple[float, ...], runs: int) -> None:
    """Jobs of a run go together (beta-binomial); each run is a cluster. Where the slope is too uncertain there is no interval at all."""
    rng = np.random.default_rng(3)
    held = drawn = 0
    for trial in range(100):
        x = np.repeat([-math.log2(level) for level in levels], runs)
        mean = np.clip(1 / (1 + np.exp(-1.8 * (x + math.log2(0.05)))), 1e-6, 1 - 1e-6)
        bad = rng.binomial(20, rng.beta(9 * mean, 9 * (1 - mean))).astype(float)
        found = curve("a", None, "failed", Data(x, bad, 20 - bad, np.arange(len(x))), trial)
        if found.half_interval and found.curve:
            drawn += 1
            held += found.half_interval[0] <= 0.05 <= found.half_interval[1]
    assert drawn >= 50 and held >= 0.85 * drawn


def test_fieller_by_hand() -> None:
    """Intercept -2, slope 1, independent, both with standard error 0.1, t = 2: (2 -+ 2 * sqrt(.01 * (1 + 4) - 4 * .0001)) / .96."""
    low, high = fieller(np.array([-2.0, 1.0]), np.diag([0.01, 0.01]), 2.0) or (0.0, 0.0)
    root = math.sqrt(4 * 4 - 4 * 0.96 * 3.96)
    assert (low, high) == (pytest.approx((4 - root) / 1.92), pytest.approx((4 + root) / 1.92))
    assert fieller(np.array([-2.0, 0.1]), np.diag([0.01, 0.01]), 2.0) is None, "a slope that may be 0 bounds nothing"


@pytest.mark.parametrize("counts, note", [
    ([(level, 0, 20) for level in LEVELS] * 3, "No job failed"),
    ([(level, 20, 0) for level in LEVELS] * 3, "All jobs failed, at every level"),
    ([(0.02, 5, 15)] * 6, "two levels"),
    ([(1.0, 0, 20), (0.02, 16, 4)] * 6, "overlap at one level at the most"),
    ([(1.0, 0, 20), (0.02, 20, 0)] * 6, "overlap at one level at the most"),
    ([(1.0, 1, 19), (0.02, 16, 4)] * 3, "fewer than 8 independent clusters"),
    ([], "No run has jobs"),
])
def test_no_curve_where_the_data_carry_none(counts: list[tuple[float, int, int]], note: str) -> None:
    found = curve("a", None, "failed", data(counts), 1)
    assert found.curve == () and found.slope is None and found.half_level is None
    assert note in found.note


def test_without_a_curve_the_half_lies_between_two_levels() -> None:
    found = curve("a", None, "failed", data([(1.0, 0, 20), (0.05, 0, 20), (0.02, 16, 4)] * 6), 1)
    assert found.half_interval == (pytest.approx(0.02), pytest.approx(0.05))
    assert "between 5 % and 2 % of memory left; where, was not tried" in found.note


def test_half_that_was_not_reached_is_not_extrapolated() -> None:
    low = [(1.0, 0, 20), (0.1, 1, 19), (0.02, 4, 16), (0.1, 0, 20)] * 4
    found = curve("a", None, "failed", data(low), 1)
    assert found.curve and found.half_level is None and found.half_interval is None
    assert "below the lowest level (2 %)" in found.note
    high = [(1.0, 13, 7), (0.1, 16, 4), (0.02, 19, 1)] * 4
    assert "More than half of the jobs failed at every level" in curve("a", None, "failed", data(high), 1).note


def test_a_curve_that_misses_what_was_seen_says_so() -> None:
    up_and_down = [(1.0, 1, 19), (0.2, 18, 2), (0.1, 2, 18), (0.05, 18, 2), (0.02, 19, 1)] * 8
    assert "misses what was seen at" in curve("a", None, "failed", data(up_and_down), 1).note


def test_a_curve_that_is_all_but_zero_where_nothing_was_seen_misses_nothing() -> None:
    steep = [(level, bad, 20 - bad) for level, bads in ((1.0, [0] * 6), (0.1, [1, 0, 2, 1, 0, 3]), (0.05, [9, 12, 10, 8, 11, 13]), (0.02, [20] * 6))
             for bad in bads]
    found = curve("a", None, "failed", data(steep), 1)
    assert found.curve and found.note == ""


def test_regression_across_arms_finds_what_was_put_in_and_keeps_quiet_else() -> None:
    rng = np.random.default_rng(4)
    shifted = regression(("a", "b"), None, "failed", simulated(rng, 0.03, 1.2, clusters=20), simulated(rng, 0.12, 1.2, clusters=20))
    assert shifted.shift == pytest.approx(1.2 * 2, abs=0.5) and shifted.shift_p is not None and shifted.shift_p < 0.001
    assert shifted.interaction_interval and shifted.interaction_interval[0] < 0 < shifted.interaction_interval[1]
    steeper = regression(("a", "b"), None, "failed", simulated(rng, 0.1, 0.6, clusters=20), simulated(rng, 0.1, 2.0, clusters=20))
    assert steeper.interaction == pytest.approx(1.4, abs=0.6) and steeper.interaction_p is not None and steeper.interaction_p < 0.01
    alarms = sum((regression(("a", "b"), None, "failed", simulated(rng, 0.05, 1.2, spread=0.7), simulated(rng, 0.05, 1.2, spread=0.7)).interaction_p
                  or 1) <= 0.05 for _ in range(60))
    assert alarms <= 8  # P(more than 8 of 60 at 5 %) is 0.4 %; with a sandwich of so few clusters a little more
    never = regression(("a", "b"), None, "failed", data([(1.0, 0, 20), (0.02, 0, 20)] * 6), simulated(rng, 0.05, 1.2))
    assert never.interaction is None and never.note.startswith("a: No job failed")
