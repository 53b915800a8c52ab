# SPDX-License-Identifier: MIT
"""The harness's side of the ring: a file that the guest sees as memory, and that outlives the guest.

The agent's side, with the reasons for the layout, is agent/recorder.h; tests/cpp/ring_test.cc and tests/harness/test_ring_and_journal.py hold each side to it.
"""

import enum
import fcntl
import json
import mmap
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drmsqueeze.errors import UsageError

SIZE = 16 << 20  # a PCI BAR is a power of two; room for 120,000 records
MAGIC = b"DRMSQZR1"
VERSION = 1
REQUEST_OFFSET = 4096
RECORDS_OFFSET = 1 << 20
NO_CLIENT = 0xFFFFFFFF

_HEADER = struct.Struct("<8sIIQQQQQQI")
_RECORD = struct.Struct("<QQHHIQqqq72s")
_CLAIMED_OFFSET, _CONSUMED_OFFSET, _STOP_OFFSET = 48, 56, 64
# A live writer publishes within microseconds of its claim, or waits for room with nothing published behind it.
HOLE_S = 2.0
LEFT_AFTER_S = 86400.0
SYNC_S = 1.0
CAPACITY = (SIZE - RECORDS_OFFSET) // _RECORD.size
ONLY_READ_SIZE = 64 << 20  # 516,000 records; the file is sparse


def scratch_in_memory(prefix: str) -> "tempfile.TemporaryDirectory[str]":
    """A directory for a ring, in memory where there is such a place: a guest's records then wait for no disk.

    Where a process was killed with one, that takes memory until somebody removes it: this does so a day later.
    """
    place = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())
    for left in place.glob(f"{prefix}*"):
        _remove_if_left(left)
    return _Held(prefix=prefix, dir=place)


class _Held(tempfile.TemporaryDirectory[str]):
    """A scratch directory that others can see to be in use: it is locked for as long as its process lives."""

    def __init__(self, prefix: str, dir: Path) -> None:
        super().__init__(prefix=prefix, dir=dir)
        self._handle: int | None = os.open(self.name, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._handle, fcntl.LOCK_SH)

    def cleanup(self) -> None:
        super().cleanup()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _remove_if_left(directory: Path) -> None:
    with suppress(OSError):  # somebody else's, in use, or gone meanwhile
        if time.time() - directory.stat().st_mtime < LEFT_AFTER_S:
            return
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory)
        finally:
            os.close(handle)


class Kind(enum.IntEnum):
    """What a record says; agent/recorder.h has the meaning of the other fields for each."""

    HELLO = 1
    INTENT = 2
    SUBMIT = 3
    END = 4
    SAMPLE = 5
    WITNESS = 6
    RELEASE = 7
    BEAT = 8
    BYE = 9
    FILE = 10
    PHASE = 11
    REFUSED = 12
    REMEDIED = 13


class EndFlag(enum.IntFlag):
    """Field `c` of an `end` record."""

    LATE = 1
    AFTER_RELEASE = 2
    VICTIM = 4
    SUBMIT_FAILED = 8


FATES = ("completed", "corrupted", "failed", "timed_out", "stalled", "hung", "lost")
"""Fates by their code in an `end` record."""

REMEDIES = ("applied", "used_up", "ran_out", "nothing", "circle", "too_late")
"""How it came out what a client did about a refused attempt, by the code of a `remedied` record (Remedy in agent/ring_layout.h)."""


@dataclass(frozen=True, slots=True)
class Record:
    seq: int
    t_ns: int
    kind: int
    code: int
    client: int
    job: int
    a: int
    b: int
    c: int
    raw_text: bytes

    @property
    def text(self) -> str:
        return self.raw_text.split(b"\0", 1)[0].decode(errors="replace")

    @property
    def t_s(self) -> float:
        return self.t_ns / 1e9


RECORD_SIZE = _RECORD.size


def write_whole(handle: int, data: bytes) -> None:
    """Raises OSError where not all of it can be written: a disk that fills up takes a part first."""
    while data:
        data = data[os.write(handle, data):]


def unpack(data: bytes) -> Record:
    """A record from its bytes as they lie in a ring; as many as RECORD_SIZE."""
    return Record(*_RECORD.unpack(data))


def make_empty(path: Path) -> None:
    """A file for the ring of a guest that is to wait until there is a request in it."""
    with path.open("wb") as file:
        file.truncate(SIZE)


class Ring:
    """A ring file, created with a request in it and read while, and after, the agent writes records."""

    def __init__(self, path: Path, request: Mapping[str, Any], only_read: bool = False, kept: Path | None = None) -> None:
        """Create the file. Raises UsageError for a request that does not fit (1 MiB less a page).

        Records go to `kept` before they are given out, and before their room is given back.

        With `only_read` nothing is ever written to it again, so that what the guest finds there is the same in every replay. It is
        larger then, for no room is given back: a guest that has filled it waits for ever.
        """
        self.path = path
        size = ONLY_READ_SIZE if only_read else SIZE
        text = json.dumps(request).encode()
        if len(text) > RECORDS_OFFSET - REQUEST_OFFSET:
            raise UsageError(f"the scenario is too large for the ring: {len(text)} bytes, at most {RECORDS_OFFSET - REQUEST_OFFSET}")
        with path.open("wb") as file:
            file.truncate(size)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), size)
        self.capacity = (size - RECORDS_OFFSET) // _RECORD.size
        self._only_read = only_read
        self._kept = kept.open("ab", buffering=0) if kept else None
        self._synced = time.monotonic()
        self._request = text
        self.lay_out()
        self._consumed = 0
        self._hole_since: float | None = None
        self.torn = 0
        """Records that were claimed and never published: their writer was killed, or the machine died, in the middle."""

    def lay_out(self) -> None:
        """Write header and request, the magic last: a guest may be waiting for it.

        Again after a guest was restored, before it goes on: its ring is then as it was when the guest was saved, empty.
        """
        header = _HEADER.pack(b"", VERSION, _RECORD.size, RECORDS_OFFSET, self.capacity, REQUEST_OFFSET, len(self._request), 0, 0, 0)
        self._map[: _HEADER.size] = header
        self._map[REQUEST_OFFSET : REQUEST_OFFSET + len(self._request)] = self._request
        self._map[: len(MAGIC)] = MAGIC

    def close(self) -> None:
        self._map.close()
        if self._kept:
            self._kept.close()

    def _keep(self, index: int) -> None:
        """All that is known is with the kernel at once, and on the disk within a second. Raises OSError where there is no room."""
        if not self._kept:
            return
        at = RECORDS_OFFSET + index % self.capacity * _RECORD.size
        write_whole(self._kept.fileno(), self._map[at:at + _RECORD.size])
        if time.monotonic() - self._synced > SYNC_S:
            os.fdatasync(self._kept.fileno())
            self._synced = time.monotonic()

    @property
    def full(self) -> bool:
        """Whether a host that only reads has left the agent no room for more jobs (Recorder::has_room())."""
        return self._only_read and self.claimed >= self.capacity - self.capacity // 4

    @property
    def claimed(self) -> int:
        return int(struct.unpack_from("<Q", self._map, _CLAIMED_OFFSET)[0])

    def ask_to_stop(self) -> None:
        """Ask the agent to release everything and to say bye; not where the host only reads."""
        if self._only_read:
            return
        struct.pack_into("<I", self._map, _STOP_OFFSET, 1)

    def read(self, final: bool = False) -> Iterator[Record]:
        """The records published since the last call, in order.

        A record that is claimed and not yet published ends the reading. It is passed over and counted as torn where `final` says
        that nobody writes any more, and where others have been published behind it for HOLE_S: its writer was killed.
        """
        # Nobody has written further than the ring's length ahead: a count beyond that waits for room, or is garbage.
        end = min(self.claimed, self._consumed + CAPACITY)
        while self._consumed < end:
            record = self._at(self._consumed)
            if record.seq == self._consumed + 1:
                self._keep(self._consumed)
                yield record
            elif final or self._is_hole(end):
                self.torn += 1
            else:
                break
            self._hole_since = None
            self._consumed += 1
            if self._only_read:
                continue
            struct.pack_into("<Q", self._map, _CONSUMED_OFFSET, self._consumed)

    def _at(self, index: int) -> Record:
        return Record(*_RECORD.unpack_from(self._map, RECORDS_OFFSET + index % self.capacity * _RECORD.size))

    def _is_hole(self, end: int) -> bool:
        if not any(self._at(index).seq == index + 1 for index in range(self._consumed + 1, end)):
            return False
        self._hole_since = self._hole_since or time.monotonic()
        return time.monotonic() - self._hole_since > HOLE_S
