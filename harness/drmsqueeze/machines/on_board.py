# SPDX-License-Identifier: MIT
"""What is done on a board over ssh, and what is taken from it. Everything here is a fixed script; its parameters are words of their own."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drmsqueeze import progress
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.guest import AGENT
from drmsqueeze.machines.board_file import BoardFile
from drmsqueeze.machines.link import Link
from drmsqueeze.machines.received import BEGIN

# A process that nobody has reaped is a dead one too.
ALIVE = """alive() { test -e "/proc/$1" && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status"; }
"""
LOOK = """read -r id </proc/sys/kernel/random/boot_id; echo "$id"; uname -r; uname -m; id -u
if test -e /etc/drmsqueeze-target; then echo target; else echo none; fi
if test -e "$1/restore.json"; then echo journal; else echo none; fi
if test -e "$2"; then echo files; else echo none; fi
ls /sys/fs/pstore 2>/dev/null
exit 0"""
PUT = 'mkdir -p "$1" "$3" && chmod 700 "$1" && cat >"$1/$2" && chmod 700 "$1/$2"'
CONNECT = f"""read -r id </proc/sys/kernel/random/boot_id
echo "{BEGIN.decode()}$id"; exec "$2/{AGENT}" --send-records --ring "$2/ring" --agent "$1" --from "$3" """
END = f"""{ALIVE}kill -TERM "$1" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do if alive "$1"; then sleep 1; else break; fi; done
if alive "$1"; then kill -KILL "$1"; sleep 1; fi
exit 0"""
# Whoever has the ring before him is part of the run. The agent ends in order when it is told to, and puts back what it has turned. The one
# who tells records that nobody took would tell them into the next run. The one who feeds the watchdog disarms it once the agent is gone.
END_RUN = """of_run() {
    for name in $(grep -ls "^$2\\$" /proc/[0-9]*/comm); do
        if grep -qsF " $1/ring" "${name%comm}maps"; then echo "$name" | cut -d/ -f3; fi
    done
}
for pid in $(of_run "$1" drmsq-teller); do kill -KILL "$pid" 2>/dev/null; done
for pid in $(of_run "$1" drmsqueeze-agen); do kill -TERM "$pid" 2>/dev/null; done
for _ in 1 2 3 4 5 6 7 8 9 10; do if test -n "$(of_run "$1" 'drmsq.*')"; then sleep 1; else break; fi; done
for who in drmsqueeze-agen drmsq-guardian drmsq-superv 'drmsq-[^w].*'; do
    for pid in $(of_run "$1" "$who"); do kill -KILL "$pid" 2>/dev/null; done
done
rm -f "$1/ring" "$1/agent.log"
"""
# Only what was put there, by name: a directory that has more in it stays, and is told.
CLEAR = END_RUN + f"""rm -f "$1/{AGENT}" "$2/restore.json.new"
rmdir "$1" 2>/dev/null; rmdir "$2" 2>/dev/null
if test -e "$1" || test -e "$2/restore.json"; then exit 1; fi
exit 0"""
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Look:
    """A board as it is now."""

    boot_id: str
    release: str
    architecture: str
    root: bool
    target: bool
    journal: bool
    """Whether a run left knobs turned."""
    files: bool
    """Whether files of a run are there: one whose harness was killed, and which may still be going on."""
    pstore: frozenset[str]


def script(text: str, *parameters: str) -> list[str]:
    """The words that run a script with its parameters as $1, $2, ..."""
    return ["sh", "-c", text, "sh", *parameters]


class OnBoard:
    """One board's side."""

    def __init__(self, board: BoardFile, link: Link) -> None:
        self._board, self._link = board, link

    def look(self) -> Look:
        """Raises LinkError where it is not reached, InfrastructureError where it answers strangely."""
        return self._seen(self._link.output(script(LOOK, self._board.state, self._board.directory)))

    def wait_up(self, limit_s: float) -> Look:
        """The board once it answers. Raises as `look`."""
        return self._seen(self._link.wait_up(limit_s, script(LOOK, self._board.state, self._board.directory)))

    def _seen(self, said: str) -> Look:
        lines = said.splitlines()
        if len(lines) < 7:
            raise InfrastructureError(f"{self._board.title} does not say what it is: {lines}")
        boot_id, release, architecture, user, target, journal, files, *pstore = lines
        return Look(boot_id, release, architecture, user == "0", target == "target", journal == "journal", files == "files", frozenset(pstore))

    def put_agent(self, programs: Path) -> None:
        """Copy the agent over (guest.build_for_boards)."""
        self._link.output(script(PUT, self._board.directory, AGENT, self._board.state), given=(programs / AGENT).read_bytes())

    def _agent(self, *words: str) -> list[str]:
        return [f"{self._board.directory}/{AGENT}", "--journal", f"{self._board.state}/restore.json", *words]

    def start(self, request: Mapping[str, Any], console_after_s: float, watchdog_s: int) -> dict[str, Any]:
        """Start the run; what the agent said of it (agent/detached.h)."""
        console = self._board.console
        words = ["--ring", f"{self._board.directory}/ring", "--watchdog", str(watchdog_s),
                 *(("--console", console.on_board, "--console-after", str(console_after_s)) if console else ()),
                 "--start", f"{self._board.directory}/agent.log"]
        said = self._link.output(self._agent(*words), given=json.dumps(request).encode())
        try:
            return dict(json.loads(said))
        except (ValueError, TypeError):
            raise InfrastructureError(f"{self._board.title}: the agent did not say that it began: {said!r}") from None

    def connection(self, agent: int, first: int) -> list[str]:
        """The program that brings the records from number `first` on."""
        return self._link.argv(script(CONNECT, str(agent), self._board.directory, str(first)))

    def lives(self, agent: int) -> bool:
        return self._link.run(script(f'{ALIVE}alive "$1"', str(agent))).returncode == 0

    def end(self, agent: int) -> None:
        """Have the agent end, in order if it can."""
        self._link.output(script(END, str(agent)))

    def end_run(self) -> None:
        """End a run, whoever has begun it, and all of it that still goes on."""
        self._link.output(script(END_RUN, self._board.directory))

    def restore(self) -> str | None:
        """Put back what the journal says; None when all is well, or what the agent said."""
        done = self._link.run(self._agent("--restore"))
        return None if done.returncode == 0 else (done.stderr or done.stdout).decode(errors="replace").strip()

    def clear(self) -> bool:
        """End what is left of the run, and remove our files; whether none is left."""
        return self._link.run(script(CLEAR, self._board.directory, self._board.state)).returncode == 0

    def sysrq(self, keys: str) -> bool:
        """Over ssh, where there is no console to send a BREAK on."""
        return all([self._link.run(script('echo "$1" >/proc/sysrq-trigger', key)).returncode == 0 for key in keys])

    def log(self) -> str:
        """What the agent printed."""
        return self._link.run(["cat", f"{self._board.directory}/agent.log"]).stdout.decode(errors="replace")

    def take_pstore(self, names: Iterable[str], evidence: Path) -> None:
        """Take these entries of pstore, and free their room."""
        for name in sorted(names):
            if not SAFE_NAME.fullmatch(name):
                progress.say(f"{self._board.title}: an entry of pstore is not taken, for its name: {name!r}")
                continue
            done = self._link.run(["cat", f"/sys/fs/pstore/{name}"])
            if done.returncode == 0:
                (evidence / f"pstore-{name}").write_bytes(done.stdout)
                self._link.run(["rm", "-f", f"/sys/fs/pstore/{name}"])
