# SPDX-License-Identifier: MIT
"""The parts of compare.json that describe, as types: curves, incidences, factors, strata. None of them decides anything."""

from dataclasses import dataclass

Interval = tuple[float, ...]


@dataclass(frozen=True)
class CurvePoint:
    """The fitted share at one level, with the ends of its pointwise interval; all 0..1."""

    level: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class DoseResponse:
    """A logistic curve of the share of jobs that end badly over the assigned level, of one arm at one demand rate.

    `of`: "failed", "stuck" (hung or stalled) or "bad" (all but completed). `slope`: change of the log odds for each halving of
    the memory left. `half_level`: where half of the jobs do; null where the fit does not reach that within the levels that
    were tried, or where there is no fit (`curve` empty): `note` says why.
    """

    arm: str
    rate_hz: float | None
    of: str
    slope: float | None
    slope_interval: Interval | None
    half_level: float | None
    half_interval: Interval | None
    curve: tuple[CurvePoint, ...]
    note: str


@dataclass(frozen=True)
class Regression:
    """Two arms in one logistic regression on the assigned level; descriptive. Null where it cannot be fitted (`note`: why).

    `shift`: log odds, second arm minus first, at the geometric middle of the levels. `interaction`: how much steeper the second
    arm's odds rise for each halving of the memory left.
    """

    arms: tuple[str, ...]
    rate_hz: float | None
    of: str
    shift: float | None
    shift_interval: Interval | None
    shift_p: float | None
    interaction: float | None
    interaction_interval: Interval | None
    interaction_p: float | None
    note: str


@dataclass(frozen=True)
class TradeShare:
    """A share of jobs, 0..1, with its interval and the kind of it: "bootstrap" or "range" as elsewhere, or, for what was never
    seen, "bound": from 0 to the one-sided 95 % bound of the share of clusters with it, which the share of jobs cannot exceed.
    """

    share: float | None
    interval: Interval | None
    interval_kind: str | None


@dataclass(frozen=True)
class Trade:
    """What an arm pays with at one level and rate: jobs that failed against jobs that were stuck (hung or stalled)."""

    arm: str
    level: float
    rate_hz: float | None
    failed: TradeShare
    stuck: TradeShare


@dataclass(frozen=True)
class Incidence:
    """The share of jobs that have come to one end by a time after their submit; the other ends compete with it.

    `end`: "completed", "failed" (any error, also a wrong result and the driver's timeout), "stuck" or "oom" (the client was
    killed). `t_ms` in guest milliseconds, ascending, with one share and one interval end each. `censored`: jobs that something
    else cut short, of `jobs`.
    """

    arm: str
    level: float
    rate_hz: float | None
    end: str
    t_ms: tuple[float, ...]
    share: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    jobs: int = 0
    censored: int = 0


@dataclass(frozen=True)
class FactorEffect:
    """How much a factor, or an interaction ("a x b"), changes the share of jobs with an outcome. Descriptive."""

    outcome: str
    factor: str
    effect: float
    interval: Interval | None
    p: float | None


@dataclass(frozen=True)
class Factorial:
    """Arms that are all combinations of variants, taken apart into what each variant does."""

    factors: tuple[str, ...]
    effects: tuple[FactorEffect, ...]


@dataclass(frozen=True)
class Stratum:
    """The difference between two arms (second minus first) on one machine, from `n` clusters; `effect` null with none."""

    machine: str
    outcome: str
    arms: tuple[str, ...]
    effect: float | None
    n: int


@dataclass(frozen=True)
class RepeatedBlock:
    """A block that lost an arm to something that is not under test, and the block that took its place."""

    block: int
    repeated_by: int | None
    reason: str
