# SPDX-License-Identifier: MIT
"""Carrying out a night: the boards of a lab side by side, each in a process of its own (night_worker.py), which are watched here."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

from drmsqueeze import TOP, night_order, progress
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.lab_file import LabFile
from drmsqueeze.machines.machine import UNTIL_WE_DIE
from drmsqueeze.night import PLAN, Night, NightBoard, Plan, now
from drmsqueeze.night_worker import DONE, FULL, STOPPED, Worker

WORKER: Sequence[str] = (sys.executable, "-m", "drmsqueeze.night_worker")
LOCK = ".nightly.lock"
# The processes of a harness that was killed die with it, which takes them a moment.
LOCK_WAIT_S = 10.0
POLL_S = 0.2
# Of a board's process that dies before it has begun a run: who dies so often does it again.
MOST_FRUITLESS = 3
# For a worker that is told to stop: its board is left as it was found.
STOP_S = 180.0
# For one that is beyond all its limits, and that not even a signal ends.
BEYOND_S = 300.0


class NoRoomForResults(InfrastructureError):
    """A night stops, and goes on once there is room."""


@contextmanager
def alone(results: Path) -> Iterator[int]:
    """Holds the results of a lab against a second nightly; workers get the handle, so that it is held until the last of them is gone.

    Raises InfrastructureError where another one is at work, OSError where nothing can be written there.
    """
    results.mkdir(parents=True, exist_ok=True)
    handle = os.open(results / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        until = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise InfrastructureError(f"another nightly is at work on {results}") from None
            time.sleep(POLL_S)
        yield handle
    finally:
        os.close(handle)


def last(results: Path) -> Night | None:
    """The last night that was begun."""
    names = sorted(path.parent.name for path in results.glob(f"*/{PLAN}"))
    return Night(results / names[-1]) if names else None


def begin(lab: LabFile) -> Night:
    """Plan a night, and have the plan on disk. Raises OSError where it cannot be kept."""
    began = datetime.now(timezone.utc)
    name = began.strftime("%Y%m%d-%H%M%S")
    names = [name, *(f"{name}-{number}" for number in range(2, 1000))]
    night = Night(next(path for path in map(lab.results.joinpath, names) if not path.exists()))
    cells, skipped = night_order.arrange(lab)
    until = (began + timedelta(minutes=lab.budget_min)).isoformat(timespec="milliseconds")
    night.create(Plan(str(lab.file), now(), until, lab.errors_in_a_row, lab.run_limit_min,
                      tuple(NightBoard(board.name, board.machine) for board in lab.boards), cells, skipped,
                      {scenario.sha256: scenario.document for board in lab.boards for scenario in board.scenarios}))
    for board in lab.boards:
        if board.fault:
            night.note("left-out", board=board.name, reason=board.fault)
            progress.say(f"{board.name} cannot be had now: {board.fault}")
    return night


def close(night: Night) -> None:
    """Bring a night to its end that nobody goes on with: its runs that were cut off are kept, and judged."""
    for board in sorted({cell.board for cell in night.plan().order}):
        Worker(night, board).settle(None)
    night.note("over", closed=True)


class _Watched:
    """One board's process."""

    def __init__(self, night: Night, board: str, lock: int) -> None:
        self.board = board
        self._night, self._lock = night, lock
        self.log = night.directory / "workers" / f"{re.sub('[^A-Za-z0-9._-]', '-', board)}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._begun = 0
        self.crashed: str | None = None
        """How it died in the middle of a run, if it did."""
        self.fruitless = 0
        """How often it has died, one after the other, without so much as having begun a run."""

    def start(self) -> None:
        self._begun = self._begun_runs()
        self.log.parent.mkdir(exist_ok=True)
        path = [f"{TOP}/harness", f"{TOP}/results", os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*UNTIL_WE_DIE, *WORKER, str(self._night.directory), self.board, *(["--crashed", self.crashed] if self.crashed else [])],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment, pass_fds=[self._lock])

    def _begun_runs(self) -> int:
        return sum(event["event"] == "begun" and event["board"] == self.board for event in self._night.events())

    @property
    def came_to_nothing(self) -> bool:
        """Whether it has not so much as begun a run."""
        return self._begun_runs() == self._begun

    def how_it_died(self, code: int) -> str:
        if code == -signal.SIGALRM:
            return f"a run had not ended after {self._night.plan().run_limit_min:g} min, and its process was killed"
        what = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        words = self.log.read_text(errors="replace").strip().splitlines()
        return f"the board's process {what}" + (f": {words[-1][:300]}" if words and code > 0 else "")


class Crew:
    """The processes of all boards of a night."""

    def __init__(self, night: Night, lock: int) -> None:
        self._night, self._plan = night, night.plan()
        with_runs = {cell.board for cell in self._plan.order}
        self._watched = [_Watched(night, board.name, lock) for board in self._plan.boards if board.name in with_runs]
        self._told = len(night.events())
        self._read = night.written

    def carry_out(self) -> None:
        """Until no board has anything left to do. Raises NoRoomForResults, and KeyboardInterrupt: boards are left as they were found."""
        try:
            for one in self._watched:
                one.start()
            latest = datetime.fromisoformat(self._plan.until) + timedelta(minutes=self._plan.run_limit_min, seconds=BEYOND_S)
            while any(one.process for one in self._watched):
                time.sleep(POLL_S)
                for one in self._watched:
                    self._look_at(one)
                self._tell()
                if datetime.now(timezone.utc) > latest:
                    self._give_up()
        except OSError as error:
            raise NoRoomForResults(f"{self._night.directory}: {error}") from None
        finally:
            self._stop()
            with suppress(OSError):
                self._tell()

    def _look_at(self, one: _Watched) -> None:
        code = one.process.poll() if one.process else None
        if code is None:
            return
        one.process = None
        if code == FULL:
            said = one.log.read_text(errors="replace").strip().splitlines()
            raise NoRoomForResults(said[-1] if said else f"{self._night.directory}: no room")
        if code == STOPPED:
            raise KeyboardInterrupt
        if code == DONE:
            return
        died = one.how_it_died(code)
        self._night.note("crashed", board=one.board, reason=died)
        progress.say(f"{one.board}: {died}")
        if one.came_to_nothing:  # no run was why
            one.fruitless += 1
        else:
            one.fruitless, one.crashed = 0, died
        if one.fruitless == MOST_FRUITLESS or one.fruitless and code == -signal.SIGALRM:
            self._night.note("left-out", board=one.board, reason=died)
        else:
            one.start()

    def _give_up(self) -> None:
        for one in self._watched:
            if one.process:
                self._night.note("left-out", board=one.board, reason="its process is beyond all limits of time, and does not end")
                one.process.kill()
                one.process = None

    def _stop(self) -> None:
        """Whoever is at work still is told to end in order."""
        left = [one.process for one in self._watched if one.process]
        for process in left:
            process.terminate()
        until = time.monotonic() + STOP_S
        for process in left:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()

    def _tell(self) -> None:
        """A line for each run that has ended, and for a board that is left out."""
        if self._night.written == self._read:
            return
        self._read = self._night.written
        events = self._night.events()
        cells = {cell.index: cell for cell in self._plan.order}
        over = len(self._night.state(events).finished)
        for event in events[self._told:]:
            if event["event"] == "ended":
                why = "" if event["status"] == "pass" else f", {event['code']}"
                progress.say(f"{over} of {len(cells)}: {cells[event['cell']].name()}: {event['status']}{why}")
            elif event["event"] == "left-out":
                progress.say(f"{event['board']} is left out for the rest of the night: {event['reason']}")
        self._told = len(events)
