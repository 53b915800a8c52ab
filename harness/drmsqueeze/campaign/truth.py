# SPDX-License-Identifier: MIT
"""What really became of the jobs on a board of processes: the account that its agents kept where no harness reads."""

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from drmsqueeze.campaign.process_ring import CONSUMED, RECORDS_OFFSET
from drmsqueeze.ring import FATES, RECORD_SIZE, Kind, Record, unpack


def records(data: bytes) -> Iterator[Record]:
    """The whole records of a file; one that was cut off is none."""
    for at in range(0, len(data) - RECORD_SIZE + 1, RECORD_SIZE):
        yield unpack(data[at:at + RECORD_SIZE])


def fates(account: Iterable[Record]) -> dict[int, str | None]:
    """By job: what it ended with first, or None where it was begun and no end of it is known."""
    jobs: dict[int, str | None] = {}
    for record in account:
        if record.kind == Kind.INTENT:
            jobs.setdefault(record.job, None)
        elif record.kind == Kind.END and record.job in jobs and jobs[record.job] is None and record.code < len(FATES):
            jobs[record.job] = FATES[record.code]
    return jobs


@dataclass(frozen=True)
class Attempt:
    """One run of an agent, by its files below truth/."""

    file: Path

    @cached_property
    def records(self) -> dict[int, Record]:
        """By number, as they were written; those that are only claimed are not there."""
        return {record.seq: record for record in records(self.file.read_bytes())}

    @cached_property
    def told(self) -> frozenset[int]:
        """The numbers of records whose coming was acknowledged. What went to the console may have been heard by nobody."""
        with self.file.with_suffix(".ring").open("rb") as ring:
            ring.seek(CONSUMED)
            consumed = struct.unpack("<Q", ring.read(8))[0]
            ring.seek(RECORDS_OFFSET)
            published = {record.seq for record in records(ring.read(consumed * RECORD_SIZE))}
        console = self.file.with_suffix(".console")
        by_console = {number for (number,) in struct.iter_unpack("<Q", console.read_bytes())} if console.exists() else set()
        return frozenset(published - by_console - {0})

    @property
    def jobs(self) -> dict[int, str | None]:
        return fates(self.records.values())

    @property
    def counts(self) -> Counter[str]:
        return Counter(fate or "lost" for fate in self.jobs.values())

    @property
    def witnesses(self) -> set[str]:
        return {record.text.split(" ")[0] for record in self.records.values() if record.kind == Kind.WITNESS}

    @property
    def bye(self) -> Record | None:
        return next((record for record in self.records.values() if record.kind == Kind.BYE), None)


class Truth:
    """All attempts on one board."""

    def __init__(self, directory: Path) -> None:
        self.attempts = [Attempt(file) for file in sorted(directory.glob("*.records")) if file.stat().st_size >= RECORD_SIZE]
        self._owner = {(record.seq, record.t_ns): attempt for attempt in self.attempts for record in attempt.records.values()}

    def owners(self, account: Iterable[Record]) -> list[Attempt | None]:
        """Whose records these are; None for one that nobody wrote."""
        return list(dict.fromkeys(self._owner.get((record.seq, record.t_ns)) for record in account))
