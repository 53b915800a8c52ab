# SPDX-License-Identifier: MIT
"""A board made of shell scripts: an `ssh` that carries its command out here, and an agent that says what a test wants it to.

What stands in for /etc, /proc and /sys of the board are files of the test; the scripts that the harness sends are the real ones.
"""

import json
import os
import stat
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drmsqueeze.machines import board_file

RECORD = struct.Struct("<QQHHIQqqq72s")
SSH = """#!/bin/sh
# The last word is what ssh would give to the board's shell.
for word; do last=$word; done
printf '%s\\n' "$@" >>"{root}/argv"
test -e "{root}/unplugged" && exit 255
test -e "{root}/crash" && kill -SEGV "$PPID"
if test -e "{root}/stranger"; then echo "Host key verification failed." >&2; exit 255; fi
changed=$(printf '%s' "$last" | sed -e 's#/proc/sys/kernel/random/boot_id#{root}/boot_id#g' -e 's#/etc/drmsqueeze-target#{root}/target#g' \\
    -e 's#/sys/fs/pstore#{root}/pstore#g' -e 's#/proc/sysrq-trigger#{root}/sysrq#g')
FAKE_BOARD="{root}" exec sh -c "exec $changed"
"""
AGENT = """#!{python}
import json, os, select, sys, time
root, words = os.environ["FAKE_BOARD"], sys.argv[1:]
open(root + "/agent-calls", "a").write(json.dumps(words) + "\\n")
if "--start" in words:
    open(root + "/request", "w").write(sys.stdin.read())
    if os.path.exists(root + "/turned"):
        open(words[words.index("--journal") + 1], "w").write("{{}}")
    open(words[words.index("--ring") + 1], "w").close()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for fd in (0, 1, 2):
            os.dup2(os.open("/dev/null", os.O_RDWR), fd)
        time.sleep(float(open(root + "/lives_s").read()))
        os._exit(0)
    print(json.dumps({{"pid": pid, "watchdog": None, "watchdog_reason": "a fake"}}))
elif "--send-records" in words:
    first = int(words[words.index("--from") + 1])
    data = open(root + "/records", "rb").read()
    data, last = data[:-128], data[-128:]
    sys.stdout.buffer.write(data[(first - 1) * 128:])
    sys.stdout.flush()
    time.sleep(float(open(root + "/slow_s").read()))
    sys.stdout.buffer.write(last)
    sys.stdout.flush()
    agent = "/proc/" + words[words.index("--agent") + 1] + "/stat"
    while os.path.exists(agent) and open(agent).read().rpartition(") ")[2][0] != "Z":
        if select.select([0], [], [], 0.05)[0] and not os.read(0, 4096):
            break
elif "--restore" in words:
    if os.path.exists(root + "/stuck"):
        sys.exit("drmsqueeze-agent: not restored: /a/knob")
    journal = words[words.index("--journal") + 1]
    if os.path.exists(journal):
        os.unlink(journal)
"""


def record(seq: int, kind: int, *, code: int = 0, job: int = 0, a: int = 0, b: int = 0, c: int = 0, text: str = "") -> bytes:
    """A record as it lies in a ring."""
    return RECORD.pack(seq, seq * 1_000_000, kind, code, 0xFFFFFFFF, job, a, b, c, text.encode())


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


class FakeBoard:
    """`root` holds its files; `bin` is to come first on the path."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.silence_s = 60.0
        """After how long without records it counts as silent."""
        for name in ("bin", "programs", "pstore", "run"):
            (root / name).mkdir(parents=True)
        _program(self.bin / "ssh", SSH.format(root=root))
        _program(root / "programs" / "drmsqueeze-agent", AGENT.format(python=sys.executable))
        _program(self.bin / "cycle", f'#!/bin/sh\necho cycled >>"{root}/power"\nrm -f "{root}/unplugged"\necho after-cycle >"{root}/boot_id"\n'
                                     f'rm -rf "{root}/run/work"\n')
        _program(self.bin / "uname", f'#!/bin/sh\nif [ "$1" = -r ]; then cat "{root}/release"; else exec /bin/uname "$@"; fi\n')
        _program(self.bin / "boot", f'#!/bin/sh\necho "$1" >"{root}/release"; echo "$1" >>"{root}/booted"; date +%N >"{root}/boot_id"\nrm -rf "{root}/run/work"\n')
        (root / "release").write_text("6.1\n")
        (root / "boot_id").write_text("first-boot\n")
        (root / "target").touch()
        self.lives(30)
        self.slow(0)
        self.say()

    def lives(self, seconds: float) -> None:
        """How long its agent lives."""
        (self.root / "lives_s").write_text(str(seconds))

    def slow(self, seconds: float) -> None:
        """How long its last record takes."""
        (self.root / "slow_s").write_text(str(seconds))

    def say(self, *records: bytes) -> None:
        """What its agent will have written."""
        (self.root / "records").write_bytes(b"".join(records))

    def set(self, *flags: str) -> None:
        """`unplugged`, `stranger`, `turned` (its agent leaves a journal), `stuck` (and cannot put it back); `crash`: its
        ssh takes the harness with it."""
        for flag in flags:
            (self.root / flag).touch()

    def reboots(self) -> None:
        """It comes back with another boot id, without what was in memory."""
        (self.root / "boot_id").write_text("second-boot\n")
        for file in (self.root / "run" / "work").glob("*"):
            file.unlink()

    def kernels(self, **releases: str) -> dict[str, Any]:
        """For its file: kernels that it can boot, with their releases."""
        return {name: {"boot": [[str(self.bin / "boot"), release]], "release": release} for name, release in releases.items()}

    @property
    def booted(self) -> list[str]:
        """Releases that it was made to boot."""
        return (self.root / "booted").read_text().split()

    @property
    def argv(self) -> str:
        return (self.root / "argv").read_text()

    @property
    def calls(self) -> list[Sequence[str]]:
        """What its agent was started with, each time."""
        return [json.loads(line) for line in (self.root / "agent-calls").read_text().splitlines()]

    def file(self, name: str, **members: Any) -> Path:
        """Its board's file, in its directory."""
        path = self.root / f"{name}.json"
        path.write_text(json.dumps(self._document() | {"name": name, "ssh": {"host": name}} | members))
        return path

    def board(self, **members: Any) -> board_file.BoardFile:
        return board_file.parse(json.dumps(self._document() | members), "fake.json", self.root)

    def _document(self) -> dict[str, Any]:
        return {
            "schema": "drmsqueeze.board/1", "name": "fake", "ssh": {"host": "fake.invalid"},
            "power": {"cycle": [str(self.bin / "cycle")]},
            "limits_s": {"boot": 3, "connect": 1, "command": 20, "power": 5, "reset": 1},
            "directory": f"{self.root}/run/work", "state": f"{self.root}/run/state",
        }


def on_path(board: FakeBoard) -> str:
    return f"{board.bin}{os.pathsep}{os.environ['PATH']}"
