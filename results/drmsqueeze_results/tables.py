# SPDX-License-Identifier: MIT
"""The rows that every form of a summary shows: computed once, printed as HTML, Markdown or on a terminal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from drmsqueeze_results.comparison_model import ArmLevel, Comparison, Share
from drmsqueeze_results.model import Outcome
from drmsqueeze_results.verdicts import level_name, milliseconds, percent

TITLES = {
    Outcome.COMPLETED: "completed", Outcome.FAILED: "failed", Outcome.TIMED_OUT: "timed out",
    Outcome.STALLED: "stalled", Outcome.HUNG: "hung", Outcome.LOST: "lost", Outcome.CORRUPTED: "corrupted",
}
REACHED = ("least memory", "stalled time")  # columns that tell of the pressure that was reached
# Columns that are there only where there is something in them.
_WHEN_SEEN = frozenset({Outcome.TIMED_OUT, Outcome.LOST, Outcome.CORRUPTED})


def rate_name(rate_hz: float | None, none: str = "-") -> str:
    """A demand rate for people; `none` where the scenario's stressors say it."""
    return none if rate_hz is None else f"{rate_hz:g} jobs/s"


@dataclass(frozen=True)
class Grid:
    """A table as text. `numeric` tells the columns that are set flush right."""

    title: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]

    def without(self, *columns: str) -> "Grid":
        """The same table without these columns."""
        return self.only(*(name for name in self.columns if name not in columns))

    def only(self, *columns: str) -> "Grid":
        """The same table with these columns alone, as far as it has them."""
        keep = [at for at, name in enumerate(self.columns) if name in columns]
        return Grid(self.title, tuple(self.columns[at] for at in keep), tuple(self.numeric[at] for at in keep),
                    tuple(tuple(row[at] for at in keep) for row in self.rows))


def _share(share: Share) -> str:
    if not share.count:
        return "0"
    text = f"{share.count} ({percent(share.share or 0)}"
    if share.interval and share.interval[0] != share.interval[1]:
        low, high = (round(100 * end) for end in share.interval)
        text += f"; {low}–{high}{'' if share.interval_kind == 'bootstrap' else ' r'}"
    return text + ")"


def _bare_share(share: Share) -> str:
    return percent(share.share or 0) if share.count else "0"


def _row(level: str, kernel: str, arm: ArmLevel, outcomes: list[Outcome], cell: Callable[[Share], str]) -> tuple[str, ...]:
    shares = tuple(cell(arm.outcomes[outcome.value]) if arm.submitted else "-" for outcome in outcomes)
    latencies = tuple(milliseconds(arm.latency_ns[q].median) for q in ("p50", "p99"))
    least, stalled = (arm.reached[name].median for name in ("mem_available_min_kib", "psi_some_percent"))
    reached = ("-" if least is None else f"{least / 1024:.0f} MiB", "-" if stalled is None else f"{stalled:.0f} %")
    return (level, kernel, str(arm.runs), str(arm.submitted), *shares, *latencies, *reached)


def comparison_grid(comparison: Comparison, *, short: bool = False) -> Grid:
    """Level by level and arm by arm: jobs by fate with shares and intervals, and latencies of the completed ones.

    `short` leaves out counts and intervals, so that the table fits a terminal of 80 columns.
    """
    cell = _bare_share if short else _share
    arms = [arm for level in comparison.levels for arm in level.arms.values()]
    outcomes = [outcome for outcome in TITLES
                if outcome not in _WHEN_SEEN or any(arm.outcomes[outcome.value].count for arm in arms)]
    rows = [(rate_name(level.rate_hz), *_row(level_name(level.level), comparison.arms[key].kernel, arm, outcomes, cell))
            for level in comparison.levels for key, arm in level.arms.items()]
    columns = ("rate", "left", "kernel", "runs", "jobs", *(TITLES[outcome] for outcome in outcomes), "p50", "p99", *REACHED)
    grid = Grid(comparison.scenario.name, columns, (False,) * 3 + (True,) * (len(columns) - 3), tuple(rows))
    return grid if any(level.rate_hz is not None for level in comparison.levels) else grid.without("rate")


def rich_table(grid: Grid) -> Table:
    """`grid` for a terminal."""
    table = Table(title=grid.title, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for column, numeric in zip(grid.columns, grid.numeric):
        table.add_column(column, justify="right" if numeric else "left", no_wrap=not numeric)
    for row in grid.rows:
        table.add_row(*map(escape, row))
    return table


def markdown_table(grid: Grid) -> str:
    """`grid` as a Markdown table whose columns are aligned, so that it can be read in a mail as it is."""
    lines = [tuple(cell.replace("|", "\\|") for cell in cells) for cells in (grid.columns, *grid.rows)]
    widths = [max(3, *map(len, column)) for column in zip(*lines)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.rjust(width) if numeric else cell.ljust(width)
                                 for cell, width, numeric in zip(cells, widths, grid.numeric)) + " |"

    rule = ["-" * (width - numeric) + ":" * numeric for width, numeric in zip(widths, grid.numeric)]
    return "\n".join(line(cells) for cells in (lines[0], rule, *lines[1:]))
