# SPDX-License-Identifier: MIT
"""What kmemleak found when a run was over: evidence/kmemleak.txt, as /sys/kernel/debug/kmemleak prints it (mm/kmemleak.c, Linux 6.12)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from drmsqueeze_results.lockdep import taker

_OBJECT = re.compile(r"^unreferenced object(?: \(percpu\))? 0x[0-9a-f]+ \(size (?P<bytes>\d+)\):")
_COMM = re.compile(r'^  comm "(?P<comm>.*)", pid (?P<pid>-?\d+), jiffies')
_FRAME = re.compile(r"^    (?:\[<[0-9a-f]+>\] )?(?P<function>[A-Za-z_][\w.$]*)\+0x")


@dataclass(frozen=True)
class Leak:
    """An object of the kernel that nobody refers to; `frames` is who allocated it, innermost first."""

    bytes: int
    comm: str
    frames: tuple[str, ...]

    @property
    def allocated_in(self) -> str | None:
        """The function that allocated it, behind those of the allocator."""
        return taker(self.frames)


def leaks(text: str) -> Iterator[Leak]:
    """Every object of a report, in its order. What is cut off within an object is left out."""
    size, comm, frames = 0, "?", list[str]()
    for line in [*text.splitlines(), "unreferenced object 0x0 (size 0):"]:
        begun, who, frame = _OBJECT.match(line), _COMM.match(line), _FRAME.match(line)
        if begun:
            if frames:
                yield Leak(size, comm, tuple(frames))
            size, comm, frames = int(begun["bytes"]), "?", []
        elif who:
            comm = who["comm"]
        elif frame:
            frames.append(frame["function"])
