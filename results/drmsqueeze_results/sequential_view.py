# SPDX-License-Identifier: MIT
"""A sequential comparison for people: when it stopped and why, and how the evidence grew."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from matplotlib.ticker import MaxNLocator, NullFormatter

from drmsqueeze_results import drawing
from drmsqueeze_results.anytime import Path, SequentialOutcome
from drmsqueeze_results.comparison_model import Comparison
from drmsqueeze_results.drawing import Plot, Row
from drmsqueeze_results.tables import Grid
from drmsqueeze_results.verdicts import ADJECTIVES, p_value

STOPPED = {"answered": "the question was answered", "most-runs": "all runs that were allowed had been made",
           "not-finished": "the comparison was ended"}
LEAST, MOST = 1e-3, 1e9  # capitals beyond these are drawn at the edge: more says nothing more


@dataclass(frozen=True)
class SequentialView:
    """Why it stopped in a sentence, by which method, the numbers of each outcome, and how they came about."""

    sentence: str
    method: str
    grid: Grid
    plot: Plot


def _rounds(axes: Any, most: int) -> None:
    axes.set_xlim(0.5, max(2, most) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set_xlabel("rounds")


def _evidence(paths: Sequence[tuple[int, Path]], alpha: float, axes: Any) -> None:
    ids = drawing.numbered()
    for number, path in paths:
        capital = [min(MOST, max(LEAST, value)) for value in path.e_values]
        axes.plot(range(1, len(capital) + 1), capital, **drawing.line_of(number) | {"markersize": 3}, gid=next(ids))
    axes.axhline(1 / alpha, color=drawing.INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.5), max(high, 2 / alpha))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _rounds(axes, max(len(path.e_values) for _, path in paths))
    axes.set_title("evidence that they differ (e-value)")


def _interval(paths: Sequence[tuple[int, Path]], margin: float, axes: Any) -> None:
    ids = drawing.numbered()
    for number, path in paths:
        ends = enumerate(zip(path.low, path.high), 1)
        known = [(at, 100 * low, 100 * high) for at, (low, high) in ends if low is not None and high is not None]
        style = drawing.line_of(number)
        axes.fill_between([at for at, *_ in known], [low for _, low, _ in known], [high for *_, high in known], color=style["color"],
                          alpha=0.16, linewidth=0)
        for side in (1, 2):
            axes.plot([one[0] for one in known], [one[side] for one in known], **style | {"marker": ""}, gid=next(ids))
    for edge in {-100 * margin, 100 * margin}:
        axes.axhline(edge, color=drawing.INK, linewidth=0.8, linestyle=(0, (4, 3)))
    _rounds(axes, max(len(path.low) for _, path in paths))
    axes.set_title("difference, percentage points: its interval")


def sequential_view(comparison: Comparison, name: str) -> SequentialView | None:
    """Null where the comparison had a fixed number of runs."""
    told = comparison.sequential
    if told is None:
        return None
    keys, alpha, margin = list(comparison.arms), told.alpha, told.margin

    def pairing(arms: Sequence[str]) -> str:
        return " / ".join(comparison.arms[arm].kernel for arm in arms)

    def between(one: SequentialOutcome) -> str:
        return f"{100 * one.interval[0]:+.1f} to {100 * one.interval[1]:+.1f}" if one.interval else "-"

    rows = tuple((ADJECTIVES.get(one.outcome, one.outcome), pairing(one.arms), f"{100 * one.difference:+.1f} points",
                  between(one), f"{one.e_value:.3g}", p_value(one.p_anytime), p_value(one.p_adjusted))
                 for one in told.outcomes)
    grid = Grid("When it stopped", ("outcome", "kernels", "difference", "interval", "e-value", "anytime-valid p", "adjusted"),
                (False, False) + (True,) * 5, rows)
    by_outcome: dict[str, list[tuple[int, Path]]] = {}
    for path in told.trajectory:
        if path.e_values:
            by_outcome.setdefault(path.outcome, []).append((keys.index(path.arms[1]), path))
    panels = tuple(Row(ADJECTIVES.get(outcome, outcome).capitalize(), (
        drawing.panel(f"{name}-{outcome}-evidence", f"Evidence over rounds: {outcome}", partial(_evidence, paths, alpha)),
        drawing.panel(f"{name}-{outcome}-interval", f"Interval of the difference over rounds: {outcome}",
                      partial(_interval, paths, margin)))) for outcome, paths in by_outcome.items())
    shown = sorted({number for paths in by_outcome.values() for number, _ in paths})
    key = drawing.arm_key(name, [arm.kernel for arm in comparison.arms.values()])
    caption = (f"Left: the capital of bets against “no difference”; above the dashed line, 1/alpha = {1 / alpha:g}, it is beyond chance at "
               "whatever time one looks. Right: the interval of the mean difference from the baseline, which holds at all times at once. It assumes "
               "less than the bets do, only that rounds have one mean, and so is wide: it may hold 0 where they say that the kernels differ; "
               "the dashed lines are the difference that was said not to matter.")
    plot = Plot("How the evidence grew", caption, tuple(key[number] for number in shown), panels,
                "" if panels else "No round has data of all kernels.")
    sentence = f"After {told.units} round{'s' * (told.units != 1)}: {STOPPED.get(told.stopped, told.stopped)}."
    return SequentialView(sentence, f"Method: {told.method} ({told.reference}).",
                          grid if len(keys) > 2 else grid.without("kernels"), plot)
