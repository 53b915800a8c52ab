# SPDX-License-Identifier: MIT
"""A cache of things that take long to build, outside the tree and keyed by the content of all that went into them.

An entry is a directory. It counts only once its `complete` file is there, which is written last: an interrupted build leaves
a directory without that file, and the next build starts from nothing.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

COMPLETE = "complete"


def root() -> Path:
    """The cache's directory: `$XDG_CACHE_HOME/drmsqueeze`, or `~/.cache/drmsqueeze`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).resolve() / "drmsqueeze"


@lru_cache(maxsize=None)
def _file_digest(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, computed once in a process for as long as size and time stay the same."""
    status = path.stat()
    return _file_digest(path, status.st_size, status.st_mtime_ns)


def tree_digest(*paths: Path) -> str:
    """SHA-256 over names, run bits and contents of files and directory trees, in a fixed order."""
    digest = hashlib.sha256()
    for top in paths:
        files = sorted(p for p in top.rglob("*") if p.is_file()) if top.is_dir() else [top]
        for path in files:
            name = path.relative_to(top.parent)
            digest.update(f"{name}\0{os.access(path, os.X_OK)}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()


def key_of(inputs: Mapping[str, str]) -> str:
    """The key of an entry: the first 16 hex digits of the SHA-256 over its named inputs."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone with what this lock file stands for; waits for others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def find(kind: str, inputs: Mapping[str, str]) -> Path | None:
    """The whole entry of this kind for these inputs, or None."""
    path = root() / kind / key_of(inputs)
    return path if (path / COMPLETE).exists() else None


def get(kind: str, inputs: Mapping[str, str], build: Callable[[Path], None]) -> Path:
    """The entry of this kind for these inputs, built by `build(directory)` where it is not there yet.

    Two processes that want the same entry build it once. Whatever `build` raises is passed on, and the entry stays incomplete.
    """
    found = find(kind, inputs)
    if found:
        return found
    path = root() / kind / key_of(inputs)
    with locked(path.with_suffix(".lock")):
        if (path / COMPLETE).exists():
            return path
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        build(path)
        unfinished = path / (COMPLETE + ".new")
        unfinished.write_text(json.dumps(dict(inputs), indent=1, sort_keys=True) + "\n")
        unfinished.rename(path / COMPLETE)
    return path


def forget(kind: str, inputs: Mapping[str, str]) -> None:
    """Remove the entry of this kind for these inputs: what uses it finds that it does not serve."""
    path = root() / kind / key_of(inputs)
    with locked(path.with_suffix(".lock")):
        (path / COMPLETE).unlink(missing_ok=True)  # first: half an entry is none
        shutil.rmtree(path, ignore_errors=True)


def touch(entry: Path) -> None:
    """Note that an entry is used now, for `trim`."""
    with suppress(OSError):
        os.utime(entry)


def trim(kind: str, most_bytes: int) -> None:
    """Remove entries of a kind, those first that were built or touched longest ago, until they take no more than so many bytes.

    What an interrupted build left goes too. An entry that somebody builds just now stays. One that is removed while somebody reads it
    is gone for him where he had not opened its files: he builds it again.
    """
    entries = []
    for path in (root() / kind).iterdir() if (root() / kind).is_dir() else ():
        with suppress(OSError):
            if path.is_dir():
                entries.append((path.stat().st_mtime, sum(file.stat().st_size for file in path.iterdir()), path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        whole = (path / COMPLETE).exists()
        if whole and total <= most_bytes:
            continue
        with path.with_suffix(".lock").open("w") as lock, suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (path / COMPLETE).unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)
            total -= size
