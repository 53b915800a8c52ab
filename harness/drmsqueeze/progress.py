# SPDX-License-Identifier: MIT
"""What the user sees while something takes long: bars on a terminal, plain lines in a log."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from drmsqueeze.errors import InfrastructureError

console = Console(stderr=True, highlight=False, soft_wrap=True)

# A log gets one line for each step that takes long, and not more than one in this many seconds.
LOG_EVERY_S = 20.0

# What a user's environment may hold for other builds, and the kernel's would take; it is no part of the cache's keys.
BUILD_VARIABLES = ("ARCH", "CROSS_COMPILE", "KCFLAGS", "KCPPFLAGS", "LOCALVERSION", "KBUILD_OUTPUT", "LLVM", "CFLAGS", "CXXFLAGS")


def say(message: str) -> None:
    """One line for the user, on standard error. Where it cannot be written, on a disk that is full, work goes on all the same."""
    with suppress(OSError):
        console.print(message, markup=False)


class Step(Protocol):
    """A long step under way."""

    def advance(self, by: float = 1, note: str = "") -> None:
        """`by` more units are done; `note` says what is being done now."""


class _LogStep:
    def __init__(self, title: str, total: float) -> None:
        self._title, self._total, self._done = title, total, 0.0
        self._said = time.monotonic()
        self._began: float | None = None
        say(f"{title} ...")

    def advance(self, by: float = 1, note: str = "") -> None:
        now = time.monotonic()
        if self._began is None:  # what came before the first unit says nothing about the pace of the rest
            self._began = now
        self._done += by
        if now - self._said < LOG_EVERY_S or not self._done:
            return
        self._said = now
        left = (now - self._began) * max(0.0, self._total - self._done) / self._done
        say(f"{self._title}: {self._done:.0f} of about {self._total:.0f}, about {left:.0f} s left {note}".rstrip())


class _BarStep:
    def __init__(self, bar: Progress, title: str, total: float) -> None:
        self._bar = bar
        self._task = bar.add_task(title, total=total, note="")

    def advance(self, by: float = 1, note: str = "") -> None:
        self._bar.update(self._task, advance=by, note=note)


@contextmanager
def step(title: str, total: float) -> Iterator[Step]:
    """Show a step of `total` units (an estimate will do) until the block ends."""
    if not sys.stderr.isatty():
        yield _LogStep(title, total)
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"), console=console,
    ) as bar:
        yield _BarStep(bar, title, total)


def run_logged(command: Sequence[str | Path], log: Path, shown: Step | None = None, cwd: Path | None = None) -> None:
    """Run a command with its output in `log`; every line of output advances `shown`.

    Raises InfrastructureError with the end of the log where the command fails.
    """
    with log.open("a") as out:
        out.write(f"$ {' '.join(map(str, command))}\n")
        out.flush()
        environment = {name: value for name, value in os.environ.items() if name not in BUILD_VARIABLES}
        process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   stdin=subprocess.DEVNULL, errors="replace", env=environment, start_new_session=True)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                out.write(line)
                if shown:
                    shown.advance()
            status = process.wait()
        finally:
            if process.poll() is None:  # interrupted: nobody is to go on writing where the next build will
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if status:
        tail = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-25:])
        raise InfrastructureError(f"{command[0]} ended with status {status}; the end of {log}:\n{tail}")
