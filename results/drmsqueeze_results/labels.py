# SPDX-License-Identifier: MIT
"""Words beside the points of a plot, where no two of them cover each other (matplotlib has no such thing)."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

DISTANCES = (6.0, 13.0, 22.0, 34.0, 48.0, 64.0)  # points from a marker to its words
ANGLES = (45, 315, 135, 225, 0, 180, 90, 270, 20, 70, 110, 160, 200, 250, 290, 340)
LEADER = 13.0  # from this distance on a thin line leads to the words
MARKER = 4.0  # half the width of a marker, points
WORDS = 8.5  # font size
GAP = 1.5  # points between words and whatever is beside them


def _box(centre: Sequence[float], width: float, height: float) -> Bbox:
    return Bbox.from_bounds(centre[0] - width / 2, centre[1] - height / 2, width, height)


def _candidates(x: float, y: float, width: float, height: float, unit: float) -> Any:
    for distance in DISTANCES:
        for angle in ANGLES:
            dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            centre = (x + unit * distance * dx + (width / 2 if dx > 0.2 else -width / 2 if dx < -0.2 else 0),
                      y + unit * distance * dy + (height / 2 if dy > 0.2 else -height / 2 if dy < -0.2 else 0))
            yield distance, centre, _box(centre, width + unit * GAP, height + unit * GAP)


def place(axes: Any, labels: Sequence[tuple[float, float, str]], avoid: Sequence[tuple[float, float, float, float]] = ()) -> None:
    """Write each (x, y, words) beside its point, inside the axes; lines `avoid` (x0, y0, x1, y1) are kept clear where possible.

    Call it last: it takes the limits of the axes as they are. Words for which there is no room at all are left out, and their point
    stays.
    """
    figure = axes.figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    unit = figure.dpi / 72
    inside = axes.get_window_extent(renderer)
    markers = [_box(axes.transData.transform((x, y)), 2 * MARKER * unit, 2 * MARKER * unit) for x, y, _ in labels]
    lines = [Bbox(axes.transData.transform([(x0, y0), (x1, y1)])) for x0, y0, x1, y1 in avoid]
    taken: list[Bbox] = []
    for x, y, words in labels:
        text = axes.text(0, 0, words, ha="center", va="center", transform=None, in_layout=False, fontsize=WORDS, linespacing=1.15)
        size = text.get_window_extent(renderer)
        at_x, at_y = axes.transData.transform((x, y))
        free = [(distance, centre, box) for distance, centre, box in _candidates(at_x, at_y, size.width, size.height, unit)
                if inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
                and not any(box.overlaps(other) for other in (*taken, *markers))]
        clear = [found for found in free if not any(found[2].overlaps(line) for line in lines)]
        text.remove()
        if not free:
            continue
        distance, centre, box = (clear or free)[0]
        taken.append(box)
        leader = {"arrowstyle": "-", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3, "color": axes.xaxis.label.get_color()}
        axes.annotate(words, (x, y), axes.transData.inverted().transform(centre), ha="center", va="center", fontsize=WORDS,
                      linespacing=1.15, in_layout=False, arrowprops=leader if distance >= LEADER else None)
