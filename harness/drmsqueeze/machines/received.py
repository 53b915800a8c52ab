# SPDX-License-Identifier: MIT
"""Records of a machine that shares no memory with us: they come over ssh, or where that is gone over the console, and are on our disk
before anything is made of them."""

import os
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from drmsqueeze.ring import RECORD_SIZE, Kind, Record, unpack, write_whole

FILE = "records.bin"
BEGIN = b"drmsqueeze-records: "
"""What stands before the records of a connection: this, and the boot id (on_board.py)."""
STOP = 0xFFFFFFFFFFFFFFFF
RETRY_S = 3.0
# From the end of what it brings to the end of a connection's program.
ENDS_S = 1.0
# A connection brings records in order: what it has passed over was never written, or its room was given away.
GAP_S = 2.0
NEVER_WRITTEN = 0
"""The kind of a record that only the console tells of (agent/console_teller.h)."""


def stored(directory: Path) -> Iterator[Record]:
    """The records that a run directory holds, in order: all that was known when the harness itself was killed."""
    data = (directory / FILE).read_bytes() if (directory / FILE).exists() else b""
    for at in range(0, len(data) - RECORD_SIZE + 1, RECORD_SIZE):
        yield unpack(data[at:at + RECORD_SIZE])


class Received:
    """Records as they arrive. A connection that ends is made again; what it brings twice is taken once."""

    def __init__(self, directory: Path, connect: Callable[[int], Sequence[str]], told: Callable[[], Sequence[bytes]],
                 patience_s: float = GAP_S) -> None:
        """`connect(n)` is the program to run for the records from number n on; `told()` are records that came by another way.

        That way may bring some later than those behind them, when it tells them again: not after more than `patience_s`.
        """
        self._file = (directory / FILE).open("ab", buffering=0)
        self._connect, self._other, self._patience_s = connect, told, patience_s
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._begun = False
        self._again_at = 0.0
        self._next = 1
        self._held: dict[int, tuple[float, Record, bytes]] = {}
        self.torn = 0
        """Records that never came: their writer was killed, or both ways lost them."""
        self.bye = False
        self.boot_id: str | None = None
        """The machine's, as it was said when the connection was last made."""
        self.deserted = False
        """Whether the agent is gone, and all has come that it left."""
        self.connections = 0
        self.by_console = 0

    @property
    def full(self) -> bool:
        return False

    def read(self, final: bool = False) -> Iterator[Record]:
        now = time.monotonic()
        for fresh, patience_s in ((self._from_connection(), GAP_S), (self._from_console(), self._patience_s)):
            for data in fresh:
                self._hold(data, now + patience_s)
        ready = []
        while self._held:
            seq = self._next if self._next in self._held else min(self._held)
            if seq != self._next and not final and now < min(until for until, _, _ in self._held.values()):
                break
            self.torn += seq - self._next
            self._next = seq + 1
            _, record, data = self._held.pop(seq)
            if record.kind == NEVER_WRITTEN:
                self.torn += 1
            else:
                ready.append((record, data))
        if ready:
            write_whole(self._file.fileno(), b"".join(data for _, data in ready))
            os.fdatasync(self._file.fileno())
            self._acknowledge(self._next - 1)
        for record, _ in ready:
            self.bye |= record.kind == Kind.BYE
            yield record

    def _hold(self, data: bytes, until: float) -> None:
        """Keeps a record that is not known yet. `until`: when those before it will not come any more."""
        record = unpack(data)
        if record.seq < self._next:
            return
        there = self._held.get(record.seq)
        if there is None or there[1].kind == NEVER_WRITTEN:
            self._held[record.seq] = (until, record, data)
        else:
            self._held[record.seq] = (min(until, there[0]), *there[1:])

    def _from_console(self) -> list[bytes]:
        told = [data for data in self._other() if unpack(data).seq >= self._next]
        self.by_console += len({unpack(data).seq for data in told} - self._held.keys())
        return told

    def _from_connection(self) -> list[bytes]:
        if self._process is None:
            if self.bye or time.monotonic() < self._again_at:
                return []
            self._process = subprocess.Popen(self._connect(self._next), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                             start_new_session=True)
            assert self._process.stdout and self._process.stdin
            os.set_blocking(self._process.stdout.fileno(), False)
            os.set_blocking(self._process.stdin.fileno(), False)
            self._buffer, self._begun = b"", False
        assert self._process.stdout
        over = False
        for _ in range(64):
            try:
                data = os.read(self._process.stdout.fileno(), 1 << 16)
            except BlockingIOError:
                break
            if not data:
                over = True
                break
            self._buffer += data
        records = self._cut()
        if over:
            with suppress(subprocess.TimeoutExpired):  # a sender that ends well, unasked, says that no agent writes any more
                self.deserted = self._process.wait(ENDS_S) == 0 and self._begun
            self._hang_up()
        return records

    def _cut(self) -> list[bytes]:
        """The whole records of the buffer; before them, once, stands a line."""
        if not self._begun:
            at = self._buffer.find(BEGIN)
            if at < 0 or b"\n" not in self._buffer[at:]:
                return []
            line, _, self._buffer = self._buffer[at:].partition(b"\n")
            self.boot_id = line[len(BEGIN):].decode(errors="replace").strip() or None
            self._begun = True
            self.connections += 1
        whole = len(self._buffer) // RECORD_SIZE * RECORD_SIZE
        data, self._buffer = self._buffer[:whole], self._buffer[whole:]
        return [data[at:at + RECORD_SIZE] for at in range(0, whole, RECORD_SIZE)]

    def _hang_up(self) -> None:
        if self._process:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe:
                    with suppress(OSError):
                        pipe.close()
            self._process.wait()
        self._process, self._begun = None, False
        self._again_at = time.monotonic() + RETRY_S

    def _acknowledge(self, seq: int) -> None:
        if self._process and self._process.stdin:
            with suppress(OSError):  # eight bytes fit or the connection is no more worth than that
                os.write(self._process.stdin.fileno(), struct.pack("<Q", seq))

    def ask_to_stop(self) -> None:
        self._acknowledge(STOP)

    def close(self) -> None:
        """No more of them."""
        self._hang_up()
        if not self._file.closed:
            self._file.close()
