# SPDX-License-Identifier: MIT
"""The plots of details: all fates, latency, and memory and pressure as really reached."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from drmsqueeze_results import drawing
from drmsqueeze_results.comparison_model import ArmLevel, Comparison, Level
from drmsqueeze_results.drawing import EDGE, FILLS, Plot, Pressure, Row
from drmsqueeze_results.model import Outcome
from drmsqueeze_results.tables import TITLES, rate_name
from drmsqueeze_results.verdicts import level_name

LATENCY = "Latency of the jobs that completed"
MIN_PSI_INTERVAL_S = 0.5
MOST_POINTS = 400  # in a line over time
Samples = Sequence[Mapping[str, float]]


def by_rate(levels: Sequence[Level]) -> dict[float | None, list[Level]]:
    """Levels of each demand rate, in the order in which they come."""
    groups: dict[float | None, list[Level]] = {}
    for level in levels:
        groups.setdefault(level.rate_hz, []).append(level)
    return groups


def heading(rate_hz: float | None) -> str:
    """What stands above the panels of a rate; empty where rates were not swept."""
    return "" if rate_hz is None else f"Demand rate {rate_name(rate_hz)}"


def kernels(comparison: Comparison) -> list[str]:
    """The arms as the user named them, in order."""
    return [arm.kernel for arm in comparison.arms.values()]


def _bar(axes: Any, y: float, height: float, arm: ArmLevel, gid: str) -> None:
    """One arm at one level as a bar of outcomes; the whisker is the interval of the completed share."""
    left = 0.0
    for outcome in TITLES:
        share = arm.outcomes[outcome.value].share or 0.0
        if share:
            colour, hatch = FILLS[outcome]
            axes.barh(y, 100 * share, height, 100 * left, color=colour, hatch=hatch, edgecolor=EDGE, linewidth=0.6,
                      gid=f"{gid}-{outcome.value}")
        left += share
    completed = arm.outcomes[Outcome.COMPLETED.value]
    if completed.interval and completed.interval[0] != completed.interval[1]:
        low, high = (100 * end for end in completed.interval)
        axes.hlines(y, low, high, color=EDGE, linewidth=1.4)
        axes.vlines([low, high], y - height / 4, y + height / 4, color=EDGE, linewidth=1.4)


def outcome_shares(comparison: Comparison, name: str) -> Plot:
    """Shares of all fates: a panel for each demand rate, in it the levels, and of each level the arms."""
    keys = list(comparison.arms)

    def paint(levels: Sequence[Level], axes: Any) -> None:
        ids = drawing.numbered()
        ticks: list[tuple[float, str]] = []
        for group, level in enumerate(levels):
            for number, key in enumerate(keys):
                y = group * (len(keys) + 0.7) + number
                mark = drawing.letter(number)
                ticks.append((y, f"{level_name(level.level)}   {mark}" if not number else mark))
                if level.arms[key].submitted:
                    _bar(axes, y, 0.86, level.arms[key], next(ids))
                else:
                    axes.text(1, y, "no data", ha="left", va="center")
        axes.set_yticks([y for y, _ in ticks], [text for _, text in ticks])
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.grid(False)
        axes.set_xlim(0, 100)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        axes.set_title("share of jobs, by memory left and kernel")

    seen = [o for o in TITLES if any(a.outcomes[o.value].count for v in comparison.levels for a in v.arms.values())]
    rows = tuple(
        Row(heading(rate), (drawing.panel(f"{name}-{number}", f"Shares of outcomes over memory left, by kernel{at_rate(rate)}",
                                          partial(paint, levels),
                                          (drawing.SIZE[0], 0.6 + 0.165 * len(levels) * (len(keys) + 0.7)), 0.72),))
        for number, (rate, levels) in enumerate(by_rate(comparison.levels).items()))
    if not seen:
        return Plot("What became of the jobs", "", missing="No run has submitted a job.")
    letters = ", ".join(f"{drawing.letter(number)} is {kernel}" for number, kernel in enumerate(kernels(comparison)))
    return Plot("What became of the jobs",
                f"All fates, over the memory that was left. Whiskers: interval of the completed share. {letters}.",
                drawing.outcome_key(name, seen), rows)


def at_rate(rate: float | None) -> str:
    """The rate as the end of a label."""
    return "" if rate is None else f", at {rate_name(rate)}"


def latencies(comparison: Comparison, name: str) -> Plot:
    """Median and 99th percentile of completed jobs over the assigned pressure; whiskers are the range of the runs."""
    keys = list(comparison.arms)
    scale = Pressure([level.level for level in comparison.levels])

    def paint(levels: Sequence[Level], quantile: str, axes: Any) -> None:
        ids = drawing.numbered()
        for number, key in enumerate(keys):
            shift = (number - (len(keys) - 1) / 2) * 0.018
            known = [(scale.at(level.level) + shift, spread.median / 1e6, spread.interval) for level in levels
                     for spread in (level.arms[key].latency_ns[quantile],) if spread.median is not None and spread.interval]
            for x, _, (low, high) in known:
                axes.vlines(x, low / 1e6, high / 1e6, color=drawing.line_of(number)["color"], linewidth=1)
            if known:
                axes.plot([x for x, *_ in known], [y for _, y, _ in known], **drawing.line_of(number), gid=next(ids))
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
        scale.dress(axes)
        axes.set_title({"p50": "median latency (ms)", "p99": "99th percentile (ms)"}[quantile])

    groups = by_rate([level for level in comparison.levels if any(arm.latency_ns["p50"].median is not None for arm in level.arms.values())])
    rows = tuple(
        Row(heading(rate), tuple(
            drawing.panel(f"{name}-{number}-{quantile}", f"Latency of completed jobs over memory left: {quantile}{at_rate(rate)}",
                          partial(paint, levels, quantile))
            for quantile in ("p50", "p99")))
        for number, (rate, levels) in enumerate(groups.items()))
    title = LATENCY
    if not rows:
        return Plot(title, "", missing="No job completed, so there is no latency to show.")
    return Plot(title, "Of survivors: a kernel that fails its slow jobs looks fast. Lines: median of the runs; whiskers: their range.",
                drawing.arm_key(name, kernels(comparison)), rows)


def _thin(samples: Samples, member: str) -> list[tuple[float, float]]:
    start = samples[0]["t_s"] if samples else 0.0
    points = [(s["t_s"] - start, s[member]) for s in samples if member in s]
    return points[::max(1, -(-len(points) // MOST_POINTS))]


def _memory(samples: Samples) -> list[tuple[float, float]]:
    return [(x, y / 1024) for x, y in _thin(samples, "mem_available_kib")]


def _pressure(samples: Samples) -> list[tuple[float, float]]:
    """Percent of time stalled over each interval between samples of at least half a second, at its end."""
    totals = _thin(samples, "psi_some_total_us")
    points: list[tuple[float, float]] = []
    last = totals[0] if totals else (0.0, 0.0)
    for x, total in totals:
        if x - last[0] >= MIN_PSI_INTERVAL_S:
            points.append((x, (total - last[1]) / 1e4 / (x - last[0])))
            last = (x, total)
    return points


def over_time(runs: Sequence[tuple[str, Samples]], name: str, caption: str) -> Plot:
    """Memory and PSI as really reached, one line for each run; `runs` are pairs of a kernel and its samples."""
    names = list(dict.fromkeys(kernel for kernel, _ in runs))

    def paint(curve: Any, title: str, axes: Any) -> None:
        ids = drawing.numbered()
        for kernel, samples in runs:
            points = curve(samples)
            if points:
                style = drawing.line_of(names.index(kernel))
                axes.plot([x for x, _ in points], [y for _, y in points], color=style["color"], linestyle=style["linestyle"], linewidth=1.3,
                          marker=style["marker"] if len(points) == 1 else None, gid=next(ids))
        axes.set_ylim(bottom=0)
        axes.set_title(title)
        axes.set_xlabel("seconds of guest time since the first sample")

    curves = [(curve, title) for curve, title in ((_memory, "available memory (MiB)"), (_pressure, "time stalled (PSI some, %)"))
              if any(curve(samples) for _, samples in runs)]
    title = "Memory and pressure over time"
    if not curves:
        return Plot(title, "", missing="No run has samples of memory and pressure.")
    return Plot(title, caption, drawing.arm_key(name, names), (Row("", tuple(
        drawing.panel(f"{name}-{number}", f"Over time: {text}", partial(paint, curve, text))
        for number, (curve, text) in enumerate(curves))),))
