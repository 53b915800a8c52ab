# SPDX-License-Identifier: MIT
"""Processes of this host that carry a mark in their environment, and their end."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

ROUNDS = 200
PAUSE_S = 0.01


def marked(name: str, value: str) -> list[int]:
    """Those with this variable in their environment, dead ones that nobody has reaped left out."""
    wanted = f"{name}={value}".encode()
    return [pid for pid in pids() if _has(pid, wanted)]


def _has(pid: int, wanted: bytes) -> bool:
    try:
        return wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def pids() -> Iterator[int]:
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            yield int(entry.name)


def words(pid: int) -> list[str]:
    """The command line; empty for one that is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    return []


def kill_all(whom: Callable[[], Iterable[int]]) -> None:
    """SIGKILL until there is none. Raises RuntimeError where there is no end of them."""
    for _ in range(ROUNDS):
        found = list(whom())
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE_S)
    raise RuntimeError(f"processes that cannot be killed: {found}")
