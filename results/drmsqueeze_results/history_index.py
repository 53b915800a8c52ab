# SPDX-License-Identifier: MIT
"""An index in SQLite over many run directories. All in it is taken from them, so that it can be thrown away at any time.

A run directory is one that holds a run.json, however deep. Each directory is entered once, by device and inode: neither symbolic
links, nor bind mounts, nor arguments that lie in each other count a run twice. Nor does a copy: a run that says when it `started` is
known by that, its scenario, seed and place in its plan, and of several the one that was judged last counts.

Read are only those run.json whose size, modification time or inode changed. The index is brought up to date in one transaction: killed
in the middle, it is as it was before. One process at a time does so, the next waits (flock() on the directory, which also works where
nothing can be written). Where the index does not fit this code, or is damaged, it is made anew.
"""

import contextlib
import fcntl
import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from drmsqueeze_results import documents
from drmsqueeze_results.errors import ResultsError
from drmsqueeze_results.model import Outcome, Run
from drmsqueeze_results.outcomes import load_run

NAME = "history.sqlite"
APPLICATION_ID = 0x64726D73  # "drms", where SQLite keeps whose file this is
_LAYOUT = f"""
CREATE TABLE meta (stamp TEXT NOT NULL);
CREATE TABLE run (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    identity TEXT NOT NULL, begun REAL NOT NULL, dated_by TEXT NOT NULL,
    scenario TEXT NOT NULL, scenario_sha256 TEXT, seed INTEGER NOT NULL, machine TEXT NOT NULL, kernel TEXT NOT NULL, code TEXT NOT NULL,
    level REAL NOT NULL, rate_hz REAL, status TEXT NOT NULL, reason TEXT NOT NULL, submitted INTEGER NOT NULL,
    {", ".join(f"{outcome.value} INTEGER NOT NULL" for outcome in Outcome)});
CREATE TABLE finding (
    run INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE, kind TEXT NOT NULL, signature TEXT NOT NULL, expected INTEGER NOT NULL);
CREATE INDEX finding_run ON finding(run);
CREATE TABLE broken (path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, error TEXT NOT NULL);
CREATE VIEW known AS SELECT * FROM (
    SELECT *, row_number() OVER (PARTITION BY identity ORDER BY mtime_ns DESC, path) AS copy FROM run) WHERE copy = 1;
"""
# An index is of use only to the code that wrote it: the layout, and what a run.json may hold. Raise the number when what is taken changes.
STAMP = hashlib.sha256("1".encode() + _LAYOUT.encode() + (documents.SCHEMAS / "run.schema.json").read_bytes()).hexdigest()
_GREATEST_FILE = 64 << 20  # bytes; of a run.json, which has some thousands
_WAIT_S = 600.0  # for another process that writes; indexing 10,000 runs takes a fraction of that


class BadIndex(ResultsError):
    """The file that was named for the index is somebody else's, or cannot be opened."""


class _Unfit(Exception):
    """The index must be made anew; says why."""


@dataclass
class Walk:
    """What was found below the directories: run.json files with their state; and what was not to be had.

    `unjudged` are directories with the beginnings of a run and no run.json: it was interrupted, goes on, or nobody has judged it.
    """

    runs: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    unjudged: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sync:
    """What bringing the index up to date came to. `note`: why it was made anew, or is not kept; else null."""

    read: int
    gone: int
    note: str | None
    walk: Walk


def _text(path: str) -> str:
    """A path as text that SQLite takes, also where its bytes are no UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def walk(directories: Sequence[Path]) -> Walk:
    """Look for run directories below `directories`, in no particular order."""
    found = Walk()
    entered: set[tuple[int, int]] = set()
    files: set[tuple[int, int]] = set()
    ahead = [os.path.realpath(directory) for directory in reversed(directories)]
    while ahead:
        place = ahead.pop()
        try:
            here = os.stat(place)
            if (here.st_dev, here.st_ino) in entered:
                continue
            entered.add((here.st_dev, here.st_ino))
            with os.scandir(place) as entries:
                names = {entry.name for entry in entries if not _ahead(entry, ahead)}
            if "run.json" in names:
                status = os.stat(path := os.path.join(place, "run.json"))
                if (status.st_dev, status.st_ino) not in files:  # hard links are one run too
                    files.add((status.st_dev, status.st_ino))
                    found.runs[path] = (status.st_size, status.st_mtime_ns, status.st_ino)
            elif names & {"facts.json", "request.json"}:
                found.unjudged.append(_text(place))
        except OSError as error:
            found.unreadable.append(f"{_text(place)}: {error.strerror or error}")
    return found


def _ahead(entry: os.DirEntry[str], ahead: list[str]) -> bool:
    """Whether this is a directory, which is then put on the list of those to look into."""
    try:
        if not entry.is_dir():
            return False
        ahead.append(os.path.realpath(entry.path) if entry.is_symlink() else entry.path)
        return True
    except OSError:  # a link that leads nowhere
        return False


def _begun(run: Run, directory: Path) -> tuple[float, str]:
    """When a run began, in seconds of the epoch, and what says so.

    Older runs did not keep it: then it is when facts.json was written, at the run's end, which judging again does not touch.
    """
    if run.started:
        started = datetime.fromisoformat(run.started)
        return started.replace(tzinfo=started.tzinfo or timezone.utc).timestamp(), "started"
    for name in ("facts.json", "run.json"):
        with contextlib.suppress(OSError):
            return (directory / name).stat().st_mtime, f"the time of {name}"
    raise ValueError("it says not when it began, and has gone since")


def _digest(*values: object) -> str:
    return hashlib.sha256(repr(values).encode("utf-8", "backslashreplace")).hexdigest()[:24]


def _row(path: str, state: tuple[int, int, int]) -> tuple[dict[str, object], list[tuple[str, str, bool]]]:
    """What the index holds of a run, and its findings. Raises ResultsError, ValueError, TypeError or KeyError for a broken run.json."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("no plain file")
    if state[0] > _GREATEST_FILE:
        raise ValueError(f"{state[0]} bytes are too many")
    run = load_run(Path(path).parent)
    begun, dated_by = _begun(run, Path(path).parent)
    environment = run.environment
    kernel = environment.kernel.variant or environment.kernel.release or "?"
    machine = "/".join(part for part in (environment.machine, environment.accelerator) if part)
    code = _digest(environment.kernel.release, environment.kernel.config_sha256, environment.driver.module_sha256)
    identity = _digest(run.started, run.scenario, run.level, run.rate_hz, run.index, run.arm, machine, kernel) if run.started else _text(path)
    row = dict(path=_text(path), size=state[0], mtime_ns=state[1], inode=state[2], identity=identity, begun=begun, dated_by=dated_by,
               scenario=run.scenario.name, scenario_sha256=run.scenario.sha256, seed=run.scenario.seed, machine=machine, kernel=kernel,
               code=code, level=run.level, rate_hz=run.rate_hz, status=run.status.value, reason=run.verdict.reason_code, submitted=run.jobs.submitted,
               **{outcome.value: run.jobs.of(outcome) for outcome in Outcome})
    return row, [(finding.kind, finding.signature, finding.expected) for finding in run.findings]


class Index:
    """An index that is open. `connection` has the view `known`: each run once."""

    def __init__(self, file: Path | None) -> None:
        """Opens or makes `file`; none: in memory. Raises sqlite3.Error."""
        self.file = file
        self.connection = sqlite3.connect(file or ":memory:", timeout=_WAIT_S, isolation_level=None)

    def prepare(self) -> None:
        """Makes the tables where there are none. Raises _Unfit where there are others, or damage."""
        run = self.connection.execute
        if not run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            run("BEGIN IMMEDIATE")
            for statement in _LAYOUT.split(";\n")[:-1]:
                run(statement)
            run("INSERT INTO meta VALUES (?)", (STAMP,))
            run(f"PRAGMA application_id = {APPLICATION_ID}")
            run("COMMIT")
        if run("PRAGMA application_id").fetchone()[0] != APPLICATION_ID or run("SELECT stamp FROM meta").fetchall() != [(STAMP,)]:
            raise _Unfit("another version of drmsqueeze made it")
        if run("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise _Unfit("it is damaged")
        run("PRAGMA foreign_keys = ON")

    def sync(self, found: Walk) -> tuple[int, int]:
        """Makes the index hold what was found and nothing else; returns how many were read, and how many have gone."""
        run = self.connection.execute
        run("BEGIN IMMEDIATE")
        known = {row[0]: row[1:] for table in ("run", "broken") for row in run(f"SELECT path, size, mtime_ns, inode FROM {table}")}
        wanted = {_text(path): path for path in found.runs}
        gone = [path for path in known if path not in wanted]
        changed = [path for text, path in wanted.items() if known.get(text) != found.runs[path]]
        for path in (*gone, *map(_text, changed)):
            run("DELETE FROM run WHERE path = ?", (path,))
            run("DELETE FROM broken WHERE path = ?", (path,))
        for path in changed:
            self._add(path, found.runs[path])
        run("COMMIT")
        return len(changed), len(gone)

    def _add(self, path: str, state: tuple[int, int, int]) -> None:
        run = self.connection.execute
        try:
            row, findings = _row(path, state)
            added = run(f"INSERT INTO run ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values())).lastrowid
            self.connection.executemany("INSERT INTO finding VALUES (?, ?, ?, ?)", [(added, *finding) for finding in findings])
        # Numbers that are none or beyond all bounds, and halves of characters, are JSON, and nothing that a database takes.
        except (ResultsError, OSError, ValueError, TypeError, KeyError, OverflowError, sqlite3.IntegrityError) as error:
            run("DELETE FROM run WHERE path = ?", (_text(path),))
            reason = str(error).removeprefix(f"{path}: ")
            run("INSERT INTO broken VALUES (?, ?, ?, ?, ?)", (_text(path), *state, _text(os.fsdecode(reason.encode("utf-8", "backslashreplace")))))


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Holds `directory` against others who would write an index there."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # some network file systems lock no directories; SQLite's own lock is left
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_ours(file: Path) -> bool:
    """Whether an index may be written over `file`: it is empty, or SQLite's header says that it is one of ours."""
    if not file.is_file():
        return False
    with open(file, "rb") as opened:
        header = opened.read(72)
    return not header or (header.startswith(b"SQLite format 3\0") and header[68:72] == APPLICATION_ID.to_bytes(4, "big"))


def _remove(file: Path) -> None:
    for name in (file, *(file.with_name(file.name + end) for end in ("-journal", "-wal", "-shm"))):
        name.unlink(missing_ok=True)


def _open(file: Path, found: Walk) -> tuple[Index, Sync]:
    why = None
    for _ in range(2):
        index = Index(file)
        try:
            index.prepare()
            read, gone = index.sync(found)
            return index, Sync(read, gone, why and f"{file}: {why}; it was made anew from the run directories", found)
        except (_Unfit, sqlite3.DatabaseError) as error:
            index.connection.close()
            if isinstance(error, sqlite3.OperationalError):  # no room, no permission, locked: the file itself is sound
                raise
            why = str(error) if isinstance(error, _Unfit) else f"it is damaged ({error})"
            _remove(file)
    raise BadIndex(f"{file}: no index can be made there: {why}")


def open_index(directories: Sequence[Path], file: Path | None = None, rebuild: bool = False) -> tuple[Index, Sync]:
    """An index that holds what is below `directories` now, and nothing else.

    `file`: where it is kept; none: history.sqlite in the first of them, or in memory where that cannot be written. Raises BadIndex
    where `file` was named and is no index, or cannot be written; and where one of the directories is none.
    """
    for directory in directories:
        if not directory.is_dir():
            raise BadIndex(f"{directory}: no such directory")
    place = file or directories[0] / NAME
    with _alone(place.parent):
        if place.exists() and (rebuild or file):
            if file and not _is_ours(file):
                raise BadIndex(f"{file} is no index of drmsqueeze: name another file, or remove it")
            if rebuild:
                _remove(place)
        found = walk(directories)
        try:
            return _open(place, found)
        except (sqlite3.OperationalError, OSError) as error:
            if file:
                raise BadIndex(f"{file}: the index cannot be written: {error}") from error
            index = Index(None)
            index.prepare()
            read, gone = index.sync(found)
            return index, Sync(read, gone, f"{place} cannot be written ({error}): the index is in memory and read anew every time "
                               "(--index FILE keeps it elsewhere)", found)
