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
from collections import deque
from pathlib import Path

from drmsqueeze.machines.board_file import Console, tcp

RECORD = re.compile(rb"drmsqueeze-record: ([A-Za-z0-9+/]*={0,2})\r?$")
RECORD_SIZE = 128
# A console that is flooded must not fill the harness's disk. What comes last is kept beside it, however much there was.
MOST_BYTES = 16 << 20
LAST_BYTES = 64 << 10
LONGEST_LINE = 4096
SYNC_S = 1.0
RETRY_S = 1.0
CUT = b"\n[drmsqueeze: the console was flooded; the rest of it is not kept, its end is in evidence/last-words.txt]\n"


class BoardConsole:
    """Follows a console with a thread of its own, from now until `close`. It is opened again where it is lost."""

    def __init__(self, how: Console, log: Path) -> None:
        self._how, self._log = how, log
        self._closing = threading.Event()
        self._fd: int | None = None
        self._kept: list[socket.socket | subprocess.Popen[bytes]] = []
        self._line = b""
        self._written = 0
        self._told: deque[bytes] = deque()
        self._last = bytearray()
        self._lock = threading.Lock()
        self.heard_at = time.monotonic()
        self.answers = 0
        """How often the kernel has answered sysrq."""
        self.panicked_at: float | None = None
        self.proven = False
        """Whether what is typed on it was ever answered."""
        log.touch()
        self._thread = threading.Thread(target=self._follow, name="console", daemon=True)
        self._thread.start()

    def _open(self) -> int:
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
        self._kept = [subprocess.Popen(self._how.command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)]
        os.close(theirs)
        return ours

    def _follow(self) -> None:
        with self._log.open("ab", buffering=0) as log:
            synced = time.monotonic()
            while not self._closing.is_set():
                try:
                    self._fd = self._fd if self._fd is not None else self._open()
                    if not select.select([self._fd], [], [], 0.1)[0]:
                        continue
                    data = os.read(self._fd, 65536)
                except (OSError, ValueError):
                    data = b""
                if not data:
                    self._forget()
                    self._closing.wait(RETRY_S)
                    continue
                self._take(data, log.fileno())
                if time.monotonic() - synced > SYNC_S:
                    os.fdatasync(log.fileno())
                    synced = time.monotonic()
            os.fdatasync(log.fileno())
        self._forget()

    def _forget(self) -> None:
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

    def _take(self, data: bytes, log: int) -> None:
        self.heard_at = time.monotonic()
        room = MOST_BYTES - self._written
        if room > 0:
            self._written += os.write(log, data[:room] + (CUT if len(data) >= room else b""))
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
            digits = found[1] + b"=" * (-len(found[1]) % 4)
            try:
                record = base64.b64decode(digits, validate=True)
            except binascii.Error:
                return  # the kernel printed into it
            if len(record) <= RECORD_SIZE + 1:
                self._told.append(record[:RECORD_SIZE].ljust(RECORD_SIZE, b"\0"))

    def told(self) -> list[bytes]:
        """Records that came over the console since the last call."""
        return [self._told.popleft() for _ in range(len(self._told))]

    def last_words(self) -> bytes:
        with self._lock:
            return bytes(self._last)

    def text(self) -> str:
        """What is kept of it."""
        return self._log.read_text(errors="replace")

    @property
    def can_break(self) -> bool:
        return bool(self._how.device or self._how.pause)

    def sysrq(self, key: str) -> None:
        """A BREAK, and the key. Raises OSError where the console is lost."""
        fd = self._fd
        if fd is None:
            raise ConnectionError("the console is not open")
        if self._how.device:
            termios.tcsendbreak(fd, 0)
        else:
            os.write(fd, (self._how.pause or "").encode())
        os.write(fd, key.encode())

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
