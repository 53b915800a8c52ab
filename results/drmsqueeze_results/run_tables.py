# SPDX-License-Identifier: MIT
"""What one run has to show beside the fates of its jobs: its phases, its injections, and what stressors tell of themselves."""

from collections.abc import Iterator

from drmsqueeze_results.model import DataTable, Injection, Outcome, Run
from drmsqueeze_results.tables import TITLES, Grid
from drmsqueeze_results.verdicts import milliseconds


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else "-" if value is None else str(value)


def _grid(table: DataTable) -> Grid:
    numeric = tuple(all(row[at] is None or isinstance(row[at], int | float) and not isinstance(row[at], bool) for row in table.rows)
                    for at in range(len(table.columns)))
    return Grid(table.title, table.columns, numeric, tuple(tuple(map(_cell, row)) for row in table.rows))


def _counts(name: str, injection: Injection) -> Iterator[tuple[str, str]]:
    if injection.fired is not None:
        yield "fired", _cell(injection.fired)
    for what, count in injection.counts.items():
        yield what.replace("_", " "), _cell(count)


def phases_grid(run: Run) -> Grid:
    """The phases of a run, with the fates of the jobs that were begun in each."""
    seen = [outcome for outcome in TITLES if outcome is Outcome.COMPLETED or any(p.jobs.of(outcome) for p in run.phases)]
    rows = tuple((phase.kind, f"{phase.begun_s:.1f} s", str(phase.jobs.submitted), *(str(phase.jobs.of(o)) for o in seen),
                  milliseconds(phase.latency_ns.p50), milliseconds(phase.latency_ns.p99)) for phase in run.phases)
    columns = ("phase", "begun at", "jobs", *(TITLES[o] for o in seen), "p50", "p99")
    return Grid("Phases", columns, (False, *(True,) * (len(columns) - 1)), rows)


def injections_grid(run: Run) -> Grid:
    """What was injected, how often it fired, and what it counted."""
    rows = tuple((injection.injector, ", ".join(f"{what}: {count}" for what, count in _counts(injection.injector, injection)) or "-",
                  injection.charged_to or "-") for injection in run.injections)
    return Grid("Injections", ("injector", "counted", "memory charged to"), (False,) * 3, rows)


def witnesses_grid(run: Run) -> Grid:
    """Who saw signs of a hang, and when."""
    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f} s"

    rows = tuple((witness.kind, seconds(witness.first_s), seconds(witness.last_s), str(witness.count),
                  "; ".join(part for part in (witness.text, "over later" if witness.settled else "") if part) or "-") for witness in run.witnesses)
    return Grid("Witnesses", ("witness", "first at", "last at", "times", "what"), (False, True, True, True, False), rows)


def leaks_grid(run: Run) -> Grid:
    """What was counted before and after the run and did not come to the same, or why nothing was compared."""
    def grid(rows: tuple[tuple[str, ...], ...]) -> Grid:
        return Grid("Left behind", ("what", "before", "after", ""), (False, True, True, False), rows)

    leaks = run.leaks
    if leaks is None or not leaks.compared:
        return grid((("not compared", leaks.reason or "", "", ""),) if leaks else ())
    rows = tuple((count.what, _cell(count.before), _cell(count.after),
                  "leak" if count in leaks.grown else f"{count.allowed} more would be noise" if count.after > count.before else "less")
                 for count in leaks.counts if count.after != count.before)
    return grid(rows or ((f"nothing: {len(leaks.counts)} counts are as before", "", "", ""),))


def run_grids(run: Run) -> tuple[Grid, ...]:
    """All tables of a run that have something in them."""
    counts = tuple(
        Grid(f"{report.stressor}: counts", ("what", "count"), (False, True),
             tuple((what.replace("_", " "), _cell(count)) for what, count in report.counts.items()))
        for report in run.stressors if report.counts)
    tables = tuple(_grid(table) for tables in [part.tables for part in run.stressors] + [part.tables for part in run.injections]
                   for table in tables)
    return tuple(grid for grid in (phases_grid(run), injections_grid(run), leaks_grid(run), *counts, *tables) if grid.rows)
