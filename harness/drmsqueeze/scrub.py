# SPDX-License-Identifier: MIT
"""Takes out of text what names a person or a machine: host and user names, home directories, absolute paths of the host.

What a kernel bug is recognised by stays: of a source file's path the end is kept, so that a signature (results/kernel_log.py,
normalise()) is the same before and after. Paths that every Linux has, and those that only the guest has, are no secret.
"""

import getpass
import json
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import drmsqueeze_results

from drmsqueeze import TOP, cache

INSTEAD = "/scrubbed"
# First components of paths that say nothing about the host: every Linux has them, or they are cgroups and devices of the guest.
PUBLIC_ROOTS = frozenset({"bin", "dev", "devices", "drmsqueeze-clients", "etc", "init", "lib", "lib32", "lib64", "proc", "rec", "run",
                          "sbin", "scrubbed", "sys", "usr"})
HOMES = {"home": 2, "Users": 2, "root": 1}
"""How many components of a path name its owner, by the first of them."""
KERNEL_TREE = frozenset({"arch", "drivers", "fs", "kernel", "mm", "net", "lib", "include", "block", "security"})
# What a path begins after: no word and no other path, but a compiler's option, or an escape of JSON that was cut off in the middle.
_BEGINS = r"(?:(?<![\w.)\]%<>/~-])|(?<=-[ILB])|(?<=\\[nrt]))"
# A path of at least two components.
_PATH = re.compile(_BEGINS + r"/(?:[\w.@%+~:,-]+/)+[\w.@%+~-]*")
_HOME_ALONE = re.compile(_BEGINS + r"/(?:home|Users)/[\w.-]+")
_TEXTS = (".log", ".txt", ".json", ".jsonl", ".yaml", ".md")
"""Files that are texts, also where a dying machine left zeros in them."""
_SOURCE = re.compile(r"\.(?:[chS]|cc|ko|rs|dts)$")
_BANNER = re.compile(r"(Linux version \S+ \()[^\s@()]+@[^\s()]+(?=\))")
_NAMED = re.compile(r"^(\s*(?:host-?name|node-?name|user-?name)\s*[:=]\s*).*$", re.M | re.I)


@lru_cache(maxsize=1)
def vocabulary() -> frozenset[str]:
    """All words of the formats' schemas, in lower case.

    A host called `vm`, or a user called `root`, is named like something that every run directory speaks of: to take the word out
    would break the documents, and to leave it tells nothing about anybody.
    """
    schemas = [TOP / "configs" / "scenario.schema.json", *(Path(drmsqueeze_results.__file__).parent / "schemas").glob("*.json")]
    words = {word.lower() for path in schemas for pattern in (r"[\w-]+", r"[A-Za-z0-9]+") for word in re.findall(pattern, path.read_text())}
    return frozenset(words | {"vm", "root", "localhost", "none", "debian"})


@dataclass(frozen=True)
class Scrubber:
    """`hosts` and `users` are names, `roots` directories of the host whose place is nobody's business."""

    hosts: tuple[str, ...]
    users: tuple[str, ...]
    roots: tuple[str, ...]

    @staticmethod
    def of_this_machine() -> "Scrubber":
        """Knows the names of the machine and the user that call it, and the directories that the program works in."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a user without an entry, as in containers
            user = ""
        host = socket.gethostname()
        hosts = dict.fromkeys([host, host.partition(".")[0]])
        roots = dict.fromkeys(str(path) for path in (TOP, cache.root(), Path.home(), Path.home().resolve()) if len(path.parts) > 1)
        return Scrubber(tuple(hosts), (user,), tuple(roots))

    @cached_property
    def _names(self) -> tuple[tuple[re.Pattern[str], str], ...]:
        def patterns(names: Iterable[str], instead: str) -> list[tuple[re.Pattern[str], str]]:
            told = {name for name in names if len(name) > 1 and name.lower() not in vocabulary() and name.lower() != instead}
            return [(re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", re.I), instead)
                    for name in sorted(told, key=lambda name: (-len(name), name))]
        return (*patterns(self.hosts, "host"), *patterns(self.users, "user"))

    @cached_property
    def _roots(self) -> list[str]:
        return sorted(self.roots, key=len, reverse=True)  # the innermost that fits is taken

    @cached_property
    def _known(self) -> re.Pattern[str]:
        """Paths at and below the known directories, also where these have one component only."""
        roots = "|".join(map(re.escape, self._roots)) or "(?!)"
        return re.compile(rf"{_BEGINS}(?:{roots})(?![\w.-])(?:/[\w.@%+~-]+)*/?")

    @staticmethod
    def _shown(parts: Sequence[str]) -> str:
        """What is shown instead of a path below a place that is not told."""
        if not parts or not _SOURCE.search(parts[-1].split(":")[0]):
            return INSTEAD
        # The first directory of the kernel's tree, as normalise() finds it: the last place that may begin the path there.
        inside = [at for at, part in enumerate(parts[:-1]) if part in KERNEL_TREE]
        kept = parts[inside[-1]:] if inside else parts[-2:]
        return "/".join([INSTEAD, *kept])

    def _path(self, path: str) -> str:
        parts = [part for part in path.split("/") if part]
        return path if parts[0] in PUBLIC_ROOTS else self._shown(parts[HOMES.get(parts[0], 0):])

    def _path_below_known(self, path: str) -> str:
        root = next(root for root in self._roots if path.startswith(root))
        return self._shown([part for part in path.removeprefix(root).split("/") if part])

    def text(self, text: str) -> str:
        """`text` scrubbed. Scrubbing twice is scrubbing once."""
        text = _BANNER.sub(r"\1user@host", text)
        text = _NAMED.sub(r"\1scrubbed", text)
        text = self._known.sub(lambda found: self._path_below_known(found[0]), text)
        text = _PATH.sub(lambda found: self._path(found[0]), text)
        text = _HOME_ALONE.sub(INSTEAD, text)
        for pattern, instead in self._names:
            text = pattern.sub(instead, text)
        return text

    def document(self, value: Any) -> Any:
        """A JSON document with all its texts scrubbed, the names of its members too where they are no words of the formats."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.document(item) for item in value]
        if isinstance(value, dict):
            return {self.text(name): self.document(item) for name, item in value.items()}
        return value

    def file(self, name: str, content: bytes) -> bytes | None:
        """The content of a file scrubbed; None for one that is no text and names somebody, which cannot be mended."""
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = content.decode("latin-1")
            if "\0" in text and not name.endswith(_TEXTS):
                return content if self.text(text) == text else None
            return self.text(text).encode("latin-1", "replace")
        if "\0" in text and not name.endswith(_TEXTS):
            return content if self.text(text) == text else None
        if name.endswith((".json", ".jsonl")):
            return self._json(text, name).encode()
        return self.text(text).encode()

    def _json(self, text: str, name: str) -> str:
        """JSON is scrubbed text by text, so that it stays JSON; what a dying machine left half written is taken as plain text."""
        try:
            if name.endswith(".jsonl"):
                return "".join(json.dumps(self.document(json.loads(line))) + "\n" for line in text.split("\n") if line)
            return json.dumps(self.document(json.loads(text)), indent=1) + "\n"
        except ValueError:
            return self.text(text)
