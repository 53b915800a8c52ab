# SPDX-License-Identifier: MIT
"""The three plots that answer: dose and response, the trade, and what had happened by when."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from matplotlib.ticker import MaxNLocator, NullFormatter

from drmsqueeze_results import drawing, labels
from drmsqueeze_results.analysis_model import Incidence, Interval, Trade
from drmsqueeze_results.comparison_model import Comparison, Level
from drmsqueeze_results.drawing import Plot, Pressure, Row
from drmsqueeze_results.plots import at_rate, by_rate, heading, kernels, latencies
from drmsqueeze_results.verdicts import level_name

RESPONSES = {"bad": "jobs that did not complete", "failed": "jobs that failed", "stuck": "jobs that stalled or hung"}
ENDS = {"completed": "completed", "failed": "failed", "stuck": "stalled or hung", "oom": "client killed (OOM)"}
MOST_WORDS = 12  # points in the plot of the trade that all have their words
FAR_APART = 20  # times of jobs that differ by such a factor are shown on a logarithmic axis
SAME = 0.02  # of an axis: points nearer to each other than this share their words
Point = tuple[float, float, Interval | None]  # level, share, interval; 0..1


def _points(comparison: Comparison, levels: Sequence[Level], rate: float | None, arm: str, of: str) -> Iterator[Point]:
    """The shares that were seen, with their intervals."""
    if of == "bad":
        for level in levels:
            completed = level.arms[arm].outcomes["completed"]
            if completed.share is not None:
                yield level.level, 1 - completed.share, completed.interval and tuple(1 - end for end in reversed(completed.interval))
        return
    for trade in comparison.trade:
        seen = trade.failed if of == "failed" else trade.stuck
        if (trade.arm, trade.rate_hz) == (arm, rate) and seen.share is not None:
            yield trade.level, seen.share, seen.interval


def _shift(number: int, arms: int) -> float:
    """How far the markers of an arm stand beside the place of their level, so that whiskers do not hide each other."""
    return (number - (arms - 1) / 2) * 0.014


def _half(axes: Any, scale: Pressure, level: float, interval: Interval | None, colour: str) -> None:
    """A tick where the curve crosses a half, with its interval as a bar as far as the axes go."""
    x = scale.at(level)
    axes.plot([x, x], [0, 50], color=colour, linewidth=0.9, linestyle=(0, (1, 2)))
    axes.plot([x], [50], marker="|", markersize=11, markeredgewidth=2, color=colour)
    if interval:
        axes.plot([scale.at(end) for end in interval], [50, 50], color=colour, linewidth=2.4, alpha=0.7, solid_capstyle="butt")


def _response(comparison: Comparison, levels: Sequence[Level], rate: float | None, of: str, axes: Any) -> None:
    """Points with intervals, the fitted curve with its band, and where the curve crosses a half."""
    scale, ids = Pressure([level.level for level in comparison.levels]), drawing.numbered()
    for number, arm in enumerate(comparison.arms):
        style, shift = drawing.line_of(number), _shift(number, len(comparison.arms))
        colour = style["color"]
        fits = [fit for fit in comparison.dose_response if (fit.arm, fit.rate_hz, fit.of) == (arm, rate, of) and fit.curve]
        for fit in fits:
            at = [scale.at(point.level) for point in fit.curve]
            axes.fill_between(at, [100 * p.low for p in fit.curve], [100 * p.high for p in fit.curve], color=colour,
                              alpha=0.16, linewidth=0)
            axes.plot(at, [100 * p.share for p in fit.curve], **style | {"marker": ""}, gid=next(ids))
            if fit.half_level is not None:
                _half(axes, scale, fit.half_level, fit.half_interval, colour)
        points = list(_points(comparison, levels, rate, arm, of))
        for level, share, interval in points:
            if interval and interval[0] != interval[1]:
                drawing.whisker(axes, scale.at(level) + shift, 100 * interval[0], 100 * interval[1], colour)
        joined = {"linestyle": "none"} if fits else {}
        axes.plot([scale.at(level) + shift for level, *_ in points], [100 * share for _, share, _ in points],
                  **style | joined, clip_on=False, gid=next(ids))
    drawing.percent_axis(axes)
    scale.dress(axes)
    axes.set_title(RESPONSES[of])


def _reached(comparison: Comparison, levels: Sequence[Level], axes: Any) -> None:
    """The pressure that was really reached, over what was assigned."""
    scale, ids = Pressure([level.level for level in comparison.levels]), drawing.numbered()
    most = 0.0
    for number, arm in enumerate(comparison.arms):
        style, shift = drawing.line_of(number), _shift(number, len(comparison.arms))
        known = [(scale.at(level.level) + shift, spread.median, spread.interval) for level in levels
                 for spread in (level.arms[arm].reached["psi_some_percent"],) if spread.median is not None]
        for x, _, interval in known:
            most = max(most, *(interval or (0.0,)))
            if interval and interval[0] != interval[1]:
                drawing.whisker(axes, x, interval[0], interval[1], style["color"])
        axes.plot([x for x, *_ in known], [y for _, y, _ in known], **style, clip_on=False, gid=next(ids))
    drawing.percent_axis(axes, most)
    scale.dress(axes)
    axes.set_title("pressure as reached: time stalled (PSI some)")


def dose_and_response(comparison: Comparison, name: str) -> Plot:
    """The headline plot: what became of the jobs over the pressure that was assigned, and beside it the pressure that was reached."""
    rows = []
    for number, (rate, levels) in enumerate(by_rate(comparison.levels).items()):
        if not any(arm.submitted for level in levels for arm in level.arms.values()):
            continue
        bad, *others = (
            drawing.panel(f"{name}-{number}-{of}", f"Share of {title} over memory left, by kernel{at_rate(rate)}",
                          partial(_response, comparison, levels, rate, of))
            for of, title in RESPONSES.items() if any(any(_points(comparison, levels, rate, arm, of)) for arm in comparison.arms))
        if any(arm.reached["psi_some_percent"].median is not None for level in levels for arm in level.arms.values()):
            others.insert(0, drawing.panel(f"{name}-{number}-reached", f"Time stalled over memory left, by kernel{at_rate(rate)}",
                                           partial(_reached, comparison, levels)))
        rows.append(Row(heading(rate), (bad, *others)))
    title = "Dose and response"
    if not rows:
        return Plot(title, "", missing="No run has submitted a job, so there is no response to show.")
    caption = ("Shares of the jobs submitted over the pressure that was assigned: to the right less memory is left. "
               "Markers with whiskers: what was seen, with its interval. ")
    if any(fit.curve for fit in comparison.dose_response):
        caption += ("Curves: the fit, with the band of its interval. Where a curve crosses a half, a tick stands, with its interval "
                    "as a bar. Below, under details, are the numbers, and why a kernel has no curve.")
    else:
        caption += "There is no fitted curve: the numbers under details say why."
    return Plot(title, caption, drawing.arm_key(name, kernels(comparison)), tuple(rows))


def _xy(trade: Trade) -> tuple[float, float]:
    return 100 * (trade.failed.share or 0), 100 * (trade.stuck.share or 0)


def _words(comparison: Comparison, trades: Sequence[Trade], spans: tuple[float, float]) -> list[tuple[float, float, str]]:
    """Words for points; those that lie on each other share theirs, which name each kernel's levels."""
    groups: list[list[Trade]] = []
    for trade in trades:
        near = next((group for group in groups
                     if all(abs(a - b) <= SAME * span for a, b, span in zip(_xy(group[0]), _xy(trade), spans))), None)
        if near is None:
            groups.append([trade])
        else:
            near.append(trade)
    words = []
    for group in groups:
        letters: dict[str, list[str]] = {}  # kernels with the same levels in one line
        for number, arm in enumerate(comparison.arms):
            names = [level_name(t.level) for t in sorted(group, key=lambda t: -t.level) if t.arm == arm]
            if names:
                levels = f"{names[0]} to {names[-1]}" if len(names) > 2 else " and ".join(names)
                letters.setdefault(levels, []).append(drawing.letter(number))
        words.append((*_xy(group[0]), "\n".join(f"{', '.join(mine)}: {levels}" for levels, mine in letters.items())))
    return words


def _most(intervals: Sequence[Interval | None]) -> float:
    return max(5.0, min(100.0, 112 * max((max(interval) for interval in intervals if interval), default=0.0)))


def _trade(comparison: Comparison, trades: Sequence[Trade], axes: Any) -> None:
    ids = drawing.numbered()
    whiskers: list[tuple[float, float, float, float]] = []
    spans = _most([t.failed.interval for t in trades]), _most([t.stuck.interval for t in trades])
    for number, arm in enumerate(comparison.arms):
        style = drawing.line_of(number)
        mine = sorted((t for t in trades if t.arm == arm), key=lambda t: -t.level)
        for trade in mine:
            x, y = _xy(trade)
            if trade.failed.interval:
                whiskers.append((100 * trade.failed.interval[0], y, 100 * trade.failed.interval[1], y))
                axes.plot(whiskers[-1][::2], whiskers[-1][1::2], color=style["color"], linewidth=1.1, solid_capstyle="butt")
            if trade.stuck.interval:
                whiskers.append((x, 100 * trade.stuck.interval[0], x, 100 * trade.stuck.interval[1]))
                axes.plot(whiskers[-1][::2], whiskers[-1][1::2], color=style["color"], linewidth=1.1, solid_capstyle="butt")
        axes.plot([_xy(t)[0] for t in mine], [_xy(t)[1] for t in mine], **style | {"linewidth": 0.8}, clip_on=False, gid=next(ids))
    axes.set_xlim(-0.04 * spans[0], 1.03 * spans[0])
    axes.set_ylim(-0.04 * spans[1], 1.03 * spans[1])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.grid(True, axis="both")
    axes.set_title("share of jobs that stalled or hung")
    axes.set_xlabel("share of jobs that failed")
    least = {arm: min((t.level for t in trades if t.arm == arm), default=None) for arm in comparison.arms}
    crowded = len(trades) > MOST_WORDS  # then only the ends of the lines have words
    labels.place(axes, _words(comparison, [t for t in trades if not crowded or t.level == least[t.arm]], spans), whiskers)


def trade(comparison: Comparison, name: str) -> Plot:
    """Failed share against hung-or-stalled share: what a kernel buys with what."""
    known = [t for t in comparison.trade if t.failed.share is not None and t.stuck.share is not None]
    rows = [Row(heading(rate), (drawing.panel(
        f"{name}-{number}", f"Failed share against stalled or hung share, by kernel and memory left{at_rate(rate)}",
        partial(_trade, comparison, [t for t in known if t.rate_hz == rate]), (4.4, 3.4)),))
        for number, rate in enumerate(dict.fromkeys(t.rate_hz for t in known))]
    title = "The trade: failures against stalls and hangs"
    if not rows:
        if any(arm.submitted for level in comparison.levels for arm in level.arms.values()):
            return Plot(title, "", missing="This was judged before there was such a plot: `drmsqueeze report DIR` judges it again.")
        return Plot(title, "", missing="No run has submitted a job, so there is no trade to show.")
    caption = ("Each marker is a kernel at one level of memory left, with the intervals of both shares; lines lead from the most memory "
               "to the least, which is named. Down is better, left is better: a kernel that lies lower but further to the right buys "
               "fewer stalls and hangs with more failed jobs. Each axis has its own scale.")
    return Plot(title, caption, drawing.arm_key(name, kernels(comparison)), tuple(rows))


def _steps(curve: Incidence, begin: float) -> tuple[list[float], ...]:
    """Seconds, share, low and high of a curve, from where nothing has happened yet."""
    return [begin, *(t / 1000 for t in curve.t_ms)], *([0.0, *(100 * v for v in values)] for values in (curve.share, curve.low, curve.high))


def _curves(comparison: Comparison, curves: Sequence[Incidence], end: str, axes: Any) -> None:
    """One end: a step curve for each kernel; one where no job came to it stays at zero."""
    ids = drawing.numbered()
    first, last = min(c.t_ms[0] for c in curves) / 1000, max(c.t_ms[-1] for c in curves) / 1000
    wide = last > FAR_APART * first
    begin = first / 2 if wide else 0.0
    most = 0.0
    for number, arm in enumerate(comparison.arms):
        style = drawing.line_of(number)
        mine = [c for c in curves if c.arm == arm]
        seconds, share, low, high = [begin, last], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
        for curve in (c for c in mine if c.end == end):
            seconds, share, low, high = _steps(curve, begin)
        most = max(most, *share)
        if any(value > 0 for value in low) or any(value < 100 for value in high[1:]):
            most = max(most, *high)
            axes.fill_between(seconds, low, high, step="post", color=style["color"], alpha=0.16, linewidth=0)
        if mine:
            axes.step(seconds, share, where="post", **style | {"marker": ""})
            axes.plot(seconds[-1:], share[-1:], **style, clip_on=False, gid=next(ids))
    if wide:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlim(begin, last * 1.02)
    drawing.percent_axis(axes, most)
    axes.set_title(ENDS[end])
    axes.set_xlabel("seconds of guest time after the submit")


def incidence(comparison: Comparison, level: float, name: str) -> Plot:
    """By when how many had come to which end, with the ends competing, at the level of the verdict; without that: latency."""
    curves = [c for c in comparison.incidence if c.level == level and c.t_ms]
    if not curves:
        return latencies(comparison, name)
    rows = []
    for number, rate in enumerate(dict.fromkeys(c.rate_hz for c in curves)):
        mine = [c for c in curves if c.rate_hz == rate]
        ends = [end for end in ENDS if any(max(c.share) for c in mine if c.end == end)]
        columns = 3 if len(ends) == 3 else 2
        rows.append(Row(heading(rate), tuple(
            drawing.panel(f"{name}-{number}-{end}", f"Cumulative incidence: {ENDS[end]}{at_rate(rate)}",
                          partial(_curves, comparison, mine, end), drawing.SMALL if columns == 3 else drawing.SIZE)
            for end in ends), columns))
    return Plot(f"By when what had happened, at {level_name(level)} of memory left",
                "Cumulative incidence with competing ends (Aalen and Johansen): by that time this share of the jobs had "
                "come to this end. Bands: intervals; where there is none, the runs are too few for one.",
                drawing.arm_key(name, kernels(comparison)), tuple(row for row in rows if row.panels))
