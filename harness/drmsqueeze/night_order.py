# SPDX-License-Identifier: MIT
"""What a night runs first: what is new, what is unsure, and what has waited longest; each with the reason."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from drmsqueeze_results import history
from drmsqueeze_results.history_index import open_index
from drmsqueeze_results.history_standing import Place, Standing, standings
from drmsqueeze_results.model import Status

from drmsqueeze import lab_file
from drmsqueeze.lab_file import LabBoard, LabFile
from drmsqueeze.machines import sites
from drmsqueeze.night import Cell, Skipped


class _Candidate(NamedTuple):
    """`before` is how many runs of the same kind this night has before it; `standing` is None where nothing is known."""

    cell: Cell
    before: int
    standing: Standing | None


def known(results: Path) -> Mapping[Place, Standing]:
    """What the nights before say, from the run directories that they left."""
    if not results.is_dir():
        return {}
    index, _ = open_index([results])
    try:
        looked = history.look(index, time.time())
    except history.BadSince:
        return {}
    finally_known = standings(index, time.time(), looked)
    index.connection.close()
    return finally_known


def _candidates(board: LabBoard, places: Mapping[Place, Standing]) -> Iterator[_Candidate | Skipped]:
    site = sites.site(board.machine)
    for kernel in board.kernels:
        for scenario in board.scenarios:
            if reason := sites.unfit(site, kernel, scenario):
                yield Skipped(board.name, kernel, scenario.name, reason)
                continue
            for before, run in lab_file.planned(board, scenario):
                cell = Cell(0, board.name, kernel, scenario.name, scenario.sha256, run.level, run.rate_hz, run.seed, "")
                yield _Candidate(cell, before, places.get(Place(scenario.name, board.name, kernel, run.level, run.rate_hz)))


def _percent(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:.0f}–{100 * interval[1]:.0f} %"


def _new(one: _Candidate) -> str | None:
    if one.standing is None:
        return f"new: never run on {one.cell.board} with {one.cell.kernel}"
    if one.standing.sha256 != one.cell.sha256:
        return "new: the scenario has changed since it was run"
    return None


def _unsure(standing: Standing) -> str | None:
    failed = standing.failed
    rate = f"failed in {failed.events} of {failed.runs} runs of the last {history.NIGHTS_FLAKY} nights"
    rate += f" ({_percent(standing.interval)})" if standing.interval else ""
    if standing.flaky:
        return f"unsure: flaky, {rate}"
    if standing.status == Status.ERROR.value:
        return "unsure: its last run could not do its work"
    if failed.events:
        return f"unsure: {rate}"
    if standing.errors.events:
        errors = standing.errors
        return f"unsure: {errors.events} of {errors.runs} runs of the last {history.NIGHTS_FLAKY} nights could not do their work"
    return None


def _width(standing: Standing) -> float:
    return standing.interval[1] - standing.interval[0] if standing.interval else 1.0


def order(candidates: Sequence[_Candidate]) -> list[Cell]:
    """The runs of one board.

    First what is new; then by turns one that is unsure, the widest interval first, and one of the others, the longest not run first: so
    that over the nights all come round, however much is unsure. Last what a machine could not do when it was tried.
    """
    new: list[_Candidate] = []
    unsure: list[_Candidate] = []
    others: list[_Candidate] = []
    last: list[_Candidate] = []
    for one in candidates:
        standing = one.standing
        if reason := _new(one):
            new.append(one._replace(cell=replace(one.cell, why=reason)))
        elif standing and standing.status == Status.SKIP.value:
            last.append(one._replace(cell=replace(one.cell, why="last: this machine could not do it when it was tried last")))
        elif standing and (reason := _unsure(standing)):
            unsure.append(one._replace(cell=replace(one.cell, why=reason)))
        elif standing:
            when = datetime.fromtimestamp(standing.last, timezone.utc).isoformat(" ", "minutes")[:16]
            others.append(one._replace(cell=replace(one.cell, why=f"last run {when} UTC: the longest ago come first")))
    new.sort(key=lambda one: one.before)
    last.sort(key=lambda one: one.before)
    unsure.sort(key=lambda one: (one.before, -_width(one.standing) if one.standing else 0.0, one.standing.last if one.standing else 0.0))
    others.sort(key=lambda one: (one.before, one.standing.last if one.standing else 0.0))
    turns = [one for pair in zip_longest(unsure, others) for one in pair if one]
    return [one.cell for one in (*new, *turns, *last)]


def arrange(lab: LabFile) -> tuple[tuple[Cell, ...], tuple[Skipped, ...]]:
    """All runs of a night in order, by board, and what is skipped."""
    places = known(lab.results)
    cells: list[Cell] = []
    skipped: list[Skipped] = []
    for board in lab.boards:
        found = [] if board.fault else list(_candidates(board, places))
        skipped += [one for one in found if isinstance(one, Skipped)]
        cells += order([one for one in found if isinstance(one, _Candidate)])
    return tuple(replace(cell, index=at) for at, cell in enumerate(cells)), tuple(skipped)
