# SPDX-License-Identifier: MIT
"""A disk of its own for the results of a night, that somebody else fills or that becomes read-only under them."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

SIZE_MIB = 80
PIECE = b"\0" * (1 << 16)


def refusal() -> str | None:
    """Why there can be none here; None where there can."""
    return None if os.geteuid() == 0 else "needs root, to mount a file system"


class ResultsDisk:
    """Below `place`; a plain directory where `mounted` is not wanted. Use it as a context."""

    def __init__(self, place: Path, mounted: bool) -> None:
        self.place, self._mounted = place, mounted
        self.results = place / "night"
        self._layers = 0

    def __enter__(self) -> Self:
        self.place.mkdir(parents=True)
        if self._mounted:
            self._mount("-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "results", str(self.place))
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        while self._layers:
            self._unmount()

    def _mount(self, *words: str) -> None:
        subprocess.run(["mount", *words], check=True, capture_output=True)
        self._layers += 1

    def _unmount(self) -> None:
        subprocess.run(["umount", "-l", str(self.place)], check=True, capture_output=True)
        self._layers -= 1

    def fill(self, leave: int) -> None:
        """Somebody else takes all room but for so many bytes."""
        with (self.place / "somebody-else").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(PIECE)
        with (self.place / "somebody-else").open("r+b") as file:
            file.truncate(max(0, file.seek(0, os.SEEK_END) - leave))

    def free(self) -> None:
        (self.place / "somebody-else").unlink(missing_ok=True)

    def read_only(self) -> None:
        """As seen by whoever opens a file from now on."""
        self._mount("--bind", str(self.place), str(self.place))
        for last in (False, False, True):  # mount(8) reads a table that other rounds change meanwhile
            done = subprocess.run(["mount", "-o", "remount,bind,ro", str(self.place)], check=last, capture_output=True)
            if done.returncode == 0:
                break

    def writable(self) -> None:
        if self._layers > 1:
            self._unmount()
