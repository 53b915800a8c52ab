# SPDX-License-Identifier: MIT
"""A board's console: written to disk as it comes, and searched for records that are told on it, panics, and answers to sysrq."""

import base64
import binascii
import os
import re
import select
import socket
import subprocess
import termios
import threading
import time
import tty
import zlib
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from drmsqueeze.machines.board_file import Console, tcp
from drmsqueeze.machines.machine import UNTIL_WE_DIE
from drmsqueeze.ring import write_whole

RECORD = re.compile(rb"drmsqueeze-record: ([A-Za-z0-9+/]*={0,2})\r?$")
RECORD_SIZE = 128
CRC_SIZE = 4
# A console that is flooded must not fill the harness's disk. What comes last is kept beside it, however much there was.
MOST_BYTES = 16 << 20
LAST_BYTES = 64 << 10
LONGEST_LINE = 4096
SYNC_S = 1.0
RETRY_S = 1.0
CUT = b"\n[drmsqueeze: the console was flooded; the rest of it is not kept, its end is in evidence/last-words.txt]\n"


def decode(digits: bytes, agent: int) -> bytes | None:
    """The record of a line of this agent (agent/console_teller.h); None for one of another run, or that something printed into."""
    of_run = zlib.crc32(agent.to_bytes(4, "little"))
    with suppress(binascii.Error):
        told = base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
        # Three bytes are four digits: behind the checksum there may be up to two that belong to nothing.
        for size in range(len(told), max(len(told) - 3, CRC_SIZE), -1):
            record, sum_ = told[:size - CRC_SIZE], told[size - CRC_SIZE:size]
            if len(record) <= RECORD_SIZE and not any(told[size:]) and zlib.crc32(record, of_run) == int.from_bytes(sum_, "little"):
                return record.ljust(RECORD_SIZE, b"\0")
    return None


class Terminal(Protocol):
    """The line to a console. It may be opened again after it was lost; one thread reads, another may write."""

    can_break: bool
    """Whether it can send a serial BREAK."""

    def open(self) -> None:
        """Raises OSError where nobody is there."""

    def read(self, wait_s: float) -> bytes | None:
        """What has come, after waiting so long for it; None for nothing, no bytes for a line that is lost. Raises OSError for that too."""

    def write(self, data: bytes) -> None:
        """Raises OSError where the line is lost."""

    def send_break(self) -> None:
        """Raises as `write`."""

    def close(self) -> None:
        """Also of a line that is not open."""


class Line:
    """A serial port, a socket or a program, as a board's file describes it."""

    def __init__(self, how: Console) -> None:
        self._how = how
        self._fd: int | None = None
        self._kept: list[socket.socket | subprocess.Popen[bytes]] = []
        self.can_break = bool(how.device or how.pause)

    def open(self) -> None:
        self._fd = self._opened()

    def _opened(self) -> int:
        if self._how.device:
            fd = os.open(self._how.device, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(fd)
            attributes = termios.tcgetattr(fd)
            attributes[4] = attributes[5] = getattr(termios, f"B{self._how.baud}")
            termios.tcsetattr(fd, termios.TCSANOW, attributes)
            return fd
        if self._how.socket:
            place = tcp(self._how.socket)
            line = socket.create_connection(place) if place else socket.socket(socket.AF_UNIX)
            if not place:
                line.connect(self._how.socket)
            self._kept = [line]
            return os.dup(line.fileno())
        assert self._how.command
        ours, theirs = os.openpty()  # such programs want a terminal
        tty.setraw(theirs)
        self._kept = [subprocess.Popen([*UNTIL_WE_DIE, *self._how.command], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)]
        os.close(theirs)
        return ours

    def read(self, wait_s: float) -> bytes | None:
        fd = self._there()
        return os.read(fd, 65536) if select.select([fd], [], [], wait_s)[0] else None

    def _there(self) -> int:
        if self._fd is None:
            raise ConnectionError("the console is not open")
        return self._fd

    def write(self, data: bytes) -> None:
        os.write(self._there(), data)

    def send_break(self) -> None:
        if self._how.device:
            termios.tcsendbreak(self._there(), 0)
        else:
            self.write((self._how.pause or "").encode())

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)
        for kept in self._kept:
            if isinstance(kept, socket.socket):
                kept.close()
            elif kept.poll() is None:
                kept.kill()
                kept.wait()
        self._kept = []


class BoardConsole:
    """Follows a console with a thread of its own, from now until `close`. It is opened again where it is lost."""

    def __init__(self, terminal: Terminal, log: Path) -> None:
        self._line_to, self._log = terminal, log
        self._closing = threading.Event()
        self._line = b""
        self._written = 0
        self._told: deque[bytes] = deque()
        self._last = bytearray()
        self._lock = threading.Lock()
        self.heard_at = time.monotonic()
        self.spoiled = 0
        """Records that were told on it, and could not be read: they are told again."""
        self.answers = 0
        """How often the kernel has answered sysrq."""
        self.panicked_at: float | None = None
        self._no_room: OSError | None = None
        self.proven = False
        """Whether what is typed on it was ever answered."""
        log.touch()
        self._thread = threading.Thread(target=self._follow, name="console", daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        is_open = False
        with self._log.open("ab", buffering=0) as log:
            synced = time.monotonic()
            while not self._closing.is_set():
                try:
                    if not is_open:
                        self._line_to.open()
                        is_open = True
                    data = self._line_to.read(0.1)
                    if data is None:
                        continue
                except (OSError, ValueError):
                    data = b""
                if not data:
                    is_open = False
                    self._line_to.close()
                    self._closing.wait(RETRY_S)
                    continue
                self._take(data, log.fileno())
                if time.monotonic() - synced > SYNC_S:
                    self._sync(log.fileno())
                    synced = time.monotonic()
            self._sync(log.fileno())
        self._line_to.close()

    def _sync(self, log: int) -> None:
        try:
            os.fdatasync(log)
        except OSError as error:
            self._no_room = error

    def _take(self, data: bytes, log: int) -> None:
        self.heard_at = time.monotonic()
        room = MOST_BYTES - self._written
        if room > 0 and not self._no_room:
            kept = data[:room] + (CUT if len(data) >= room else b"")
            try:
                write_whole(log, kept)
                self._written += len(kept)
            except OSError as error:
                self._no_room = error  # who asks for its text hears of it: a verdict on half a console would be wrong
        with self._lock:
            self._last += data
            del self._last[:-LAST_BYTES]
        *whole, self._line = (self._line + data).split(b"\n")
        self._line = self._line[-LONGEST_LINE:]
        for line in whole:
            self._look_at(line)

    def _look_at(self, line: bytes) -> None:
        self.answers += b"sysrq: " in line
        if b"Kernel panic - not syncing" in line and self.panicked_at is None:
            self.panicked_at = time.monotonic()
        if found := RECORD.search(line):
            self._told.append(found[1])

    def told(self, agent: int) -> list[bytes]:
        """Records of this agent that came over the console since the last call."""
        lines = [decode(self._told.popleft(), agent) for _ in range(len(self._told))]
        self.spoiled += lines.count(None)
        return [record for record in lines if record is not None]

    def last_words(self) -> bytes:
        with self._lock:
            return bytes(self._last)

    def text(self) -> str:
        """What is kept of it. Raises OSError where it could not all be kept for want of room."""
        if self._no_room:
            raise self._no_room
        return self._log.read_text(errors="replace")

    @property
    def can_break(self) -> bool:
        return self._line_to.can_break

    def sysrq(self, key: str) -> None:
        """A BREAK, and the key. Raises OSError where the console is lost."""
        self._line_to.send_break()
        self._line_to.write(key.encode())

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
