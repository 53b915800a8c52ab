# SPDX-License-Identifier: MIT
"""The file that says how to reach a board: read and checked as a scenario is (board.schema.json)."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from drmsqueeze.scenario import checked, fill, read_text, refuse

SCHEMA = Path(__file__).parents[1] / "board.schema.json"
RUNNING = "running"
"""The kernel of a board that nobody was asked to boot."""
LOCAL = "local"
"""The machine that we run on."""
Command = Sequence[str]


@dataclass(frozen=True)
class Ssh:
    """`identity` and `known_hosts` None: those of the user."""

    host: str
    user: str = "root"
    port: int | None = None
    identity: Path | None = None
    known_hosts: Path | None = None


@dataclass(frozen=True)
class Console:
    """One of `device`, `socket` and `command`. `pause` is what is typed for a serial BREAK; a device needs none."""

    device: str | None = None
    baud: int = 115200
    socket: str | None = None
    command: Command | None = None
    pause: str | None = None
    on_board: str = "/dev/console"


@dataclass(frozen=True)
class Kernel:
    """How it is booted: by programs, or on a target of labgrid's through states of its strategy."""

    boot: Sequence[Command] = ()
    release: str | None = None
    states: Sequence[str] = ()


@dataclass(frozen=True)
class Limits:
    """In seconds; the schema says of what."""

    boot: float
    connect: float
    command: float
    power: float
    reset: float


@dataclass(frozen=True)
class BoardFile:
    """The members of the file, with defaults filled in and paths made absolute.

    `ssh` is None for the machine that we run on. Others than a file may say how to reach it (ways.py).
    """

    name: str
    ssh: Ssh | None
    console: Console | None
    power: Mapping[str, Command]
    kernels: Mapping[str, Kernel]
    limits: Limits
    time_scale: float
    models: Sequence[str]
    directory: str
    state: str
    watchdog: bool
    lava: Mapping[str, Any] | None = None
    """What a LAVA job has that is the lab's own."""

    @property
    def title(self) -> str:
        """As in facts.json, and in messages."""
        return f"local {os.uname().nodename}" if self.ssh is None else f"board {self.name}"


@lru_cache(maxsize=1)
def rules() -> dict[str, Any]:
    return json.loads(SCHEMA.read_text())  # type: ignore[no-any-return]


def _contradictions(document: dict[str, Any]) -> Iterator[str]:
    ways = sorted({"device", "socket", "command"} & document.get("console", {"device": ""}).keys())
    if len(ways) != 1:
        yield f'/console: found {", ".join(ways) or "none"} of "device", "socket" and "command"; expected exactly one'
    power = document.get("power", {})
    if power and "cycle" not in power and not {"on", "off"} <= power.keys():
        yield '/power: found no way to cut the power and put it back; expected "cycle", or "off" and "on"'
    if document["name"] == LOCAL:
        yield f"/name: found the name of the machine that drmsqueeze itself runs on; expected another than {LOCAL}"
    if RUNNING in document["kernels"]:
        yield f"/kernels/{RUNNING}: found the name of the kernel that runs anyway; expected another"
    if document["directory"] == document["state"]:
        yield "/state: found the same as /directory; expected another, on a disk"


def parse(text: str, file: str, base: Path = Path(".")) -> BoardFile:
    """A board from its description; `base` is what paths are relative to. Raises UsageError as for a scenario."""
    document = checked(text, file, rules())
    properties = rules()["properties"]
    if "lava" in document:
        fill(document["lava"], properties["lava"]["properties"])
    for part, properties_of in ((document, properties), (document["ssh"], properties["ssh"]["properties"]),
                                (document.setdefault("limits_s", {}), properties["limits_s"]["properties"])):
        fill(part, properties_of)
    refuse(f"{file}: {problem}" for problem in _contradictions(document))

    def path(name: str) -> Path | None:
        return (base / Path(document["ssh"][name]).expanduser()).absolute() if name in document["ssh"] else None

    console = document.get("console")
    if console:
        console["pause"] = console.pop("break", None)
        if "socket" in console and not tcp(console["socket"]):
            console["socket"] = str((base / console["socket"]).absolute())
    ssh = document["ssh"]
    return BoardFile(
        document["name"], Ssh(ssh["host"], ssh["user"], ssh.get("port"), path("identity"), path("known_hosts")),
        Console(**console) if console else None, document.get("power", {}),
        {name: Kernel(**kernel) for name, kernel in document["kernels"].items()}, Limits(**document["limits_s"]), document["time_scale"],
        document["models"], document["directory"], document["state"], document["watchdog"], document.get("lava"))


def local() -> BoardFile:
    """The machine that we run on, which needs no file."""
    properties = rules()["properties"]
    limits = {name: rule["default"] for name, rule in properties["limits_s"]["properties"].items()}
    return BoardFile(LOCAL, None, None, {}, {}, Limits(**limits), 1, [], properties["directory"]["default"], properties["state"]["default"], True)


def tcp(place: str) -> tuple[str, int] | None:
    """The host and the port of HOST:PORT; None for the path of a Unix socket."""
    host, _, port = place.rpartition(":")
    return (host, int(port)) if host and port.isdecimal() and "/" not in host else None


def load(path: Path) -> BoardFile:
    """A board from its file. Raises UsageError as `parse` does, and for a file that cannot be read."""
    return parse(read_text(path), str(path), path.absolute().parent)
