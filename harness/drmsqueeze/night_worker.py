# SPDX-License-Identifier: MIT
"""One board's part of a night, in a process of its own: whatever hangs or crashes here holds up no other board.

    python3 -m drmsqueeze.night_worker NIGHT_DIR BOARD [--crashed REASON]
"""

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

from drmsqueeze_results.documents import sync_tree
from drmsqueeze_results.model import Run, Status
from drmsqueeze_results.outcomes import judge

from drmsqueeze import execute, progress, timings, unfinished
from drmsqueeze.errors import NO_ROOM, DrmsqueezeError
from drmsqueeze.machines import sites
from drmsqueeze.machines.board import BoardSite
from drmsqueeze.machines.machine import Site
from drmsqueeze.night import Attempt, Cell, Night, State

DONE, STOPPED, FULL = 0, 5, 6
"""Exit codes: all was done that can be; told to stop; no room for results."""
ROOM_MIB = 32  # a console's log takes 16 MiB at the most
# What a machine could not do at one level it can do at no other; a level that is out of reach says nothing of others.
CANNOT = ("target-missing", "unsupported")
# Cut off so often, a run may be what kills the harness: the others go first.
SUSPECT = 2


class NoRoom(OSError):
    """There is no room for results: nothing more is begun."""


def _refuse_full(directory: Path) -> None:
    free = shutil.disk_usage(directory).free >> 20
    if free < ROOM_MIB:
        raise NoRoom(f"{directory}: {free} MiB are free; a run needs {ROOM_MIB} for its results")


class Worker:
    """Carries out what a night has planned for one board, from where it stands."""

    def __init__(self, night: Night, board: str) -> None:
        self._night, self._plan = night, night.plan()
        self._board = next(one for one in self._plan.boards if one.name == board)
        self._cells = {cell.index: cell for cell in self._plan.order if cell.board == board}
        self._site: Site = sites.site(self._board.machine)

    def _judged(self, attempt: Attempt, took_s: float | None = None) -> Run:
        directory = self._night.runs / attempt.directory
        run = judge(directory)
        sync_tree(directory)
        loose = {"loose": True} if isinstance(self._site, BoardSite) and self._site.loose else {}
        self._night.note("ended", cell=attempt.cell, board=self._board.name, directory=attempt.directory, status=run.status.value,
                         code=run.verdict.reason_code, took_s=took_s, **loose)
        return run

    def settle(self, crashed: str | None) -> None:
        """Bring runs that were under way when their harness died to their end.

        Where only this board's process had `crashed` the run may be why: it is then an error and not done again.
        """
        for attempt in self._night.state().attempts:
            directory = self._night.runs / attempt.directory
            if attempt.over or attempt.cell not in self._cells:
                continue
            if (directory / unfinished.FACTS).exists():
                if unfinished.was_cut_off(directory):  # and so was who settled it
                    self._lost(attempt)
                else:
                    self._judged(attempt)
                continue
            begun = unfinished.is_unfinished(directory)
            if begun:
                unfinished.finish(directory, broken=crashed)
            if crashed and begun:
                self._judged(attempt)
                continue
            if crashed:
                self._without_run(attempt, crashed)
                continue
            self._lost(attempt)

    def _lost(self, attempt: Attempt) -> None:
        """One that was cut off is judged where it had begun, and done again."""
        directory = self._night.runs / attempt.directory
        if (directory / unfinished.FACTS).exists():
            judge(directory)
            sync_tree(directory)
        self._night.note("lost", cell=attempt.cell, board=self._board.name, directory=attempt.directory)

    def ahead(self, state: State) -> Iterator[Cell]:
        """What is to be run yet, in order; what cut the harness off again and again comes last."""
        ahead = [cell for cell in self._cells.values() if cell.index not in state.finished and cell.index not in state.skipped]
        return iter(sorted(ahead, key=lambda cell: state.lost(cell.index) >= SUSPECT))

    def _left_out(self, state: State) -> str | None:
        """Why nothing more is run on this board tonight."""
        if self._board.name in state.left_out:
            return state.left_out[self._board.name]
        if isinstance(self._site, BoardSite) and (why := self._site.why_out()):
            return f"it is out of service: {why}"
        errors = state.errors_in_a_row(self._cells)
        if errors >= self._plan.errors_in_a_row:
            return f"{errors} runs in a row could not do their work"
        return None

    def _too_long(self, cell: Cell) -> str | None:
        """Why a run would not be over in time."""
        left_s = (datetime.fromisoformat(self._plan.until) - datetime.now(timezone.utc)).total_seconds()
        takes_s, whence = timings.per_run_s(self._plan.scenario(cell), self._board.name)
        if takes_s <= left_s:
            return None
        if left_s <= 0:
            return "the night was over"
        return f"it takes about {takes_s:.0f} s ({whence}), and {left_s:.0f} s were left"

    def _attempt(self, cell: Cell, state: State) -> Attempt:
        before = sum(attempt.cell == cell.index for attempt in state.attempts)
        return Attempt(cell.index, f"{cell.index:04d}" + (f".{before + 1}" if before else ""))

    def _carry_out(self, cell: Cell, attempt: Attempt) -> Run | None:
        """None where there is no run to judge. Raises OSError where its results cannot be kept, and the run is unfinished then."""
        directory = self._night.runs / attempt.directory
        _refuse_full(self._night.directory)
        self._night.note("begun", cell=cell.index, board=self._board.name, directory=attempt.directory)
        began = time.monotonic()
        try:
            self._limit()
            execute.execute(self._site, self._plan.scenario(cell), cell.run, cell.kernel, directory)
        except Exception as error:  # whatever it was: it is this run's, and the next one may be better
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise
            reason = str(error) if isinstance(error, DrmsqueezeError) else f"{type(error).__name__}: {error}"
            progress.say(f"{cell.name()}: {reason}")
            if not unfinished.is_unfinished(directory):
                self._without_run(attempt, reason)
                return None
            unfinished.finish(directory, broken=reason)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        took_s = round(time.monotonic() - began, 1)
        run = self._judged(attempt, took_s)
        if run.status.usable:
            timings.note(self._plan.scenario(cell), 1, took_s, self._board.name)
        return run

    def _limit(self) -> None:
        """From now on this process is killed when it hangs: nobody handles SIGALRM."""
        signal.setitimer(signal.ITIMER_REAL, self._plan.run_limit_min * 60)

    def _without_run(self, attempt: Attempt, reason: str) -> None:
        """The end of a run that did not come so far as to have a beginning."""
        self._night.note("ended", cell=attempt.cell, board=self._board.name, directory=attempt.directory, status=Status.ERROR.value,
                         code="infrastructure", reason=reason)

    def _skip(self, cell: Cell, run: Run) -> None:
        """What the machine said that it cannot do is not tried again tonight."""
        state = self._night.state()
        for other in self.ahead(state):
            same = (other.kernel, other.sha256) == (cell.kernel, cell.sha256)
            if same and (run.verdict.reason_code in CANNOT or other.level == cell.level):
                self._night.note("skipped", cell=other.index, board=self._board.name, reason="; ".join(run.verdict.reasons))

    def work(self, crashed: str | None = None) -> None:
        """All that is left. Raises OSError where there is no room for results."""
        self.settle(crashed)
        tried: set[int] = set()
        while True:
            state = self._night.state()
            why = self._left_out(state)
            if why and self._board.name not in state.left_out:
                self._night.note("left-out", board=self._board.name, reason=why)
            ahead = None if why else next((cell for cell in self.ahead(state) if cell.index not in tried), None)
            if ahead is None:
                break
            tried.add(ahead.index)
            if reason := self._too_long(ahead):
                self._night.note("not-begun", cell=ahead.index, board=self._board.name, reason=reason)
                continue
            run = self._carry_out(ahead, self._attempt(ahead, state))
            if run and run.status is Status.SKIP:
                self._skip(ahead, run)
        if self._loose():
            self._put_right()

    def _loose(self) -> bool:
        """Whether the last run that was begun there has left the board as it was not found, and nobody has put it right since."""
        loose = False
        for event in self._night.events():
            if event.get("board") == self._board.name:
                if event["event"] == "begun":
                    loose = True
                elif event["event"] == "put-right" or event["event"] == "ended" and event.get("took_s") is not None:
                    loose = bool(event.get("loose"))
        return loose

    def _put_right(self) -> None:
        """The board as it was found, after a run that was cut off and no other since."""
        if isinstance(self._site, BoardSite) and not self._site.why_out():
            self._limit()
            try:
                self._site.restore()
                self._night.note("put-right", board=self._board.name)
            except DrmsqueezeError as error:
                self._night.note("not-restored", board=self._board.name, reason=str(error))


def _stop_once() -> None:
    """The first signal is an interrupt; from then on there is time to leave the board in order."""
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def interrupt(number: int, frame: object) -> None:
        for one in signals:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in signals:
        signal.signal(number, interrupt)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="drmsqueeze.night_worker")
    parser.add_argument("directory", type=Path)
    parser.add_argument("board")
    parser.add_argument("--crashed")
    args = parser.parse_args(argv)
    _stop_once()
    try:
        Worker(Night(args.directory), args.board).work(args.crashed)
    except KeyboardInterrupt:
        return STOPPED
    except OSError as error:
        if not isinstance(error, NoRoom) and error.errno not in NO_ROOM:
            raise
        progress.say(str(error))
        return FULL
    return DONE


def leave(do: Callable[[], int]) -> None:
    """Ends this process with the code of `do`, and with no other: its standard streams may lie on a disk that is full."""
    try:
        code = do()
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = 1
    os._exit(code)


if __name__ == "__main__":
    leave(main)
