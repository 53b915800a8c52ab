# SPDX-License-Identifier: MIT
"""A board made of processes on this host: what a campaign kills a thousand times while a guest boots a hundred times.

The harness reaches it as any board: by a program `ssh` that comes first on its path, a console on a socket and a power switch. It has a
boot id, memory that a power cut empties, a disk that outlives it, knobs with boot values, and it dies as a whole: every process of
it has a mark in its environment. Its agent is process_agent.py, with the real one for sending records and putting back.
"""

import json
import os
import shutil
import signal
import socket
import stat
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from drmsqueeze.campaign import process_agent
from drmsqueeze.campaign.processes import kill_all, marked

MARK = "DRMSQUEEZE_PROCESS_BOARD"
POLL_S = 0.02
RESET_S = 1.0
"""From a panic to the reset."""
BREAK = b"\x1b"
KNOBS = {"hung_task": "120", "hung_task_check": "0", "watchdog": "10", "workqueue": "30", "rcu": "21", "fail-page-alloc.probability": "0",
         "fail-page-alloc.times": "1", "memcg.max": "max", "memcg.high": "max", "shrinker-scan.scan": "0"}
# The last word is what ssh would give to the board's shell. Each call leaves a line, by which a campaign chooses its moments. What runs
# there dies with its connection, and a connection whose other side was killed ends as ssh does then.
SSH = """#!/bin/sh
for word; do last=$word; done
echo call >>"{root}/calls"
if ! test -e "{root}/up" || test -e "{root}/unplugged"; then sleep 0.2; echo "ssh: connect to host: No route to host" >&2; exit 255; fi
if test -e "{root}/frozen"; then sleep 1; echo "ssh: connect to host: Connection timed out" >&2; exit 255; fi
changed=$(printf '%s' "$last" | sed -e 's#/proc/sys/kernel/random/boot_id#{root}/boot_id#g' -e 's#/etc/drmsqueeze-target#{root}/target#g' \\
    -e 's#/sys/fs/pstore#{root}/pstore#g' -e 's#/proc/sysrq-trigger#{root}/sysrq#g' \\
    -e 's#^{root}/memory/run/drmsqueeze-agent #"{python}" -S -E "{agent}" "{root}" &#')
unset DRMSQUEEZE_CAMPAIGN_ROUND
{mark}="{root}" setpriv --pdeathsig KILL sh -c "exec $changed"
status=$?
test $status -gt 128 && exit 255
exit $status
"""
SWITCH = """#!/bin/sh
printf %s "$1" >"{root}/switch.new" && mv "{root}/switch.new" "{root}/switch"
while test -e "{root}/switch"; do sleep 0.02; done
"""


class ProcessBoard:
    """A board below `root`, with its power supply and its serial line. Use it as a context; it is off at first."""

    def __init__(self, root: Path, random: Random) -> None:
        self.root, self._random = root, random
        self.bin = root / "bin"
        self.boot_s = 0.3
        self._closing = threading.Event()
        self._boots_at: float | None = None
        self._resets_at: float | None = None
        self._lock = threading.RLock()
        self._consoles: list[socket.socket] = []
        self._flood_until = 0.0
        self.events: list[str] = []
        """What happened to it as a whole: `power-cut`, `panic`, `frozen`."""
        for name in ("bin", "memory/run", "disk", "pstore", "knobs", "truth", "job-files"):
            (root / name).mkdir(parents=True)
        names = {"root": root, "python": "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable,
                 "agent": process_agent.__file__, "mark": MARK}
        for name, text in (("ssh", SSH), ("switch", SWITCH)):
            (self.bin / name).write_text(text.format(**names))
            (self.bin / name).chmod(stat.S_IRWXU)
        (root / "target").touch()
        self._boot_values()
        self._uart = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._uart.bind(str(root / "uart"))
        self._uart.setblocking(False)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(root / "console"))
        self._listener.listen()
        self._listener.setblocking(False)
        self.file = root / "board.json"
        self.file.write_text(json.dumps(self.description(), indent=1) + "\n")
        self._supply = threading.Thread(target=self._live, name="board", daemon=True)

    def description(self) -> dict[str, Any]:
        return {
            "schema": "drmsqueeze.board/1", "name": "processes", "ssh": {"host": "processes.invalid"},
            "console": {"socket": "console", "break": BREAK.decode()},
            "power": {position: [str(self.bin / "switch"), position] for position in ("on", "off", "cycle")},
            "limits_s": {"boot": 30, "connect": 2, "command": 20, "power": 5, "reset": 4},
            "directory": f"{self.root}/memory/run", "state": f"{self.root}/disk/state", "watchdog": False,
        }

    def __enter__(self) -> Self:
        self._supply.start()
        self._switched("on")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        self._supply.join()
        kill_all(lambda: marked(MARK, str(self.root)))
        for line in (self._uart, self._listener, *self._consoles):
            line.close()

    def _boot_values(self) -> None:
        for name, value in KNOBS.items():
            (self.root / "knobs" / name).write_text(value + "\n")

    def knobs(self) -> dict[str, str]:
        return {file.name: file.read_text().strip() for file in sorted((self.root / "knobs").iterdir())}

    def left_over(self) -> list[str]:
        """Files of runs that are on it."""
        places = [self.root / "memory" / "run", self.root / "disk" / "state", self.root / "memory", self.root / "disk"]
        return [str(file) for place in places[:2] if place.exists() for file in place.iterdir()] + [
            str(file) for place in places[2:] for file in place.iterdir() if file not in places]

    def processes(self) -> Iterator[tuple[int, str]]:
        """The processes of the board, with their names."""
        for pid in marked(MARK, str(self.root)):
            with suppress(OSError):
                yield pid, Path(f"/proc/{pid}/comm").read_text().strip()

    def _dies(self) -> None:
        """All of it, and what was in its memory."""
        (self.root / "up").unlink(missing_ok=True)
        kill_all(lambda: marked(MARK, str(self.root)))
        (self.root / "frozen").unlink(missing_ok=True)
        shutil.rmtree(self.root / "memory")
        (self.root / "memory" / "run").mkdir(parents=True)
        for file in (self.root / "job-files").iterdir():
            file.unlink()

    def _boots(self) -> None:
        self._boot_values()
        self._boots_at = None
        (self.root / "boot_id").write_text(f"{uuid.UUID(int=self._random.getrandbits(128))}\n")
        (self.root / "up").touch()
        self._say(b"board: up\n")

    def _switched(self, position: str) -> None:
        with self._lock:
            if position in ("off", "cycle"):
                self._dies()
                self._boots_at = self._resets_at = None
            if position in ("on", "cycle") and not (self.root / "up").exists() and self._boots_at is None:
                self._boots_at = time.monotonic() + self.boot_s

    def cut_power(self) -> None:
        """The power fails, and comes back."""
        self.events.append("power-cut")
        self._switched("cycle")

    def panic(self) -> None:
        with self._lock:
            if not (self.root / "up").exists():
                return
            self.events.append("panic")
            (self.root / "up").unlink()
            kill_all(lambda: marked(MARK, str(self.root)))
            words = "Kernel panic - not syncing: sysrq triggered crash"
            (self.root / "pstore" / f"dmesg-{len(self.events)}").write_text(words + "\n")
            self._say(f"[   12.345678] {words}\n[   12.345679] ---[ end {words} ]---\n".encode())
            self._resets_at = time.monotonic() + RESET_S

    def freeze(self) -> None:
        """All of it stands still, and answers nothing."""
        with self._lock:
            if (self.root / "up").exists():
                self.events.append("frozen")
                (self.root / "frozen").touch()
                for pid in marked(MARK, str(self.root)):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGSTOP)

    def unplug(self, unplugged: bool = True) -> None:
        """The network cable: what is connected hears no more, and does not know it."""
        with self._lock:
            if unplugged:
                (self.root / "unplugged").touch()
                for pid, name in list(self.processes()):
                    if name not in ("drmsq-guardian", "drmsq-superv", "drmsq-client", "drmsq-teller") and b"--send-records" in _words(pid):
                        with suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
            else:
                (self.root / "unplugged").unlink(missing_ok=True)

    def flood(self, seconds: float) -> None:
        """It prints more than anybody wants to read."""
        self._flood_until = time.monotonic() + seconds

    def cut_consoles(self) -> bool:
        """Whoever holds the serial line loses it; whether anybody did."""
        with self._lock:
            held, self._consoles = self._consoles, []
            for line in held:
                line.close()
            return bool(held)

    @property
    def calls(self) -> int:
        """How often ssh was called."""
        try:
            return (self.root / "calls").stat().st_size // len("call\n")
        except FileNotFoundError:
            return 0

    def _say(self, text: bytes) -> None:
        with self._lock:
            for line in list(self._consoles):
                try:
                    line.send(text)
                except BlockingIOError:
                    pass  # a serial line does not wait
                except OSError:
                    self._consoles.remove(line)
                    line.close()

    def _live(self) -> None:
        junk = b"".join(b"board: line %d of many, and nobody wants to read them all 0123456789 0123456789\n" % n for n in range(100))
        pressed: dict[socket.socket, bytes] = {}
        while not self._closing.wait(POLL_S):
            now = time.monotonic()
            if (self.root / "switch").exists():
                self._switched((self.root / "switch").read_text())
                (self.root / "switch").unlink()
            with self._lock:
                if self._resets_at and now > self._resets_at:
                    self._resets_at = None
                    self._dies()
                    self._boots_at = now + self.boot_s
                if self._boots_at and now > self._boots_at:
                    self._boots()
            with suppress(OSError):
                line, _ = self._listener.accept()
                line.setblocking(False)
                self._consoles.append(line)
            with suppress(BlockingIOError):
                while True:
                    self._say(self._uart.recv(4096))
            if now < self._flood_until:
                self._say(junk)
            for line in list(self._consoles):
                self._listen(line, pressed)

    def _listen(self, line: socket.socket, pressed: dict[socket.socket, bytes]) -> None:
        """What is typed: after a BREAK the next letter is a sysrq key."""
        try:
            typed = line.recv(64)
        except BlockingIOError:
            return
        except OSError:
            typed = b""
        if not typed:
            with self._lock, suppress(ValueError):
                self._consoles.remove(line)
                line.close()
            return
        alive = (self.root / "up").exists() and not (self.root / "frozen").exists()
        text = pressed.pop(line, b"") + typed
        while text:
            at = text.find(BREAK)
            if at < 0:
                return
            key = text[at + 1:at + 2]
            if not key:
                pressed[line] = BREAK
                return
            if alive and key != BREAK:
                self._say(b"[   10.000000] sysrq: key '%s' of a board of processes\n" % key)
            text = text[at + 2:]


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
