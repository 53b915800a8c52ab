# SPDX-License-Identifier: MIT
"""The harness as a process of its own: the command line as it is, started from a server that has its modules loaded already."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.context import ForkServerContext
from pathlib import Path

from drmsqueeze.campaign.processes import kill_all, marked, words

MARK = "DRMSQUEEZE_CAMPAIGN_ROUND"


def server() -> ForkServerContext:
    """What starts harnesses; loading their modules each time would take most of a round."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["drmsqueeze.cli"])
    return context


def _main(argv: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    os.setsid()
    os.environ.update(environment)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd, to in ((0, os.open("/dev/null", os.O_RDONLY)), (1, out), (2, out)):
        os.dup2(to, fd)
    os.write(out, f"$ drmsqueeze {' '.join(argv)}\n".encode())
    from drmsqueeze import cli
    sys.exit(cli.main(argv))


def _kill(pids: Iterable[int]) -> int:
    """SIGKILL for each; how many were there."""
    count = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            count += 1
    return count


class Harness:
    """One command of the harness, under way or over."""

    def __init__(self, context: ForkServerContext, argv: Sequence[str], environment: Mapping[str, str], log: Path, mark: str) -> None:
        """`mark` is in the environment of all that comes of it."""
        self.mark = mark
        self._process = context.Process(target=_main, args=(list(argv), dict(environment) | {MARK: mark}, str(log)))
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it is under way; below 0 the signal that killed it."""
        return self._process.exitcode

    def kill(self) -> None:
        """SIGKILL, to it alone: what it has started goes on."""
        self._process.kill()
        self._process.join()

    def kill_with_all(self) -> None:
        """As where the lab's own host loses its power."""
        self.kill()
        kill_all(lambda: marked(MARK, self.mark))

    def wait(self, limit_s: float) -> int | None:
        """Its exit code, or None where it has none by then."""
        self._process.join(limit_s)
        return self.exit_code

    def connections(self) -> list[int]:
        """The ssh processes that it has started."""
        return [pid for pid in marked(MARK, self.mark) if any(word == "ssh" or word.endswith("/ssh") for word in words(pid)[:2])]

    def kill_connections(self) -> int:
        """SIGKILL for each of them; how many there were."""
        return _kill(self.connections())

    def kill_worker(self) -> bool:
        """SIGKILL for a process that serves a board; whether there was one."""
        found = [pid for pid in marked(MARK, self.mark) if "drmsqueeze.night_worker" in words(pid)]
        return bool(_kill(found[:1]))
