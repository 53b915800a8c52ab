# SPDX-License-Identifier: MIT
"""A comparison that may be looked at after every round and stopped at any: testing and estimating by betting.

The method is that of I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", Journal of the Royal
Statistical Society B 86(1), 2024, pages 1-27: the hedged capital with predictable plug-in bets (sections 4.2 to 4.4).

A gambler bets, before each round, on the difference between two arms being above `mean`, another on its being below; each begins with half
of the capital. Where the mean is `mean`, neither game is favourable: their capital reaches 1/alpha with a probability of alpha at the most,
however long they play and whenever they stop (Ville's inequality). So 1 / (the largest capital so far) is a p-value at any time, and the
means against which no capital has reached 1/alpha are a confidence sequence: it holds at all times at once.

- The unit is a round: the mean over its blocks of the second arm's share minus the first arm's, -1 to 1.
- The interval assumes of the rounds only that they have one mean, given the past.
- "No difference" says more: that it does not matter which arm is which, so that a round's difference is as likely as its negative. That is
  what the permutation test of a fixed plan tests too. Then the bets may be laid on differences in units of the largest one seen so far,
  those beyond it cut off there (an odd function of a symmetric variable has mean zero): small differences that always point one way are
  found in few rounds, and not only after as many as would exclude a rare one of -1.
- The sequential test of `drmsqueeze minimize` is another: that of one rate against another (harness/drmsqueeze/sequential.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drmsqueeze_results.statistics import holm

METHOD = "hedged capital by betting, predictable plug-in"
REFERENCE = ("Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, "
             "Journal of the Royal Statistical Society B 86(1), 2024")
# The part of its capital that a bet may lose (c of the paper, which leaves it free below 1). Rounds are few: bold bets.
BOLDNESS = 0.9
# Means at which the confidence sequence is looked at; an interval is wider than the exact one by up to a step at each end.
GRID = np.linspace(-1.0, 1.0, 2001)
LARGEST = 1e300  # JSON has no infinity

Values = NDArray[np.float64]
Question = tuple[str, tuple[str, ...]]  # an outcome, and the arms between which it is asked


@dataclass(frozen=True)
class SequentialOutcome:
    """What is known of one outcome between two arms at the stop. `difference`: the mean over the rounds, second arm minus first.

    `e_value`: the capital that stands against "no difference" now.
    `p_anytime` is from its largest so far; `p_adjusted` is that after Holm over all that was asked. `interval`: of the mean difference, at
    confidence 1 - alpha, at all times at once; null where no one mean fits all rounds.
    """

    outcome: str
    arms: tuple[str, ...]
    difference: float
    e_value: float
    p_anytime: float
    p_adjusted: float
    interval: tuple[float, ...] | None


@dataclass(frozen=True)
class Path:
    """One outcome between two arms, round by round: the difference, then the capital against "no difference" and the interval's ends.

    The ends are null where no one mean fits all rounds.
    """

    outcome: str
    arms: tuple[str, ...]
    differences: tuple[float, ...]
    e_values: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True)
class Sequential:
    """What a sequential plan came to.

    `units`: rounds that decided. `stopped`: "answered", "most-runs", or "not-finished" where neither is so, as of one that was interrupted.
    `decision`: "differ" (some primary outcome), "within-margin" (all of them, between all arms), or "undecided".
    """

    method: str
    reference: str
    alpha: float
    margin: float
    units: int
    stopped: str
    decision: str
    outcomes: tuple[SequentialOutcome, ...]
    trajectory: tuple[Path, ...]


def _bets(x: Values, alpha: float) -> Values:
    """The predictable plug-in bets for values in 0..1 along the last axis: each rests on the values before it only."""
    t = np.arange(1, x.shape[-1] + 1)
    mean = (0.5 + np.cumsum(x, axis=-1)) / (t + 1)
    variance = (0.25 + np.cumsum((x - mean) ** 2, axis=-1)) / (t + 1)
    before = np.concatenate([np.full_like(x[..., :1], 0.25), variance[..., :-1]], axis=-1)
    return np.asarray(np.sqrt(2 * np.log(2 / alpha) / (before * t * np.log1p(t))))


def log_capital(differences: Values, mean: Any, alpha: float) -> Values:
    """Logarithm of the hedged capital against `mean`, after each of the differences (-1..1, along the last axis)."""
    x, m = (differences + 1) / 2, (np.asarray(mean) + 1) / 2
    bets = _bets(x, alpha)
    with np.errstate(divide="ignore"):  # at the ends of 0..1 a bet is bounded by the other side only
        above, below = np.minimum(bets, BOLDNESS / m), np.minimum(bets, BOLDNESS / (1 - m))
    return np.asarray(np.log(0.5) + np.maximum(np.cumsum(np.log1p(above * (x - m)), axis=-1),
                                               np.cumsum(np.log1p(below * (m - x)), axis=-1)))


def _in_units_of_the_largest(differences: Values) -> Values:
    """Each difference in units of the largest one before it (1 for as long as there was none), cut off at 1."""
    largest = np.maximum.accumulate(np.abs(differences), axis=-1)
    before = np.concatenate([np.ones_like(differences[..., :1]), largest[..., :-1]], axis=-1)
    return np.asarray(np.clip(differences / np.where(before > 0, before, 1.0), -1.0, 1.0))


def log_e_values(differences: Values, alpha: float) -> Values:
    """Logarithm of the capital against "no difference", after each of the differences."""
    return log_capital(_in_units_of_the_largest(differences), 0.0, alpha)


def confidence_sequence(differences: Values, alpha: float) -> tuple[Values, Values]:
    """The ends of the interval for the mean after each of the differences (one series); nan where no mean is left."""
    against = log_capital(differences[np.newaxis, :], GRID[:, np.newaxis], alpha)
    kept = np.maximum.accumulate(against, axis=-1) < np.log(1 / alpha)
    step, some = GRID[1] - GRID[0], kept.any(axis=0)
    low = np.maximum(-1.0, GRID[kept.argmax(axis=0)] - step)
    high = np.minimum(1.0, GRID[len(GRID) - 1 - kept[::-1].argmax(axis=0)] + step)
    return np.where(some, low, np.nan), np.where(some, high, np.nan)


def rounds_for_margin(margin: float, alpha: float, most: int = 100_000) -> int | None:
    """After how many rounds that do not differ at all "within the margin" can be said at the earliest; null: not within `most`."""
    rounds = 64
    while rounds <= most:
        capital = log_capital(np.zeros(rounds), margin, alpha)
        if capital[-1] >= np.log(1 / alpha):
            return int(np.argmax(capital >= np.log(1 / alpha))) + 1
        rounds *= 2
    return None


def _inside(low: float | None, high: float | None, margin: float) -> bool:
    return low is not None and high is not None and -margin <= low and high <= margin


def _earliest(paths: Sequence[Path], alpha: float, margin: float) -> int:
    """The first round after which there is anything that an answer could rest on; saves looking at those before it."""
    for used, seen in enumerate(zip(*(zip(path.e_values, path.low, path.high) for path in paths)), 1):
        if any(e_value >= 1 / alpha or _inside(low, high, margin) for e_value, low, high in seen):
            return used
    return len(paths[0].e_values) + 1 if paths else 1


def _answered(asked: Sequence[SequentialOutcome], alpha: float, margin: float) -> str | None:
    """The decision, or null where some two arms are still an open question.

    Two arms are none any more once one outcome differs between them, or all are within the margin. What is open beside an outcome that
    differs is told with its interval: to go on for it would cost runs that the argument does not need.
    """
    differs, open_yet = False, False
    for arms in dict.fromkeys(one.arms for one in asked):
        here = [one for one in asked if one.arms == arms]
        if any(one.p_adjusted <= alpha for one in here):
            differs = True
        elif not all(one.interval and _inside(one.interval[0], one.interval[1], margin) for one in here):
            open_yet = True
    return None if open_yet else "differ" if differs else "within-margin"


@lru_cache(maxsize=64)
def _holm(p_values: tuple[float, ...]) -> tuple[float, ...]:
    """Asked for after every round, and mostly for what it was asked for before."""
    return tuple(1.0 if p is None else p for p in holm(p_values))


def _known(paths: Sequence[Path], rounds: int) -> tuple[SequentialOutcome, ...]:
    p_values = tuple(min(1.0, 1 / max(path.e_values[:rounds])) for path in paths)
    known = []
    for path, p, adjusted in zip(paths, p_values, _holm(p_values)):
        low, high = path.low[rounds - 1], path.high[rounds - 1]
        interval = None if low is None or high is None else (low, high)
        known.append(SequentialOutcome(path.outcome, path.arms, float(np.mean(path.differences[:rounds])), path.e_values[rounds - 1], p,
                                       adjusted, interval))
    return tuple(known)


def _paths(rounds: Mapping[Question, Sequence[float]], alpha: float) -> Iterator[Path]:
    for (outcome, arms), series in rounds.items():
        differences = np.array(series, dtype=float)
        capital = np.minimum(LARGEST, np.exp(np.minimum(log_e_values(differences, alpha), np.log(LARGEST))))
        low, high = (tuple(None if np.isnan(end) else round(float(end), 6) for end in side)
                     for side in confidence_sequence(differences, alpha))
        yield Path(outcome, arms, tuple(map(float, series)), tuple(map(float, capital)), low, high)


def follow(rounds: Mapping[Question, Sequence[float]], alpha: float, margin: float, all_run: bool) -> Sequential:
    """What the rounds so far came to: for each question the difference in each of them, in their order, all of one length.

    `all_run`: whether there are no more to come. The first round after which the question was answered decides; what was measured after it
    is left out. The same rounds give the same.
    """
    paths = tuple(_paths(rounds, alpha)) if rounds and all(rounds.values()) else ()
    have = len(paths[0].e_values) if paths else 0
    units, stopped, decision = have, "most-runs" if all_run else "not-finished", "undecided"
    for used in range(_earliest(paths, alpha, margin), have + 1):
        answer = _answered(_known(paths, used), alpha, margin)
        if answer:
            units, stopped, decision = used, "answered", answer
            break
    trajectory = tuple(Path(path.outcome, path.arms, path.differences[:units], path.e_values[:units], path.low[:units], path.high[:units])
                       for path in paths)
    return Sequential(METHOD, REFERENCE, alpha, margin, units, stopped, decision, _known(paths, units) if paths else (), trajectory)
