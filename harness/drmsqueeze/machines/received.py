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

from drmsqueeze.ring import RECORD_SIZE, Kind, Record, unpack

FILE = "records.bin"
BEGIN = b"drmsqueeze-records: "
"""What stands before the records of a connection: this, and the boot id (on_board.py)."""
STOP = 0xFFFFFFFFFFFFFFFF
RETRY_S = 3.0
# From the end of what it brings to the end of a connection's program.
ENDS_S = 1.0
# A record that came over the console may be behind one that is still under way over ssh.
GAP_S = 2.0


def stored(directory: Path) -> Iterator[Record]:
    """The records that a run directory holds, in order: all that was known when the harness itself was killed."""
    data = (directory / FILE).read_bytes() if (directory / FILE).exists() else b""
    for at in range(0, len(data) - RECORD_SIZE + 1, RECORD_SIZE):
        yield unpack(data[at:at + RECORD_SIZE])


class Received:
    """Records as they arrive. A connection that ends is made again; what it brings twice is taken once."""

    def __init__(self, directory: Path, connect: Callable[[int], Sequence[str]], told: Callable[[], Sequence[bytes]]) -> None:
        """`connect(n)` is the program to run for the records from number n on; `told()` are records that came by another way."""
        self._file = (directory / FILE).open("ab", buffering=0)
        self._connect, self._other = connect, told
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
        fresh = [*self._from_connection(), *self._from_console()]
        now = time.monotonic()
        for data in fresh:
            record = unpack(data)
            if record.seq >= self._next:
                self._held.setdefault(record.seq, (now, record, data))
        ready = []
        while self._held:
            seq = self._next if self._next in self._held else min(self._held)
            if seq != self._next and not final and now - self._held[seq][0] < GAP_S:
                break
            self.torn += seq - self._next
            self._next = seq + 1
            ready.append(self._held.pop(seq))
        if ready:
            self._file.write(b"".join(data for _, _, data in ready))
            os.fdatasync(self._file.fileno())
            self._acknowledge(self._next - 1)
        for _, record, _ in ready:
            self.bye |= record.kind == Kind.BYE
            yield record

    def _from_console(self) -> list[bytes]:
        told = [data for data in self._other() if unpack(data).seq >= self._next]
        self.by_console += len(told)
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
