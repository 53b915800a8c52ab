# SPDX-License-Identifier: MIT
"""A sequential comparison for people: by what it stopped, when, and how the evidence grew."""

from dataclasses import dataclass

from drmsqueeze_results.comparison_model import Comparison
from drmsqueeze_results.drawing import Plot
from drmsqueeze_results.tables import Grid


@dataclass(frozen=True)
class SequentialView:
    """What it decided in a sentence, by which method, with the numbers of each outcome and how they came about."""

    sentence: str
    method: str
    grid: Grid
    plot: Plot


def sequential_view(comparison: Comparison, name: str) -> SequentialView | None:
    """Null where the comparison had a fixed number of runs."""
    return None
