# SPDX-License-Identifier: MIT
"""Plots as SVG text to be put into a page: legible in light and dark, in print, and without colours.

Lines and words take the page's own colour; outcomes are told apart by hatching and arms by marker and dash as well as
by colours after the set of Okabe and Ito.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import matplotlib.patches
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from drmsqueeze_results.comparison_model import ArmLevel, Comparison
from drmsqueeze_results.model import Outcome
from drmsqueeze_results.tables import TITLES
from drmsqueeze_results.verdicts import level_name

INK = "#010203"  # stands for the page's own colour until the SVG is written
EDGE = "#111111"  # on the fills of outcomes, which are light on either page
MIN_PSI_INTERVAL_S = 0.5
MOST_POINTS = 400  # in a line over time

FILLS = {
    Outcome.COMPLETED: ("#56B4E9", ""), Outcome.FAILED: ("#E69F00", "///"), Outcome.TIMED_OUT: ("#F0E442", "..."),
    Outcome.STALLED: ("#CC79A7", "xxx"), Outcome.HUNG: ("#D55E00", "\\\\\\"), Outcome.LOST: ("#999999", "---"),
    Outcome.CORRUPTED: ("#0072B2", "+++"),
}
LINES = (("#2389CC", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-."), ("#CC79A7", "D", ":"))
STYLE = {
    "svg.fonttype": "none", "font.size": 9, "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False, "grid.color": INK,
    "grid.alpha": 0.15, "hatch.color": EDGE, "hatch.linewidth": 0.6, "legend.frameon": False, "axes.axisbelow": True,
}
Samples = Sequence[Mapping[str, float]]


def _to_svg(figure: Figure, name: str, label: str) -> str:
    """The figure as an <svg> element with no reference outside itself; its ids begin with `name`."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", transparent=True, bbox_inches="tight",
                   metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = out.getvalue().decode()
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(url\(|href=")#', rf"\g<1>#{name}-", svg)
    svg = svg.replace(INK, "currentColor")
    return re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>',
                  rf'<svg class="plot" role="img" aria-label="{label}" viewBox="\1" version="1.1" '
                  'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">', svg, count=1)


def _draw(name: str, label: str, size: tuple[float, float], paint: Callable[[Figure], None]) -> str:
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=size)
        paint(figure)
        return _to_svg(figure, name, label)


def _bar(axes: Any, x: float, width: float, arm: ArmLevel) -> None:
    """One arm at one level as a stack of outcomes; the whisker is the interval of the completed share."""
    bottom = 0.0
    for outcome in TITLES:
        share = arm.outcomes[outcome.value].share or 0.0
        if share:
            colour, hatch = FILLS[outcome]
            axes.bar(x, 100 * share, width, 100 * bottom, color=colour, hatch=hatch, edgecolor=EDGE, linewidth=0.6)
        bottom += share
    completed = arm.outcomes[Outcome.COMPLETED.value]
    if completed.interval and completed.interval[0] != completed.interval[1]:
        low, high = (100 * end for end in completed.interval)
        axes.vlines(x, low, high, color=EDGE, linewidth=1.4)
        axes.hlines([low, high], x - width / 8, x + width / 8, color=EDGE, linewidth=1.4)


def outcome_shares(comparison: Comparison, name: str) -> str:
    """Shares of all outcomes over the assigned pressure, arms side by side."""
    keys = list(comparison.arms)
    width = 0.8 / len(keys)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        ticks: list[tuple[float, str]] = []
        for group, level in enumerate(comparison.levels):
            for number, key in enumerate(keys):
                x = group + (number - (len(keys) - 1) / 2) * width
                ticks.append((x, key.upper()))
                if level.arms[key].submitted:
                    _bar(axes, x, width * 0.9, level.arms[key])
                else:
                    axes.text(x, 3, "no data", rotation=90, ha="center", va="bottom")
            axes.text(group, -0.13, level_name(level.level), ha="center", va="top",
                      transform=axes.get_xaxis_transform())
        axes.set_xticks([x for x, _ in ticks], [text for _, text in ticks])
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.6, len(comparison.levels) - 0.4)
        axes.set_ylim(0, 100)
        axes.set_ylabel("share of jobs (%)")
        axes.set_xlabel("memory left: share of what is available when idle", labelpad=32)
        axes.grid(axis="y")
        seen = [o for o in TITLES if any(a.outcomes[o.value].count for v in comparison.levels for a in v.arms.values())]
        handles = [matplotlib.patches.Patch(facecolor=FILLS[o][0], hatch=FILLS[o][1], edgecolor=EDGE, label=TITLES[o])
                   for o in seen]
        axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(handles) or 1,
                    borderaxespad=0.2)

    return _draw(name, "Shares of outcomes over memory left, by kernel", (10, 3.8), paint)


def latencies(comparison: Comparison, name: str) -> str:
    """Median and 99th percentile of completed jobs over the assigned pressure; whiskers are the range of the runs."""
    keys = list(comparison.arms)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for number, key in enumerate(keys):
            colour, marker, dash = LINES[number % len(LINES)]
            shift = (number - (len(keys) - 1) / 2) * 0.16
            for quantile, fill in (("p50", colour), ("p99", "none")):
                points = [(group + shift, level.arms[key].latency_ns[quantile])
                          for group, level in enumerate(comparison.levels)]
                known = [(x, s.median / 1e6, s.interval) for x, s in points if s.median is not None and s.interval]
                for x, _, (low, high) in known:
                    axes.vlines(x, low / 1e6, high / 1e6, color=colour, linewidth=1)
                axes.plot([x for x, *_ in known], [y for _, y, _ in known], color=colour, marker=marker,
                          linestyle=dash if quantile == "p50" else "none", markerfacecolor=fill, linewidth=1.2,
                          label=f"{comparison.arms[key].kernel}, {quantile}")
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks(range(len(comparison.levels)), [level_name(v.level) for v in comparison.levels])
        axes.set_xlim(-0.6, len(comparison.levels) - 0.4)
        axes.set_ylabel("latency of completed jobs (ms)")
        axes.set_xlabel("memory left: share of what is available when idle")
        axes.grid(axis="y")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)

    return _draw(name, "Latency of completed jobs over memory left, by kernel", (10, 3.4), paint)


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


def over_time(runs: Sequence[tuple[str, Samples]], name: str) -> str:
    """Memory and PSI as really reached, one line for each run; `runs` are pairs of a kernel and its samples."""
    kernels = list(dict.fromkeys(kernel for kernel, _ in runs))

    def paint(figure: Figure) -> None:
        memory, psi = figure.subplots(2, 1, sharex=True)
        for axes, curve, text in ((memory, _memory, "MemAvailable (MiB)"), (psi, _pressure, "time stalled (PSI some, %)")):
            labelled: set[str] = set()
            for kernel, samples in runs:
                colour, _, dash = LINES[kernels.index(kernel) % len(LINES)]
                points = curve(samples)
                axes.plot([x for x, _ in points], [y for _, y in points], color=colour, linestyle=dash,
                          linewidth=1.4, label=None if kernel in labelled else kernel)
                labelled.add(kernel)
            axes.set_ylabel(text)
            axes.set_ylim(bottom=0)
            axes.grid(axis="y")
        memory.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
        psi.set_xlabel("seconds of guest time since the first sample")
        figure.align_ylabels()

    return _draw(name, "Available memory and memory pressure over time", (10, 4.2), paint)
