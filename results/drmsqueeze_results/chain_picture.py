# SPDX-License-Identifier: MIT
"""Where the boxes of a wait chain's picture lie: one under the other, each as high as its text needs; and the same as text."""

import textwrap
from dataclasses import dataclass

from drmsqueeze_results.wait_chain import LOST, Chain

# Units of the drawing; a line of text of 13 px takes some 6.5 for each character.
WIDTH = 620
LINE, PADDING, GAP = 18, 10, 16
LINE_CHARACTERS = 86


@dataclass(frozen=True)
class Box:
    """`head`: a task or a job; the boxes below it say what it is about, and the last one for whom it waits."""

    y: int
    height: int
    lines: tuple[str, ...]
    head: bool

    @property
    def middle(self) -> int:
        return self.y + self.height // 2

    @property
    def baselines(self) -> tuple[tuple[int, str], ...]:
        """The lines of text, each with the height at which it stands."""
        return tuple((self.y + PADDING // 2 + LINE * (at + 1) - 5, line) for at, line in enumerate(self.lines))


@dataclass(frozen=True)
class Picture:
    """A chain laid out. `tail` is how much room there is below a box for the arrow to the next."""

    boxes: tuple[Box, ...]
    closed: bool
    caption: str
    width: int = WIDTH
    tail: int = GAP

    @property
    def height(self) -> int:
        return self.boxes[-1].y + self.boxes[-1].height + 2

    @property
    def label(self) -> str:
        """The picture in words, for who cannot see it."""
        told = ", then ".join(" ".join(box.lines) for box in self.boxes)
        return told + ("; then again from the beginning" if self.closed else "")


def _caption(chain: Chain) -> str:
    if chain.closed:
        return "Each waits for the one below it, and the last for the first: a circle, in which nobody can ever go on."
    if chain.boxes[-1] == LOST:
        return "No circle: what was waited for has happened, and the one who sleeps was not told."
    return "Each waits for the one below it. The chain ends there: by itself this is no deadlock."


def picture(chain: Chain) -> Picture:
    """The picture of a chain."""
    boxes: list[Box] = []
    y = 2
    for at, text in enumerate(chain.boxes):
        lines = tuple(textwrap.wrap(text, LINE_CHARACTERS, break_long_words=True)) or ("",)
        boxes.append(Box(y, LINE * len(lines) + PADDING, lines, at in chain.heads))
        y += boxes[-1].height + GAP
    return Picture(tuple(boxes), chain.closed, _caption(chain))


def text_lines(chain: Chain) -> tuple[str, ...]:
    """The picture for a log: a line for each box, those that tell of a task indented below it."""
    return (*(text if at in chain.heads else f"  {text}" for at, text in enumerate(chain.boxes)), _caption(chain))
