# SPDX-License-Identifier: MIT
"""What a night has come to, as the morning page takes it."""

import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from drmsqueeze_results.model import Status
from drmsqueeze_results.morning import Told, ToldBoard, ToldNight, write_morning
from drmsqueeze_results.outcomes import consider
from drmsqueeze_results.test_results import TestResult, of_run, run_name

from drmsqueeze import result_items
from drmsqueeze.errors import DrmsqueezeError
from drmsqueeze.machines import sites
from drmsqueeze.machines.board import BoardSite
from drmsqueeze.night import Night, NightBoard, Plan, State


def _why_not_run(index: int, board: str, state: State) -> str:
    if board in state.left_out:
        return f"{board} was left out: {state.left_out[board]}"
    return state.not_begun.get(index) or ("the night was over" if state.over else "the night has not come so far")


def _runs(plan: Plan, state: State) -> Iterator[Told]:
    for cell in plan.order:
        def told(directory: str | None = None, status: str | None = None, cut: bool = False, reason: str = "") -> Told:
            return Told(cell.board, cell.kernel, cell.scenario, cell.level, cell.rate_hz, cell.why,
                        f"runs/{directory}" if directory else None, status, cut, reason)

        for attempt in state.attempts:
            if attempt.cell == cell.index and attempt.over:
                yield told(None if attempt.reason else attempt.directory, attempt.status, not attempt.status, attempt.reason or "")
        if cell.index not in state.finished and cell.index not in state.skipped:
            yield told(reason=_why_not_run(cell.index, cell.board, state))


def _skipped(plan: Plan, state: State) -> Iterator[tuple[str, str, str, str]]:
    for one in plan.skipped:
        yield one.scenario, one.board, one.kernel, one.reason
    told = {(cell.scenario, cell.board, cell.kernel, state.skipped[cell.index]): None for cell in plan.order if cell.index in state.skipped}
    yield from told


def _board(board: NightBoard, state: State) -> ToldBoard:
    events = [event for event in state.troubles if event.get("board") == board.name]
    crashes = Counter(event["reason"] for event in events if event["event"] == "crashed")
    troubles = [f"{reason} ({times} times)" if times > 1 else reason for reason, times in crashes.items()]
    troubles += [f"it could not be put right after a run that was cut off: {event['reason']}"
                 for event in events if event["event"] == "not-restored"]
    try:
        site = sites.site(board.machine)
        out = site.why_out() if isinstance(site, BoardSite) else None
    except DrmsqueezeError as error:  # its file has changed since
        out = None
        troubles.append(str(error))
    put_back = f"drmsqueeze board restore {shlex.quote(board.machine)}"
    return ToldBoard(board.name, state.left_out.get(board.name), out, put_back, tuple(troubles))


def _results(night: Night, plan: Plan, state: State) -> Iterator[TestResult]:
    """A test for each planned run, in the suite of its board. What a night did not come to is skipped, what a board did not is an error."""
    finished = state.finished
    for cell in plan.order:
        attempt = finished.get(cell.index)
        number = attempt.directory if attempt else f"{cell.index:04d}"
        directory, name = night.runs / number, f"{cell.scenario}.{run_name(number, cell.kernel, cell.level, cell.rate_hz)}"

        def without_run(status: Status, code: str, reason: str) -> TestResult:
            return TestResult(cell.board, name, status, code, (reason,), (f"{code}: {reason}",))

        if attempt and not attempt.reason:
            yield of_run(consider(directory), directory, cell.board, name)
        elif attempt:
            yield without_run(Status.ERROR, "infrastructure", attempt.reason or "")
        elif cell.index in state.skipped:
            yield without_run(Status.SKIP, "skipped", state.skipped[cell.index])
        elif cell.board in state.left_out:
            yield without_run(Status.ERROR, "left-out", _why_not_run(cell.index, cell.board, state))
        else:
            yield without_run(Status.SKIP, "not-reached", _why_not_run(cell.index, cell.board, state))
    for one in plan.skipped:
        yield TestResult(one.board, f"{one.scenario}[{one.kernel}]", Status.SKIP, "skipped", (one.reason,), (f"skipped: {one.reason}",))


def write(night: Night) -> Path:
    """Write the page, junit.xml and results.ktap; returns the path of the first. Raises OSError where there is no room."""
    plan, state = night.plan(), night.state()
    results = list(_results(night, plan, state))
    for form, name in (("junit", "junit.xml"), ("ktap", "results.ktap")):
        result_items.WRITERS[form](results, night.directory, night.directory / name)
    resumed = sum(event["event"] == "resumed" for event in state.troubles)
    stopped = [event["reason"] for event in state.troubles if event["event"] == "stopped"]
    told = ToldNight(night.directory, plan.begun, plan.until, tuple(_runs(plan, state)),
                     tuple(_board(board, state) for board in plan.boards), tuple(_skipped(plan, state)), resumed,
                     None if state.over else stopped[-1] if stopped else "it goes on")
    return write_morning(told, night.directory.parent)
