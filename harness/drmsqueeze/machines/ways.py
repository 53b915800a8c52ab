# SPDX-License-Identifier: MIT
"""How a board is reached: by what its file says, or by what is built into the machine that we run on."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drmsqueeze.errors import InfrastructureError
from drmsqueeze.machines.board_file import BoardFile
from drmsqueeze.machines.console import Line, Terminal
from drmsqueeze.machines.link import Link, LocalLink, SshLink

OOM_SCORE = Path("/proc/self/oom_score_adj")
NEVER_OOM_KILLED = "-1000"


@dataclass(frozen=True)
class Ways:
    """What a harness has of a board: a link always, and a console and a power switch where there are."""

    link: Link
    boot: Callable[[str], None]
    """Does what it takes that the board boots the kernel of this name. Raises InfrastructureError."""
    terminal: Callable[[], Terminal] | None = None
    cycle: Callable[[], None] | None = None
    """Cuts the power and puts it back. Raises InfrastructureError."""
    held: Callable[[], AbstractContextManager[None]] = nullcontext
    """Holds what is needed of the lab for as long as the board is used. Raises InfrastructureError where that cannot be had."""


def of_file(board: BoardFile) -> Ways:
    """A board as its file describes it."""
    def carry_out(command: list[str], what: str) -> None:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=board.limits.power)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InfrastructureError(f"{board.title}: {what}: {error}") from None
        if done.returncode:
            raise InfrastructureError(f"{board.title}: {what} ended with status {done.returncode}: {(done.stderr or done.stdout).strip()}")

    def boot(kernel: str) -> None:
        for number, command in enumerate(board.kernels[kernel].boot):
            carry_out(list(command), f"kernel {kernel}, boot command {number + 1}")

    def cycle() -> None:
        for position in ["cycle"] if "cycle" in board.power else ["off", "on"]:
            carry_out(list(board.power[position]), f"power {position}")

    return Ways(SshLink(board), boot, partial(Line, board.console) if board.console else None, cycle if board.power else None)


def of_this_machine(board: BoardFile) -> Ways:
    """This machine, whose console and power are none of ours: when it dies, we do."""
    def boot(kernel: str) -> None:
        raise AssertionError(kernel)  # it knows of none but the one that runs

    return Ways(LocalLink(board), boot, held=_spared)


@contextmanager
def _spared() -> Iterator[None]:
    """The harness shares the memory that a run takes away: it is not to be killed for it, as the agent is not (agent/keeper.cc)."""
    before = None
    with suppress(OSError):  # without root no run begins
        before = OOM_SCORE.read_text()
        OOM_SCORE.write_text(NEVER_OOM_KILLED)
    try:
        yield
    finally:
        if before is not None:
            with suppress(OSError):
                OOM_SCORE.write_text(before)
