# SPDX-License-Identifier: MIT
"""The rows that every form of a summary shows: computed once, printed as HTML, Markdown or on a terminal."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.table import Table

from drmsqueeze_results.comparison_model import ArmLevel, Comparison, Share
from drmsqueeze_results.model import Outcome
from drmsqueeze_results.verdicts import level_name, milliseconds, percent

TITLES = {
    Outcome.COMPLETED: "completed", Outcome.FAILED: "failed", Outcome.TIMED_OUT: "timed out",
    Outcome.STALLED: "stalled", Outcome.HUNG: "hung", Outcome.LOST: "lost", Outcome.CORRUPTED: "corrupted",
}
# Columns that are there only where there is something in them.
_WHEN_SEEN = frozenset({Outcome.LOST, Outcome.CORRUPTED})


@dataclass(frozen=True)
class Grid:
    """A table as text. `numeric` tells the columns that are set flush right."""

    title: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]

    def without(self, *columns: str) -> "Grid":
        """The same table without these columns."""
        keep = [at for at, name in enumerate(self.columns) if name not in columns]
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
    rows = [_row(level_name(level.level), comparison.arms[key].kernel, arm, outcomes, cell)
            for level in comparison.levels for key, arm in level.arms.items()]
    columns = ("left", "kernel", "runs", "jobs", *(TITLES[outcome] for outcome in outcomes), "p50", "p99", "least memory",
               "stalled time")
    return Grid(comparison.scenario.name, columns, (False, False, *(True,) * (len(columns) - 2)), tuple(rows))


def rich_table(grid: Grid) -> Table:
    """`grid` for a terminal."""
    table = Table(title=grid.title, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for column, numeric in zip(grid.columns, grid.numeric):
        table.add_column(column, justify="right" if numeric else "left", no_wrap=not numeric)
    for row in grid.rows:
        table.add_row(*row)
    return table


def markdown_table(grid: Grid) -> str:
    """`grid` as a Markdown table."""
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = tuple("---:" if numeric else "---" for numeric in grid.numeric)
    return "\n".join(line(cells) for cells in (grid.columns, rule, *grid.rows))
