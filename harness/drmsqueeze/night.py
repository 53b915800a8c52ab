# SPDX-License-Identifier: MIT
"""A night on disk: night.json, what was planned and in which order, written once; and night.jsonl, what has happened, a line for each step.

A line is on the disk before the next step begins. Together with the run directories they are all that there is to know of a night: the
processes that carry it out may be killed at any moment.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from drmsqueeze_results.documents import from_plain, sync, to_plain, write_json
from drmsqueeze_results.model import Status

from drmsqueeze.errors import InfrastructureError
from drmsqueeze.plan import PlannedRun
from drmsqueeze.ring import write_whole
from drmsqueeze.scenario import Scenario

SCHEMA = "drmsqueeze.night/1"
PLAN, EVENTS = "night.json", "night.jsonl"


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Cell:
    """One planned run; `why` it comes where it comes in the order."""

    index: int
    board: str
    kernel: str
    scenario: str
    sha256: str
    level: float
    rate_hz: float | None
    seed: int
    why: str

    @property
    def run(self) -> PlannedRun:
        return PlannedRun(self.index, self.index, self.level, "a", self.seed, self.rate_hz)

    def name(self) -> str:
        rate = "" if self.rate_hz is None else f", {self.rate_hz:g} Hz"
        return f"{self.scenario} on {self.board}, {self.kernel}, {100 * self.level:g} % left{rate}"


@dataclass(frozen=True)
class Skipped:
    """A scenario that cannot be run on a board, and why."""

    board: str
    kernel: str
    scenario: str
    reason: str


@dataclass(frozen=True)
class NightBoard:
    name: str
    machine: str


@dataclass(frozen=True)
class Plan:
    """What night.json holds. `until`: no run is begun that would not be over by then; times are ISO 8601 in UTC."""

    lab: str
    begun: str
    until: str
    errors_in_a_row: int
    run_limit_min: float
    boards: tuple[NightBoard, ...]
    order: tuple[Cell, ...]
    skipped: tuple[Skipped, ...]
    scenarios: Mapping[str, Any]
    """Resolved scenarios, by their hash."""

    def scenario(self, cell: Cell) -> Scenario:
        return Scenario(self.scenarios[cell.sha256])


@dataclass
class Attempt:
    """A run that was begun. `status` and `code` are its verdict's; both None for one whose harness was killed, and which is done again."""

    cell: int
    directory: str
    over: bool = False
    status: str | None = None
    code: str | None = None
    took_s: float | None = None
    reason: str | None = None
    """Why there is no run directory, where there is none."""


@dataclass
class State:
    """What has happened so far in a night."""

    attempts: list[Attempt] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)
    not_begun: dict[int, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    troubles: list[Mapping[str, Any]] = field(default_factory=list)
    """Events of the kinds `crashed`, `stopped`, `resumed`, `not-restored`, `put-right`."""
    over: bool = False

    @property
    def finished(self) -> dict[int, Attempt]:
        """The attempts that count, by cell: each cell has one at the most."""
        return {attempt.cell: attempt for attempt in self.attempts if attempt.status}

    def lost(self, cell: int) -> int:
        """How often a run of this cell was cut off by the death of the harness."""
        return sum(attempt.cell == cell and attempt.over and not attempt.status for attempt in self.attempts)

    def errors_in_a_row(self, cells: Iterable[int]) -> int:
        """At the end of what these cells have come to up to now."""
        mine, count = set(cells), 0
        for attempt in self.attempts:
            if attempt.cell in mine and attempt.status:
                count = count + 1 if attempt.status == Status.ERROR.value else 0
        return count


class Night:
    """One night's directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.runs = directory / "runs"

    def create(self, plan: Plan) -> None:
        """Raises OSError, and there is no such night then."""
        self.runs.mkdir(parents=True)
        write_json(self.directory / PLAN, {"schema": SCHEMA, **to_plain(plan)}, lasting=True)
        for made in (self.directory.parent, self.directory.parent.parent):
            sync(made)

    def plan(self) -> Plan:
        """Raises InfrastructureError for a night.json that is none."""
        path = self.directory / PLAN
        try:
            return from_plain(Plan, json.loads(path.read_text()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InfrastructureError(f"{path}: cannot be read: {error}") from None

    def note(self, event: str, **members: Any) -> None:
        """Add what has happened. Raises OSError, and nothing was added then."""
        line = json.dumps({"t": now(), "event": event} | members).encode() + b"\n"
        handle = os.open(self.directory / EVENTS, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.lseek(handle, 0, os.SEEK_END)
            if size and os.pread(handle, 1, size - 1) != b"\n":  # a line that a loss of power has cut off
                line = b"\n" + line
            try:
                write_whole(handle, line)
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, size)
                raise
            if not size:
                sync(self.directory)
        finally:
            os.close(handle)

    @property
    def written(self) -> int:
        """Bytes of what has happened: it grows with each event."""
        path = self.directory / EVENTS
        return path.stat().st_size if path.exists() else 0

    def events(self) -> list[dict[str, Any]]:
        """All that has happened; half a line, as a loss of power leaves it, is passed over."""
        path = self.directory / EVENTS
        found = []
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def state(self, events: Iterable[Mapping[str, Any]] | None = None) -> State:
        """From the events; all of them, where none are given."""
        state = State()
        by_directory: dict[str, Attempt] = {}
        for event in self.events() if events is None else events:
            match event["event"]:
                case "begun":
                    state.attempts.append(attempt := Attempt(event["cell"], event["directory"]))
                    by_directory[event["directory"]] = attempt
                    state.not_begun.pop(event["cell"], None)
                case "ended":
                    attempt = by_directory[event["directory"]]
                    attempt.over, attempt.status, attempt.code, attempt.took_s = True, event["status"], event["code"], event.get("took_s")
                    attempt.reason = event.get("reason")
                case "lost":
                    by_directory[event["directory"]].over = True
                case "skipped":
                    state.skipped[event["cell"]] = event["reason"]
                case "not-begun":
                    state.not_begun[event["cell"]] = event["reason"]
                case "left-out":
                    state.left_out.setdefault(event["board"], event["reason"])
                case "over":
                    state.over = True
                case _:
                    state.troubles.append(event)
        return state
