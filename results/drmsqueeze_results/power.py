# SPDX-License-Identifier: MIT
"""How many runs a comparison needs, before it is made: by simulation of the tests that it will be judged by, with a fixed seed.

Nothing is assumed of a run but the share of its jobs that fails, drawn from a beta distribution with a mean and a spread between runs; what
runs of one snapshot have in common beyond that is not known beforehand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from drmsqueeze_results import anytime
from drmsqueeze_results.model import Outcome, Run

SEED = 1
SIMULATED = 500  # comparisons; the power that comes out is within 4 points of the true one
FLIPS = 2000  # labellings that a simulated permutation test draws, where there are more
MOST = 2000  # runs at each setting; more is "not within reach"

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Assumptions:
    """Of the baseline: the share of a run's jobs that fails, its standard deviation between runs, the share of runs that hang; whence."""

    failed: float
    spread: float
    hung: float
    source: str


ASSUMED = Assumptions(0.1, 0.1, 0.0, "assumed, for want of earlier runs (--earlier DIR): 10 % of a run's jobs fail on the first kernel, "
                                     "give or take 10 points from run to run, and no run hangs")


def from_runs(runs: Sequence[Run], baseline: str, source: str) -> Assumptions | None:
    """From earlier runs: the mean of the baseline arm, and the spread within arms and levels; null with too few."""
    groups: dict[tuple[str, float, float | None], list[float]] = {}
    for run in runs:
        if run.status.usable and run.jobs.submitted:
            groups.setdefault((run.arm, run.level, run.rate_hz), []).append(run.jobs.of(Outcome.FAILED) / run.jobs.submitted)
    of_baseline = [run for run in runs if run.arm == baseline and run.status.usable and run.jobs.submitted]
    degrees = sum(len(group) - 1 for group in groups.values())
    if not of_baseline or degrees < 1:
        return None
    failed = float(np.mean([run.jobs.of(Outcome.FAILED) / run.jobs.submitted for run in of_baseline]))
    squares = sum(float(((np.array(group) - np.mean(group)) ** 2).sum()) for group in groups.values())
    hung = float(np.mean([run.jobs.of(Outcome.HUNG) > 0 for run in of_baseline]))
    spread = float(np.sqrt(squares / degrees))
    return Assumptions(failed, spread, hung, f"from {sum(map(len, groups.values()))} runs in {source}: {100 * failed:.3g} % of a run's jobs "
                                             f"fail on the first kernel, give or take {100 * spread:.3g} points, and {100 * hung:.3g} % "
                                             "of its runs hang")


def _shares(rng: np.random.Generator, mean: float, spread: float, size: tuple[int, int]) -> Values:
    mean = min(max(mean, 0.0), 1.0)
    variance = min(spread**2, 0.8 * mean * (1 - mean))  # no distribution on 0..1 has more than mean (1 - mean)
    if variance <= 0:
        return np.full(size, mean)
    weight = mean * (1 - mean) / variance - 1
    return rng.beta(mean * weight, (1 - mean) * weight, size)


def _rejected(rng: np.random.Generator, units: Values, alpha: float) -> float:
    """The share of comparisons (rows) whose permutation test, labels swapped in whole units, comes out at alpha or below."""
    count = units.shape[1]
    every = 2**count <= FLIPS
    signs = (1.0 - 2.0 * ((np.arange(2**count)[:, np.newaxis] >> np.arange(count)) & 1) if every else
             rng.choice((-1.0, 1.0), (FLIPS, count)))
    as_extreme = (np.abs(units @ signs.T) >= np.abs(units.sum(axis=1, keepdims=True)) - 1e-9).sum(axis=1)
    p = as_extreme / len(signs) if every else (as_extreme + 1) / (len(signs) + 1)
    return float((p <= alpha).mean())


def power_of(blocks: int, blocks_per_unit: int, difference: float, assumed: Assumptions, alpha: float) -> float:
    """How often so many blocks show the difference of failed shares."""
    rng = np.random.default_rng(SEED)
    size = (SIMULATED, blocks)
    found = _shares(rng, assumed.failed + difference, assumed.spread, size) - _shares(rng, assumed.failed, assumed.spread, size)
    return _rejected(rng, np.add.reduceat(found, np.arange(0, blocks, blocks_per_unit), axis=1), alpha)


def exact_power(runs: int, rate_a: float, rate_b: float, alpha: float) -> float:
    """How often Fisher's exact test on runs with an event sees the two rates apart, with so many runs of each. Boschloo's sees no less."""
    with_event = np.arange(runs + 1)
    likely = np.outer(stats.binom.pmf(with_event, runs, rate_a), stats.binom.pmf(with_event, runs, rate_b))
    total = 0.0
    for both in range(2 * runs + 1):
        of_a = np.arange(max(0, both - runs), min(runs, both) + 1)
        weight = stats.hypergeom.pmf(of_a, 2 * runs, runs, both)
        sorted_weight = np.sort(weight)
        p = np.cumsum(sorted_weight)[np.searchsorted(sorted_weight, weight * (1 + 1e-7), side="right") - 1]
        total += float(likely[of_a, both - of_a][p <= alpha].sum())
    return total


def fewest(power: Callable[[int], float], wanted: float, most: int = MOST) -> int | None:
    """The smallest number with at least the wanted power; null where not even `most` has it."""
    high = 1
    while power(high) < wanted:
        if high >= most:
            return None
        high = min(most, high * 2)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= wanted else (middle, high)
    return high


def rounds_until_sure(conditions: int, difference: float, assumed: Assumptions, alpha: float, tests: int, most: int) -> tuple[float, float]:
    """Of a sequential comparison: how often it sees the difference in `most` rounds, and how many rounds it takes on average."""
    rng = np.random.default_rng(SEED)
    size = (SIMULATED, most * conditions)
    found = _shares(rng, assumed.failed + difference, assumed.spread, size) - _shares(rng, assumed.failed, assumed.spread, size)
    reached = anytime.log_e_values(found.reshape(SIMULATED, most, conditions).mean(axis=2), alpha) >= np.log(tests / alpha)
    return float(reached.any(axis=1).mean()), float(np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, most).mean())
