# SPDX-License-Identifier: MIT
"""The ring, the restore journal and the truth of an agent made of processes (process_agent.py); nothing but the standard library."""

import errno
import fcntl
import json
import mmap
import os
import struct
import time
import zlib
from base64 import b64encode

HEADER = struct.Struct("<8sIIQQQQQQI")
RECORD = struct.Struct("<QQHHIQqqq72s")
CLAIMED, CONSUMED, STOP = 48, 56, 64
SIZE, REQUEST_OFFSET, RECORDS_OFFSET = 16 << 20, 4096, 1 << 20
CAPACITY = (SIZE - RECORDS_OFFSET) // RECORD.size
HELLO, INTENT, SUBMIT, END, SAMPLE, WITNESS, RELEASE, BEAT, BYE, FILE = range(1, 11)
COMPLETED, CORRUPTED, FAILED, TIMED_OUT, STALLED, HUNG, LOST = range(7)
AFTER_RELEASE, SUBMIT_FAILED = 2, 8
NO_CLIENT = 0xFFFFFFFF


def told_line(record: bytes, agent: int) -> bytes:
    """A record as it is told on a console, with a checksum over the agent's pid and itself (agent/console_teller.cc)."""
    record = record.rstrip(b"\0")
    sum_ = zlib.crc32(record, zlib.crc32(agent.to_bytes(4, "little")))
    return b"\ndrmsqueeze-record: " + b64encode(record + sum_.to_bytes(4, "little")).rstrip(b"=") + b"\n"


class Ring:
    """The agent's side of a ring, as agent/recorder.cc has it, and the truth."""

    def __init__(self, file: str, truth: str, request: bytes | None = None) -> None:
        """With a request the ring is laid out; FileExistsError where there is one."""
        self.fd = os.open(file, os.O_RDWR | (os.O_CREAT | os.O_EXCL if request is not None else 0), 0o600)
        if request is not None:
            os.ftruncate(self.fd, SIZE)
            os.pwrite(self.fd, request, REQUEST_OFFSET)
            os.pwrite(self.fd, HEADER.pack(b"DRMSQZR1", 1, RECORD.size, RECORDS_OFFSET, CAPACITY,
                                           REQUEST_OFFSET, len(request), 0, 0, 0), 0)
        self.map = mmap.mmap(self.fd, SIZE)
        self.truth = os.open(f"{truth}.records", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._told = f"{truth}.console"
        os.link(file, f"{truth}.ring")  # what of it the harness has taken is known also when the board's memory is gone

    def number(self, offset: int) -> int:
        return int(struct.unpack_from("<Q", self.map, offset)[0])

    @property
    def stop(self) -> bool:
        return bool(struct.unpack_from("<I", self.map, STOP)[0])

    def put(self, kind: int, code: int = 0, client: int = NO_CLIENT, job: int = 0, a: int = 0, b: int = 0, c: int = 0,
            text: str | bytes = "") -> None:
        raw = text.encode()[:71] if isinstance(text, str) else text
        fcntl.lockf(self.fd, fcntl.LOCK_EX)  # a writer that is killed lets go of it, and its record is a hole
        seq = self.number(CLAIMED) + 1
        struct.pack_into("<Q", self.map, CLAIMED, seq)
        record = RECORD.pack(seq, time.monotonic_ns(), kind, code, client, job, a, b, c, raw)
        os.write(self.truth, record)
        at = RECORDS_OFFSET + (seq - 1) % CAPACITY * RECORD.size
        self.map[at + 8:at + RECORD.size] = record[8:]
        self.map[at:at + 8] = record[:8]
        fcntl.lockf(self.fd, fcntl.LOCK_UN)

    def tell(self, seq: int, agent: int) -> bytes:
        """The line for the console. It is noted that this one was told there: whether anybody has heard it is not known."""
        at = RECORDS_OFFSET + (seq - 1) % CAPACITY * RECORD.size
        record = bytes(self.map[at:at + RECORD.size])
        with open(self._told, "ab", buffering=0) as out:
            out.write(struct.pack("<Q", seq))
        return told_line(record if int.from_bytes(record[:8], "little") == seq else seq.to_bytes(8, "little"), agent)  # or never written

    def file(self, number: int, name: str, content: bytes) -> None:
        self.put(FILE, job=number, a=-1, text=name)
        for at in range(0, len(content), 72):
            self.put(FILE, job=number, a=at, b=len(content[at:at + 72]), text=content[at:at + 72])


class RestoreJournal:
    """On disk before a knob is turned; in the format of injectors/restore_journal.cc."""

    def __init__(self, file: str) -> None:
        self.file, self.knobs = file, []  # type: ignore[var-annotated]
        os.makedirs(os.path.dirname(file), exist_ok=True)
        if os.path.exists(file):
            raise OSError(errno.EBUSY, f"{file}: an earlier run was not put back; run drmsqueeze-agent --restore")

    def turn(self, path: str, value: str) -> None:
        with open(path) as knob:
            self.knobs.append({"path": path, "saved": knob.read().strip()})
        fresh = self.file + ".new"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, (json.dumps({"schema": "drmsqueeze.restore/1", "knobs": self.knobs, "cgroups": []}, indent=1) + "\n").encode())
        os.fsync(fd)
        os.close(fd)
        os.rename(fresh, self.file)
        write(path, value)

    def restore(self) -> bool:
        for knob in reversed(self.knobs):
            write(knob["path"], knob["saved"])
        if os.path.exists(self.file):
            os.unlink(self.file)
        return True


def write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    os.write(fd, value.encode())
    os.close(fd)
