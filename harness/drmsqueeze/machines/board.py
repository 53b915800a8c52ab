# SPDX-License-Identifier: MIT
"""Machine `board`: a computer of its own, reached by ssh, its console and its power switch (board_file.py), which may die at any moment.

What is known stays known: records are on this host's disk as they come in. What is not known is not guessed: a board that we cannot
hear is told from one that hangs, and its jobs are lost, not hung.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from drmsqueeze import guest as guests
from drmsqueeze import progress
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.journal import Journal
from drmsqueeze.machines import service
from drmsqueeze.machines.board_file import RUNNING, BoardFile
from drmsqueeze.machines.console import BoardConsole
from drmsqueeze.machines.link import HostKeyError, LinkError, SshLink
from drmsqueeze.machines.machine import NotUp, Task, UnderWay, last_lines, press_sysrq
from drmsqueeze.machines.on_board import Look, OnBoard
from drmsqueeze.machines.received import Received
from drmsqueeze.scenario import Scenario

# A panic prints for a while, and its end says most.
PANIC_PRINTS_S = 3.0
# Records that nobody takes are told on the console after this long, and long before the machine counts as silent.
TOLD_AFTER_S = 5.0
WATCHDOG_AFTER_SILENCE_S = 60
POWER_CYCLES = 2
LAST_LINES = 60


class BoardRun:
    """A run under way on a board; what machines/machine.py calls a Machine."""

    powers_off = False

    def __init__(self, there: OnBoard, console: BoardConsole | None, boot_id: str, agent: int, records: Received, started: float) -> None:
        self._there, self.shown, self._boot_id, self._agent = there, console, boot_id, agent
        self.records, self.started = records, started
        self._said_panic = False

    @property
    def over(self) -> str | None:
        panicked_at = self.shown.panicked_at if self.shown else None
        if panicked_at and time.monotonic() - panicked_at > PANIC_PRINTS_S or self.records.boot_id not in (None, self._boot_id):
            return "rebooted"
        return None

    @property
    def deserted(self) -> bool:
        return self.records.deserted

    def panics(self) -> list[str]:
        if self.shown and self.shown.panicked_at and not self._said_panic:
            self._said_panic = True
            return ["panicked"]
        return []

    def console(self) -> str:
        return self.shown.text() if self.shown else ""

    def sysrq(self, keys: str) -> bool:
        if self.shown and self.shown.can_break:
            return all(self._sysrq_key(self.shown, key) for key in keys)  # one that is not answered is enough: each costs its patience
        with suppress(InfrastructureError):
            return self._there.sysrq(keys)
        return False

    @staticmethod
    def _sysrq_key(shown: BoardConsole, key: str) -> bool:
        def press() -> bool:
            with suppress(OSError):  # the console may be opened again meanwhile
                shown.sysrq(key)
            return True

        answered = press_sysrq(press, lambda: shown.answers, lambda: shown.heard_at)
        shown.proven |= answered
        return answered

    def silence(self, answered: bool) -> str:
        try:
            look = self._there.look()
        except InfrastructureError:
            # Its agent tells its records on the console once the network is gone: so a kernel that answers there has no agent that runs,
            # and one that answered before and does not now is dead. Without such a console nobody can tell.
            return "silent" if self.shown and (answered or self.shown.proven) else "link-lost"
        if look.boot_id != self._boot_id:
            return "rebooted"
        with suppress(InfrastructureError):
            if not self._there.lives(self._agent):
                return "poweroff-without-bye"
        return "silent"

    def wait_for_end(self, limit_s: float) -> None:
        until = time.monotonic() + limit_s
        while time.monotonic() < until and not self.over:
            with suppress(InfrastructureError):
                if not self._there.lives(self._agent):
                    return
            time.sleep(0.5)

    def complaint(self) -> str:
        return last_lines(self.console())


class BoardSite:
    """One board, for the runs of a session."""

    def __init__(self, board: BoardFile) -> None:
        self._board = board
        self._there = OnBoard(board, SshLink(board))

    @property
    def name(self) -> str:
        return f"board {self._board.name}"

    def time_scales(self, kernel: str) -> tuple[float, float]:
        return self._board.time_scale, 1.0

    def suited(self, scenario: Scenario) -> Scenario:
        """On a board the GPU is real: a scenario's model is left out, and what would be planted in it cannot be."""
        model = scenario["target"].get("model")
        if model is None or model in self._board.models:
            return scenario
        if scenario["model_faults"] or scenario["traps"]:
            raise UsageError(f"{scenario.name}: model_faults and traps are planted in the GPU model {model}; board {self._board.name} has none")
        target = {name: value for name, value in scenario["target"].items() if name != "model"}
        return Scenario(dict(scenario.document) | {"target": target})

    def refuse_kernel(self, kernel: str) -> None:
        """Raises UsageError for a kernel that the board's file does not know."""
        if kernel != RUNNING and kernel not in self._board.kernels:
            raise UsageError(f"board {self._board.name}: found no kernel \"{kernel}\"; expected one of: {', '.join([RUNNING, *self._board.kernels])}")

    def _power(self, *positions: str) -> None:
        """Turn the power switch. Raises InfrastructureError where there is none or it fails."""
        for position in positions:
            self._carry_out(list(self._board.power[position]), f"power {position}")

    def _carry_out(self, command: list[str], what: str) -> None:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=self._board.limits.power)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InfrastructureError(f"board {self._board.name}: {what}: {error}") from None
        if done.returncode:
            raise InfrastructureError(f"board {self._board.name}: {what} ended with status {done.returncode}: {(done.stderr or done.stdout).strip()}")

    def cycle(self) -> None:
        """Cut the power and put it back."""
        self._power(*(["cycle"] if "cycle" in self._board.power else ["off", "on"]))

    def bring_up(self, first_wait_s: float) -> Look:
        """The board as it is, once it answers; its power is cut where it does not. Raises LinkError where it stays away."""
        try:
            return self._there.wait_up(first_wait_s)
        except LinkError:
            if not self._board.power:
                raise
        for attempt in range(POWER_CYCLES):
            self.cycle()
            try:
                return self._there.wait_up(self._board.limits.boot)
            except LinkError:
                if attempt == POWER_CYCLES - 1:
                    raise
        raise AssertionError

    def _boot(self, kernel: str, look: Look) -> Look:
        wanted = self._board.kernels[kernel]
        for number, command in enumerate(wanted.boot):
            self._carry_out(list(command), f"kernel {kernel}, boot command {number + 1}")
        until = time.monotonic() + self._board.limits.boot
        while True:
            now = self._there.wait_up(max(1.0, until - time.monotonic()))
            if now.boot_id != look.boot_id:
                break
            if time.monotonic() > until:
                raise NotUp(f"board {self._board.name} did not boot again within {self._board.limits.boot:.0f} s for kernel {kernel}")
            time.sleep(1.0)
        if wanted.release and now.release != wanted.release:
            raise NotUp(f"board {self._board.name}: kernel {kernel} was to be {wanted.release}, and {now.release} runs")
        return now

    def _refuse_unmarked(self, look: Look) -> None:
        if not look.root:
            raise NotUp(f"board {self._board.name}: {self._board.ssh.user} is not root there")
        if not look.target:
            raise NotUp(f"board {self._board.name} is not marked as a test target: there is no /etc/drmsqueeze-target on it. "
                        "drmsqueeze wrecks machines on purpose; create that file where this may be done")

    def _put_right(self, look: Look) -> None:
        """What an earlier run left turned, whose harness was killed. Raises NotUp, and takes the board out, where that fails."""
        self._there.put_agent(guests.build_for_boards(look.architecture))
        if look.journal and (said := self._there.restore()):
            raise NotUp(self._out_of_service(f"what an earlier run turned cannot be put back: {said}"))

    def _out_of_service(self, reason: str) -> str:
        service.take_out(self._board.name, reason)
        sentence = f"board {self._board.name} is taken out of service: {reason}"
        progress.say(f"{sentence}; `drmsqueeze board restore FILE` puts it back")
        return sentence

    def _first_look(self, kernel: str) -> Look:
        try:
            look = self.bring_up(self._board.limits.connect)
            self._refuse_unmarked(look)
            return look if kernel == RUNNING else self._boot(kernel, look)
        except HostKeyError as error:
            raise NotUp(str(error)) from None
        except LinkError as error:
            raise NotUp(f"board {self._board.name} does not come up: {error}") from None

    def check(self) -> Look:
        """Reach the board and see whether it may be used, turning nothing. Raises InfrastructureError where not."""
        if why := service.why_out(self._board.name):
            raise InfrastructureError(f"board {self._board.name} is out of service: {why}")
        return self._first_look(RUNNING)

    def restore(self) -> Look:
        """Put back what runs have turned, remove their files, and put the board back into service. Raises InfrastructureError where that fails."""
        with service.in_use(self._board.name):
            look = self._first_look(RUNNING)
            self._put_right(look)
            if not self._there.clear():
                raise InfrastructureError(self._out_of_service("files of a run cannot be removed"))
            service.put_back(self._board.name)
            return look

    @contextmanager
    def begin(self, task: Task, journal: Journal) -> Iterator[UnderWay]:
        self.refuse_kernel(task.kernel)
        if why := service.why_out(self._board.name):
            raise NotUp(f"board {self._board.name} is out of service: {why}")
        with service.in_use(self._board.name):
            shown = BoardConsole(self._board.console, task.directory / "console.log") if self._board.console else None
            try:
                yield from self._begin(task, journal, shown)
            finally:
                if shown:
                    shown.close()

    def _begin(self, task: Task, journal: Journal, shown: BoardConsole | None) -> Iterator[UnderWay]:
        began = time.monotonic()
        look = self._first_look(task.kernel)
        if shown:
            shown.panicked_at = None  # what was before is not this run's
        try:
            self._put_right(look)
            watchdog_s = round(task.limits.silence + WATCHDOG_AFTER_SILENCE_S) if self._board.watchdog else 0
            said = self._there.start(dict(task.request) | {"detectors_s": task.limits.detectors()}, TOLD_AFTER_S, watchdog_s)
        except NotUp:
            raise
        except InfrastructureError as error:
            raise NotUp(f"the agent is not started: {error}") from None
        agent = int(said["pid"])
        records = Received(task.directory, lambda first: self._there.connection(agent, first), shown.told if shown else lambda: [])
        machine = BoardRun(self._there, shown, look.boot_id, agent, records, began)
        if shown and shown.can_break:
            machine.sysrq("h")  # does what is typed on this console arrive?
        left: dict[str, Any] = {}

        def end() -> None:
            with suppress(InfrastructureError):
                if not journal.bye:
                    self._there.end(agent)

        def leave(ended: str) -> None:
            records.close()
            if shown and ended != "bye":
                words = shown.last_words().decode(errors="replace").splitlines()[-LAST_LINES:]
                (task.directory / "evidence" / "last-words.txt").write_text("\n".join(words) + "\n")
            left["left"] = self._leave(task.directory, journal, look, ended)

        def facts() -> dict[str, Any]:
            return task.facts({"kind": self.name, "slowdown": 1.0, "beside": 0, "board": {
                "boot_id": look.boot_id, "watchdog": said.get("watchdog"), "watchdog_reason": said.get("watchdog_reason", ""),
                "connections": records.connections, "records_by_console": records.by_console, "records_lost": records.torn,
                "left": left.get("left", "unknown")}}, look.release)

        yield UnderWay(machine, records, self._board.limits.boot, end=end, leave=leave, facts=facts)

    def _leave(self, directory: Path, journal: Journal, found: Look, ended: str) -> str:
        """See that the board is as it was found; in one word or a sentence how it is left."""
        calm = ended in ("bye", "time-limit", "poweroff-without-bye")
        try:
            now = self.bring_up(self._board.limits.connect if calm else self._board.limits.reset)
            rebooted = now.boot_id != found.boot_id
            if not calm and not rebooted and self._board.power:  # it answers, and nobody knows what still hangs there
                self.cycle()
                now, rebooted = self._there.wait_up(self._board.limits.boot), True
            if rebooted:
                self._there.take_pstore(now.pstore - found.pstore, directory / "evidence")
                self._there.put_agent(guests.build_for_boards(now.architecture))
            else:
                log = self._there.log()
                (directory / "agent.log").write_text(log)
                journal.complete_reason(log)
            if now.journal or rebooted:
                self._restored(journal, self._there.restore())
            if not self._there.clear():
                raise InfrastructureError("files of the run cannot be removed")
        except (InfrastructureError, OSError) as error:
            return self._out_of_service(str(error))
        return "as found"

    def _restored(self, journal: Journal, said: str | None) -> None:
        """Notes whether what the agent left turned was put back. Raises InfrastructureError where not."""
        release = journal.release or {"begun_s": None, "done_s": None, "restored": None}
        journal.release = release | {"restored": said is None}
        if said is not None:
            journal.witness("not-restored", said.splitlines()[-1] if said else "", None)
            raise InfrastructureError(f"what the run turned cannot be put back: {said}")
