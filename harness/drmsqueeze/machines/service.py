# SPDX-License-Identifier: MIT
"""Which boards may be used: one run at a time on each, and none on one that could not be left as it was found."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from drmsqueeze.errors import InfrastructureError


def directory() -> Path:
    """`$XDG_STATE_HOME/drmsqueeze/boards`, or below `~/.local/state`."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "drmsqueeze" / "boards"


def _note(name: str) -> Path:
    return directory() / f"{name}.json"


def why_out(name: str) -> str | None:
    """Why a board was taken out of service, and when; None for one that was not."""
    try:
        document = json.loads(_note(name).read_text())
        return f"{document['reason']} ({document['since']})"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{_note(name)} cannot be read: {error}"


def take_out(name: str, reason: str) -> None:
    """No run uses this board from now on, until somebody has looked (`drmsqueeze board restore FILE`)."""
    document = {"schema": "drmsqueeze.board-out/1", "board": name, "reason": reason,
                "since": datetime.now(timezone.utc).isoformat(timespec="seconds")}
    _write(_note(name), json.dumps(document, indent=1) + "\n")


def put_back(name: str) -> None:
    _note(name).unlink(missing_ok=True)


def _write(file: Path, text: str) -> None:
    """So that it is on disk, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(file.name + ".new")
    with fresh.open("w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.rename(file)


def own_kernel(name: str) -> str | None:
    """The kernel of its file that a board is to be left with, where a run has booted another; None where none has."""
    with suppress(FileNotFoundError):
        return (directory() / f"{name}.kernel").read_text().strip() or None
    return None


def note_own_kernel(name: str, kernel: str | None) -> None:
    """Keep which kernel a board is to be left with, until it is; None: it is."""
    if kernel is None:
        (directory() / f"{name}.kernel").unlink(missing_ok=True)
    else:
        _write(directory() / f"{name}.kernel", kernel + "\n")


@contextmanager
def in_use(name: str) -> Iterator[None]:
    """Raises InfrastructureError where another process uses this board."""
    directory().mkdir(parents=True, exist_ok=True)
    with (directory() / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InfrastructureError(f"board {name} is in use by another run on this host") from None
        yield
