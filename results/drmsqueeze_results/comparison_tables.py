# SPDX-License-Identifier: MIT
"""The tables and lists of a comparison's details; each is empty where there is nothing to tell."""

from collections.abc import Mapping

from drmsqueeze_results.analysis_model import Interval
from drmsqueeze_results.answer_plots import RESPONSES
from drmsqueeze_results.comparison_model import Comparison, Test
from drmsqueeze_results.model import Outcome
from drmsqueeze_results.plots import at_rate
from drmsqueeze_results.rounds import REPEATED
from drmsqueeze_results.tables import TITLES, Grid, rate_name
from drmsqueeze_results.verdicts import ADJECTIVES, level_name, p_value, percent

MEASURES = {"share": "{}", "runs": "runs with {}", "latency": "median latency of {}"}


def _points(value: float) -> str:
    return f"{100 * value:+.0f}" if abs(value) >= 0.01 or not value else f"{100 * value:+.1f}"


def _difference(effect: float | None, interval: Interval | None, kind: str = "difference") -> str:
    """An effect with its interval: in points of percent, or of latencies the ratio."""
    if effect is None:
        return "-"
    if kind == "ratio":
        return f"× {effect:.2f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")
    return f"{_points(effect)} points" + (f" ({_points(interval[0])} to {_points(interval[1])})" if interval else "")


def _outcome(name: str) -> str:
    return ADJECTIVES.get(name, name)


def _kernels(comparison: Comparison, arms: tuple[str, ...]) -> str:
    return " / ".join(comparison.arms[arm].kernel for arm in arms)


def tests_grids(comparison: Comparison) -> tuple[Grid, ...]:
    """The tests that decide, and those that say where or describe."""
    def adjusted(test: Test) -> str:
        if test.primary and test.differing and test.p_adjusted is None:
            return "cannot be decided"
        return p_value(test.p_adjusted)

    def row(t: Test) -> tuple[str, ...]:
        return (MEASURES[t.measure].format(_outcome(t.outcome)), "all" if t.level is None else level_name(t.level),
                rate_name(t.rate_hz, "all"), _kernels(comparison, t.arms), t.method.replace("-", " "), str(t.n), str(t.differing),
                _difference(t.effect, t.interval, t.effect_kind), p_value(t.p), adjusted(t), p_value(t.p_attainable))

    def decides(test: Test) -> bool:
        return test.primary and test.level is None and test.rate_hz is None

    columns = ("of", "left", "rate", "kernels", "method", "n", "differing", "difference", "p", "adjusted", "smallest possible")
    grids = []
    for title, mine in (("These decide", [t for t in comparison.tests if decides(t)]),
                        ("These say where, or describe", [t for t in comparison.tests if not decides(t)])):
        needless = {"kernels": len(comparison.arms) == 2, "rate": all(t.rate_hz is None for t in mine),
                    "left": all(t.level is None for t in mine)}
        grid = Grid(title, columns, (False,) * 5 + (True,) * 6, tuple(map(row, mine)))
        grids.append(grid.without(*(name for name, is_so in needless.items() if is_so)))
    return tuple(grid for grid in grids if grid.rows)


def bound_sentences(comparison: Comparison) -> tuple[str, ...]:
    """Over all levels: what was never seen, and what that excludes."""
    sentences = []
    for key, arm in comparison.arms.items():
        mine = [b for b in comparison.bounds if b.arm == key and b.level is None and b.rate_hz is None]
        if mine:
            *others, last = (ADJECTIVES[b.outcome] for b in mine)
            never = f"{', '.join(others)} or {last}" if others else last
            sentences.append(f"{arm.kernel}: no {never} in {mine[0].runs} runs. At {100 * mine[0].confidence:g} % "
                             f"confidence each of these happens in at most {percent(mine[0].upper)} of such runs.")
    return tuple(sentences)


def _per_thousand(rates: Mapping[str, float]) -> str:
    return ", ".join(f"{TITLES[Outcome(name)]} {rate:.3g}" for name, rate in rates.items() if rate) or "none"


def exposure_grid(comparison: Comparison) -> Grid:
    """What each arm was exposed to, and its outcomes for each thousand of it."""
    def counted(count: int | None, rates: Mapping[str, float]) -> tuple[str, str]:
        return ("-", "-") if count is None else (f"{count:,}", _per_thousand(rates))

    arms = list(comparison.exposure.values())
    counts = {"incremental passes": lambda seen: seen.incremental_passes, "attempts refused": lambda seen: seen.attempts_refused,
              "jobs repaired": lambda seen: seen.jobs_repaired}
    rows = tuple((comparison.arms[key].kernel, str(seen.jobs_submitted),
                  ", ".join(f"{name} {count}" for name, count in seen.injections_fired.items()) or "nothing to count",
                  *counted(seen.heap_growths, seen.per_1000_growths), *counted(seen.faults_fired, seen.per_1000_faults),
                  *("-" if (count := of(seen)) is None else f"{count:,}" for of in counts.values()))
                 for key, seen in comparison.exposure.items())
    growths, faults = ("heap growths", "jobs per 1,000 growths"), ("faults fired", "jobs per 1,000 faults")
    grid = Grid("Exposure", ("kernel", "jobs submitted", "injections fired", *growths, *faults, *counts),
                (False, True, False, True, False, True, False, *(True for _ in counts)), rows)
    return grid.without(*(growths if all(seen.heap_growths is None for seen in arms) else ()),
                        *(faults if all(seen.faults_fired is None for seen in arms) else ()),
                        *(name for name, of in counts.items() if all(of(seen) is None for seen in arms)))


def gaps_grid(comparison: Comparison) -> Grid:
    """The planned runs that gave no data."""
    rows = tuple((str(c.index), str(c.block), level_name(c.level), rate_name(c.rate_hz), comparison.arms[c.arm].kernel, c.status,
                  c.reason_code or "") for c in comparison.cells if c.owed or c.status == REPEATED)
    columns = ("run", "block", "left", "rate", "kernel", "status", "reason")
    grid = Grid("Planned runs without data", columns, (True,) * 4 + (False,) * 3, rows)
    return grid if any(c.rate_hz is not None for c in comparison.cells) else grid.without("rate")


def repeats_grid(comparison: Comparison) -> Grid:
    """Blocks that lost an arm to the infrastructure, and the blocks that took their place."""
    rows = tuple((str(b.block), "never" if b.repeated_by is None else str(b.repeated_by), b.reason) for b in comparison.repeated_blocks)
    return Grid("Blocks that were repeated", ("block", "repeated by block", "reason"), (True, True, False), rows)


def _level(value: float, interval: Interval | None) -> str:
    """A level that was worked out, with its interval."""
    between = f" ({100 * min(interval):.2g} to {100 * max(interval):.2g} %)" if interval else ""
    return f"{100 * value:.2g} %{between}"


def _odds(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "-"
    return f"{value:+.2f}" + (f" ({interval[0]:+.2f} to {interval[1]:+.2f})" if interval else "")


def dose_grid(comparison: Comparison) -> Grid:
    """The fitted curves in numbers: how steep, and where half of the jobs have come to it."""
    rows = tuple((comparison.arms[fit.arm].kernel, rate_name(fit.rate_hz), RESPONSES[fit.of], _odds(fit.slope, fit.slope_interval),
                  "-" if fit.half_level is None else _level(fit.half_level, fit.half_interval), fit.note)
                 for fit in comparison.dose_response)
    columns = ("kernel", "rate", "of", "log odds for each halving", "half of the jobs at", "note")
    grid = Grid("Dose and response in numbers", columns, (False,) * 3 + (True, True, False), rows)
    return grid if any(fit.rate_hz is not None for fit in comparison.dose_response) else grid.without("rate")


def regression_grid(comparison: Comparison) -> Grid:
    """Two kernels in one regression on the assigned level: how far apart their curves are, and whether one is steeper."""
    rows = tuple((_kernels(comparison, r.arms), rate_name(r.rate_hz), RESPONSES[r.of], _odds(r.shift, r.shift_interval), p_value(r.shift_p),
                  _odds(r.interaction, r.interaction_interval), p_value(r.interaction_p), r.note) for r in comparison.regression)
    columns = ("kernels", "rate", "of", "log odds apart", "p", "steeper by", "p of that", "note")
    grid = Grid("The second kernel against the first, over the level", columns, (False,) * 3 + (True,) * 4 + (False,), rows)
    return grid.without(*(["rate"] if all(r.rate_hz is None for r in comparison.regression) else []),
                        *(["note"] if not any(r.note for r in comparison.regression) else []))


def half_sentences(comparison: Comparison) -> tuple[str, ...]:
    """Where half of the jobs do not complete, for each kernel and rate with such a level."""
    return tuple(
        f"{comparison.arms[fit.arm].kernel}{at_rate(fit.rate_hz)}: half of the jobs do not complete with this much memory left: "
        f"{_level(fit.half_level, fit.half_interval)}."
        for fit in comparison.dose_response if fit.of == "bad" and fit.half_level is not None)


def factorial_grid(comparison: Comparison) -> Grid:
    """What each variant does, and what they do together."""
    rows = tuple((e.factor, _outcome(e.outcome), _difference(e.effect, e.interval), p_value(e.p))
                 for e in (comparison.factorial.effects if comparison.factorial else ()))
    return Grid("Variants taken apart", ("factor", "outcome", "effect", "p"), (False, False, True, True), rows)


def strata_grid(comparison: Comparison) -> Grid:
    """The difference on each machine."""
    rows = tuple((s.machine, _outcome(s.outcome), _kernels(comparison, s.arms), _difference(s.effect, None), str(s.n))
                 for s in comparison.strata)
    return Grid("By machine", ("machine", "outcome", "kernels", "difference", "n"), (False, False, False, True, True), rows)
