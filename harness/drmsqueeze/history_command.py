# SPDX-License-Identifier: MIT
"""`drmsqueeze history`: what many runs say over time."""

import argparse
import json
import time
from pathlib import Path

from drmsqueeze_results import history, history_views
from drmsqueeze_results.history_index import open_index
from drmsqueeze_results.tables import rich_table
from rich.console import Console

from drmsqueeze import progress
from drmsqueeze.errors import UsageError

ONLY = ("scenario", "machine", "kernel")
_WIDE = 500  # columns: a trend whose last nights are cut off to fit tells nothing; a terminal wraps it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR", help="where run directories are, however deep")
    parser.add_argument("--since", metavar="DATE|N", help="from the night of this date on, or the last N nights with runs (default: 1)")
    for name in ONLY:
        parser.add_argument(f"--{name}", metavar="NAME", help=f"only this {name}, as the tables name it")
    parser.add_argument("--index", type=Path, metavar="FILE", help="where the index is kept (default: history.sqlite in the first DIR)")
    parser.add_argument("--rebuild", action="store_true", help="make the index anew, and read every run again")
    parser.add_argument("--night-begins", type=int, choices=range(24), default=history.NOON, metavar="HOUR",
                        help="when one night ends and the next begins, in UTC (default: %(default)s)")
    parser.add_argument("--all", action="store_true", help="all rows of all tables")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything, as JSON")
    form.add_argument("--markdown", action="store_true", help="for a mail or a merge request")


def run(args: argparse.Namespace) -> int:
    """Bring the index up to date and print what it says. Exit code 0, whatever that is; 2 where there is no run to look at."""
    index, sync = open_index(args.directories, args.index, args.rebuild)
    if sync.note:
        progress.say(sync.note)
    progress.say(f"{len(sync.walk.runs)} runs, {sync.read} of them read now" + (f"; {sync.gone} have gone" if sync.gone else ""))
    broken = index.connection.execute("SELECT path, error FROM broken ORDER BY path").fetchall()
    only = {name: getattr(args, name) for name in ONLY if getattr(args, name)}
    try:
        looked = history.look(index, time.time(), args.since, args.night_begins, only)
    except history.BadSince as error:
        for path, reason in broken[:5]:
            progress.say(f"broken: {path}: {reason}")
        raise UsageError(str(error)) from error
    said = history_views.notes(looked, sync, broken)
    if args.json:
        print(json.dumps(history_views.document(looked, sync, broken), indent=1))
        return 0
    if args.markdown:
        print(history_views.markdown(looked, said), end="")
        return 0
    out = Console(soft_wrap=True, highlight=False, width=_WIDE)
    out.print(history_views.headline(looked), markup=False)
    for grid, left_out in history_views.grids(looked, args.all):
        out.print()
        if "nights" in grid.columns:
            out.print(rich_table(history_views.narrow(grid)))
        else:
            out.print(grid.title, style="italic", markup=False)
            for line in history_views.lines(grid):
                out.print(line, markup=False)
        if left_out:
            out.print(f"{left_out} more rows: --all shows them", markup=False)
    if said:
        out.print()
    for note in said:
        out.print(note, markup=False)
    return 0
