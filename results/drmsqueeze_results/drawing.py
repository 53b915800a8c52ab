# SPDX-License-Identifier: MIT
"""How plots are drawn: small panels as SVG text to be put into a page, legible in light and dark, in print, and without colours.

A plot is small panels with one key, laid out by the page: side by side in a wide window, one under the other in a
narrow one, where words in one large drawing would shrink until nobody could read them. Lines and words take the page's own colour;
outcomes are told apart by hatching and kernels by marker and dash as well as by colours after the set of Okabe and Ito.
"""

import html
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import matplotlib
import matplotlib.patches
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from drmsqueeze_results.model import Outcome
from drmsqueeze_results.tables import TITLES
from drmsqueeze_results.verdicts import level_name

INK = "#010203"  # stands for the page's own colour until the SVG is written
EDGE = "#111111"  # on the fills of outcomes, which are light on either page
SIZE = (4.4, 2.7)  # inches; a page shows it 350 to 530 pixels wide, which makes the words 9 to 14 pixels high
LEFT, RIGHT, TOP, BOTTOM = 0.5, 0.22, 0.28, 0.44  # inches around the axes
SMALL = (3.1, 2.2)  # of panels of which three stand side by side
DATA = "data"  # begins the id of what shows data: a test looks whether a plot has any
FILLS = {
    Outcome.COMPLETED: ("#56B4E9", ""), Outcome.FAILED: ("#E69F00", "///"), Outcome.TIMED_OUT: ("#F0E442", "..."),
    Outcome.STALLED: ("#CC79A7", "xxx"), Outcome.HUNG: ("#D55E00", "\\\\\\"), Outcome.LOST: ("#999999", "---"),
    Outcome.CORRUPTED: ("#0072B2", "+++"),
}
# Of arms. Okabe and Ito's blue, vermilion, green, purple and orange, their blue and orange toned so that each stands
# out from a white page and from a dark one (3:1); then grey, violet and brown, which only their markers and dashes tell from others.
LINES = (("#2389CC", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-."), ("#CC79A7", "D", ":"),
         ("#B57F00", "v", (0, (6, 2, 1, 2, 1, 2))), ("#7F7F7F", "P", (0, (1, 1))), ("#8C6BB1", "X", (0, (8, 3))),
         ("#A65628", "*", (0, (3, 1, 1, 1))))
STYLE = {
    "svg.fonttype": "none", "font.size": 8.5, "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False, "grid.color": INK,
    "grid.alpha": 0.15, "hatch.color": EDGE, "hatch.linewidth": 0.6, "axes.axisbelow": True,
    "axes.titlesize": 9, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.grid": True, "axes.grid.axis": "y",
}
PRESSURE = "memory left: share of what is available when idle"


@dataclass(frozen=True)
class Row:
    """Panels that belong together, as SVG text, under one heading (empty: none), `columns` of them side by side where there is room."""

    heading: str
    panels: tuple[str, ...]
    columns: int = 2


@dataclass(frozen=True)
class Plot:
    """What a page shows as one plot; `missing` is the sentence that stands there where there is nothing to draw."""

    title: str
    caption: str
    key: tuple[tuple[str, str], ...] = ()  # SVG, words
    rows: tuple[Row, ...] = ()
    missing: str = ""

    @property
    def shape(self) -> str:
        """How a page lays it out: "alone" is one panel, with room for words beside it; "singles" are rows of one."""
        if any(len(row.panels) != 1 for row in self.rows):
            return ""
        return "alone" if len(self.rows) == 1 else "singles"


class Pressure:
    """Where levels lie on an axis from 0 (least pressure) to 1: their logarithms, for they go down by factors.

    A level of zero lies as far below the least positive one as half of that would.
    """

    def __init__(self, levels: Sequence[float]) -> None:
        self.levels = sorted(set(levels), reverse=True)
        positive = [level for level in self.levels if level > 0]
        self._floor = min(positive, default=1.0) / (2 if min(self.levels) <= 0 else 1)
        self._top = math.log(max(positive, default=1.0))
        self._span = self._top - math.log(self._floor)

    def at(self, level: float) -> float:
        """The place of a level; outside 0..1 where it is outside what was assigned."""
        return (self._top - math.log(max(level, self._floor))) / self._span if self._span else 0.5

    def dress(self, axes: Any) -> None:
        """Ticks at the assigned levels, as many as have room for their names."""
        shown: list[float] = []
        for level in (*self.levels[:1], *reversed(self.levels[1:])):  # both ends first
            longest = max(len(level_name(one)) for one in (level, *shown))
            if all(abs(self.at(level) - self.at(other)) > 0.024 * longest for other in shown):
                shown.append(level)
        axes.set_xticks([self.at(level) for level in shown], [level_name(level) for level in shown])
        axes.set_xticks([self.at(level) for level in self.levels], minor=True)
        axes.set_xlim(-0.06, 1.06)
        axes.set_xlabel(PRESSURE)


def numbered() -> Iterator[str]:
    """Ids of artists that show data."""
    return (f"{DATA}-{number}" for number in range(10**6))


def _to_svg(figure: Figure, name: str, label: str, kind: str) -> str:
    """The figure as an <svg> element with no reference outside itself; its ids begin with `name`."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = out.getvalue().decode()
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(url\(|href=")#', rf"\g<1>#{name}-", svg)
    svg = svg.replace(INK, "currentColor")
    role = f'role="img" aria-label="{html.escape(label)}"' if label else 'aria-hidden="true"'
    return re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>',
                  lambda found: f'<svg class="{kind}" {role} viewBox="{found[1]}" version="1.1" '
                  'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">', svg, count=1)


def panel(name: str, label: str, paint: Callable[[Any], None], size: tuple[float, float] = SIZE, left: float = LEFT) -> str:
    """One pair of axes, painted by `paint`, whose names of ticks have `left` inches; `label` is for those who do not see it."""
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=size)
        width, height = size
        # Fixed margins: axes of panels side by side stand in line. (To work out margins takes matplotlib as long as to draw.)
        paint(figure.add_axes((left / width, BOTTOM / height, 1 - (left + RIGHT) / width, 1 - (BOTTOM + TOP) / height)))
        return _to_svg(figure, name, label, "plot")


def _swatch(name: str, paint: Callable[[Any], None]) -> str:
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(0.5, 0.17))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        paint(axes)
        return _to_svg(figure, name, "", "swatch")


def line_of(number: int) -> dict[str, Any]:
    """How the arm with this number is drawn as a line with markers."""
    colour, marker, dash = LINES[number % len(LINES)]
    return {"color": colour, "marker": marker, "linestyle": dash, "linewidth": 1.4, "markersize": 5}


def letter(number: int) -> str:
    """The letter of the arm with this number, as plots name it."""
    return chr(ord("A") + number)


def arm_key(name: str, kernels: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The key of arms, each with its letter."""
    def paint(number: int, axes: Any) -> None:
        axes.plot([0.04, 0.5, 0.96], [0.5] * 3, **line_of(number), markevery=[1])

    return tuple((_swatch(f"{name}-arm{number}", partial(paint, number)), f"{letter(number)}: {kernel}")
                 for number, kernel in enumerate(kernels))


def outcome_key(name: str, outcomes: Sequence[Outcome]) -> tuple[tuple[str, str], ...]:
    """The key of fates."""
    def paint(outcome: Outcome, axes: Any) -> None:
        colour, hatch = FILLS[outcome]
        axes.add_patch(matplotlib.patches.Rectangle((0.05, 0.05), 0.9, 0.9, facecolor=colour, hatch=hatch, edgecolor=EDGE, linewidth=0.6))

    return tuple((_swatch(f"{name}-{outcome.value}", partial(paint, outcome)), TITLES[outcome]) for outcome in outcomes)


def whisker(axes: Any, x: float, low: float, high: float, colour: str) -> None:
    """A vertical interval with caps."""
    axes.errorbar([x], [(low + high) / 2], yerr=[[(high - low) / 2]] * 2, fmt="none", ecolor=colour, elinewidth=1.1, capsize=2.5)


def percent_axis(axes: Any, most: float | None = None) -> None:
    """Shares in percent from 0 to 100, or up to what is needed for `most`."""
    top = 100 if most is None else min(100, max(5, 1.15 * most))
    axes.set_ylim(-0.03 * top, 1.03 * top)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
