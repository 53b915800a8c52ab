# SPDX-License-Identifier: MIT
"""Where results go."""

import time
from pathlib import Path

from drmsqueeze import TOP
from drmsqueeze.errors import UsageError


def refuse_used(path: Path) -> None:
    """Raises UsageError for a directory that holds something: results are not written over."""
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is not a directory")
    if path.exists() and any(path.iterdir()):
        raise UsageError(f"{path} is not empty; results are not written over")


def free_directory(asked: Path | None, name: str) -> Path:
    """A directory for results: the one asked for, which must not hold results yet, or a dated one."""
    path = asked or TOP / "results-data" / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    refuse_used(path)
    return path


def new_directory(asked: Path | None, name: str) -> Path:
    """As `free_directory`, and it is made."""
    path = free_directory(asked, name)
    path.mkdir(parents=True, exist_ok=True)
    return path
