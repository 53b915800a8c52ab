# SPDX-License-Identifier: MIT
"""Machine `board`: a computer of its own, reached by ssh, its console and its power switch (ways.py), which may die at any moment.

What is known stays known: records are on this host's disk as they come in. What is not known is not guessed: a board that we cannot
hear is told from one that hangs, and its jobs are lost, not hung.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from drmsqueeze import guest as guests
from drmsqueeze import progress
from drmsqueeze.errors import NO_ROOM, InfrastructureError, UsageError
from drmsqueeze.journal import Journal
from drmsqueeze.machines import service
from drmsqueeze.machines.board_file import RUNNING, BoardFile
from drmsqueeze.machines.console import BoardConsole
from drmsqueeze.machines.link import HostKeyError, LinkError
from drmsqueeze.machines.machine import NotUp, Task, UnderWay, last_lines, press_sysrq
from drmsqueeze.machines.on_board import Look, OnBoard
from drmsqueeze.machines.received import Received
from drmsqueeze.machines.ways import Ways, of_file
from drmsqueeze.scenario import Scenario

# A panic prints for a while, and its end says most.
PANIC_PRINTS_S = 3.0
# Records that nobody takes are told on the console after this long, and long before the machine counts as silent.
TOLD_AFTER_S = 5.0
WATCHDOG_AFTER_SILENCE_S = 60
POWER_CYCLES = 2
LEAVE_TRIES = (False, False, True)
"""Whether each is the last."""
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

    def __init__(self, board: BoardFile, ways: Ways | None = None) -> None:
        """`ways`: how it is reached, where its file alone does not say so."""
        self._board = board
        self._ways = ways or of_file(board)
        self._there = OnBoard(board, self._ways.link)
        self._left = "as found"
        self._cycles = 0
        self.loose = False
        """Whether a run of this session may have left something there, and it was not put right since."""

    @property
    def name(self) -> str:
        return self._board.title

    def time_scales(self, kernel: str) -> tuple[float, float]:
        return self._board.time_scale, 1.0

    def suited(self, scenario: Scenario) -> Scenario:
        """On a board the GPU is real: a scenario's model is left out, and what would be planted in it cannot be."""
        model = scenario["target"].get("model")
        if model is None or model in self._board.models:
            return scenario
        if scenario["model_faults"] or scenario["traps"]:
            raise UsageError(f"{scenario.name}: model_faults and traps are planted in the GPU model {model}; {self._board.title} has none")
        target = {name: value for name, value in scenario["target"].items() if name != "model"}
        return Scenario(dict(scenario.document) | {"target": target})

    def refuse_kernel(self, kernel: str) -> None:
        """Raises UsageError for a kernel that the board's file does not know."""
        if kernel != RUNNING and kernel not in self._board.kernels:
            raise UsageError(f"{self._board.title}: found no kernel \"{kernel}\"; expected one of: {', '.join([RUNNING, *self._board.kernels])}")

    def refuse(self, kernel: str, scenario: Scenario) -> None:
        self.suited(scenario)
        self.refuse_kernel(kernel)

    def cycle(self) -> None:
        """Cut the power and put it back. Raises InfrastructureError where that fails."""
        assert self._ways.cycle
        self._cycles += 1
        self._ways.cycle()

    def bring_up(self, first_wait_s: float) -> Look:
        """The board as it is, once it answers; its power is cut where it does not. Raises LinkError where it stays away."""
        try:
            return self._there.wait_up(first_wait_s)
        except LinkError:
            if not self._ways.cycle:
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
        self._ways.boot(kernel)
        until = time.monotonic() + self._board.limits.boot
        while True:
            now = self._there.wait_up(max(1.0, until - time.monotonic()))
            if now.boot_id != look.boot_id:
                break
            if time.monotonic() > until:
                raise NotUp(f"{self._board.title} did not boot again within {self._board.limits.boot:.0f} s for kernel {kernel}")
            time.sleep(1.0)
        if wanted.release and now.release != wanted.release:
            raise NotUp(f"{self._board.title}: kernel {kernel} was to be {wanted.release}, and {now.release} runs")
        return now

    def _refuse_unmarked(self, look: Look) -> None:
        if not look.root:
            raise NotUp(f"{self._board.title}: {self._board.ssh.user if self._board.ssh else 'this user'} is not root there")
        if not look.target:
            raise NotUp(f"{self._board.title} is not marked as a test target: there is no /etc/drmsqueeze-target on it. "
                        "drmsqueeze wrecks machines on purpose; create that file where this may be done")

    def _put_right(self, look: Look) -> None:
        """What an earlier run left behind, whose harness was killed. Raises NotUp, and takes the board out, where that fails."""
        if look.files:
            self._there.end_run()
            look = self._there.look()
        self._there.put_agent(guests.build_for_boards(look.architecture))
        if look.journal and (said := self._there.restore()):
            raise NotUp(self._out_of_service(f"what an earlier run turned cannot be put back: {said}"))

    def _out_of_service(self, reason: str) -> str:
        service.take_out(self._board.name, reason)
        sentence = f"{self._board.title} is taken out of service: {reason}"
        progress.say(f"{sentence}; `drmsqueeze board restore` puts it back")
        return sentence

    def _named(self, look: Look) -> str | None:
        """What the board's file calls the kernel that runs."""
        return next((name for name, kernel in self._board.kernels.items() if kernel.release == look.release), None)

    def _booted(self, kernel: str, look: Look) -> Look:
        """With this kernel, and it is kept on this host's disk which one the board had before."""
        self._left = "as found"
        own, found = service.own_kernel(self._board.name), None
        if kernel == RUNNING:
            return self._with_own_kernel(look)
        if own is None and (found := self._named(look)) not in (None, kernel):
            service.note_own_kernel(self._board.name, found)
        booted = self._boot(kernel, look)
        if own is None and found is None and booted.release != look.release:
            self._left = f"with kernel {kernel}: no kernel of its file has the release {look.release}, with which it was found"
            progress.say(f"{self._board.title} will be left {self._left}")
        return booted

    def _with_own_kernel(self, look: Look) -> Look:
        """With the kernel that it had before runs booted others. Raises InfrastructureError where that does not come up."""
        own = service.own_kernel(self._board.name)
        if own is not None and own in self._board.kernels and own != self._named(look):
            look = self._boot(own, look)
        service.note_own_kernel(self._board.name, None)
        return look

    def _first_look(self, kernel: str, boots: bool = True) -> Look:
        try:
            look = self.bring_up(self._board.limits.connect)
            self._refuse_unmarked(look)
            return self._booted(kernel, look) if boots else look
        except HostKeyError as error:
            raise NotUp(str(error)) from None
        except LinkError as error:
            raise NotUp(f"{self._board.title} does not come up: {error}") from None
        except NotUp:
            raise
        except InfrastructureError as error:  # what was to boot it failed
            raise NotUp(str(error)) from None

    def why_out(self) -> str | None:
        """Why it is out of service, and since when; None where it is not."""
        return service.why_out(self._board.name)

    def check(self) -> Look:
        """Reach the board and see whether it may be used, turning nothing. Raises InfrastructureError where not."""
        if why := service.why_out(self._board.name):
            raise InfrastructureError(f"{self._board.title} is out of service: {why}")
        with self._ways.held():
            return self._first_look(RUNNING, boots=False)

    def restore(self) -> Look:
        """Put back what runs have turned, remove their files, and put the board back into service. Raises InfrastructureError where that fails."""
        with service.in_use(self._board.name), self._ways.held():
            look = self._first_look(RUNNING)
            self._put_right(look)
            if not self._there.clear():
                raise InfrastructureError(self._out_of_service("files of a run cannot be removed"))
            service.put_back(self._board.name)
            self.loose = False
            return look

    @contextmanager
    def begin(self, task: Task, journal: Journal) -> Iterator[UnderWay]:
        self.refuse_kernel(task.kernel)
        if why := service.why_out(self._board.name):
            raise NotUp(f"{self._board.title} is out of service: {why}")
        with service.in_use(self._board.name), self._ways.held():
            shown = BoardConsole(self._ways.terminal(), task.directory / "console.log") if self._ways.terminal else None
            try:
                yield from self._begin(task, journal, shown)
            finally:
                if shown:
                    shown.close()

    def _begin(self, task: Task, journal: Journal, shown: BoardConsole | None) -> Iterator[UnderWay]:
        began = time.monotonic()
        look = self._first_look(task.kernel)
        self.loose = True
        try:
            building = time.monotonic()
            guests.build_for_boards(look.architecture)
            began += time.monotonic() - building  # which says nothing of the board
            self._put_right(look)
            if shown:  # what was before is not this run's
                shown.panicked_at = None
                shown.told(0)
                shown.spoiled = 0
            watchdog_s = round(task.limits.silence + WATCHDOG_AFTER_SILENCE_S) if self._board.watchdog else 0
            said = self._there.start(dict(task.request) | {"detectors_s": task.limits.detectors()}, TOLD_AFTER_S, watchdog_s)
        except NotUp:
            raise
        except InfrastructureError as error:
            self._abandon()  # it may have been started all the same
            raise NotUp(f"the agent is not started: {error}") from None
        agent = int(said["pid"])
        cycles = self._cycles
        records = Received(task.directory, lambda first: self._there.connection(agent, first), lambda: shown.told(agent) if shown else [],
                           task.limits.silence / 2)
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
            left["left"] = self._leave(task.directory, journal, look, agent, ended)

        def facts() -> dict[str, Any]:
            return task.facts({"kind": self.name, "slowdown": 1.0, "beside": 0, "board": {
                "boot_id": look.boot_id, "watchdog": said.get("watchdog"), "watchdog_reason": said.get("watchdog_reason", ""),
                "connections": records.connections, "records_by_console": records.by_console, "records_lost": records.torn,
                "records_spoiled": shown.spoiled if shown else 0, "power_cycles": self._cycles - cycles,
                "left": left.get("left", "unknown")}}, look.release)

        try:
            yield UnderWay(machine, records, self._board.limits.boot, end=end, leave=leave, facts=facts)
        except BaseException:  # we are told to stop, or our disk is full
            self._abandon()
            raise
        finally:
            records.close()

    def _abandon(self) -> None:
        """Leave the board as it was found where its run is given up; where it does not answer the next run does so, or `board restore`."""
        for last in LEAVE_TRIES:
            try:
                self._there.end_run()
                self._tidy(self._there.look().journal)
                self.loose = False
                return
            except InfrastructureError as error:
                if last or not isinstance(error, LinkError):
                    progress.say(f"{self._board.title} is not left as it was found: {error}; its next run puts it right, or `drmsqueeze board restore`")
                    return

    def _tidy(self, turned: bool, journal: Journal | None = None) -> None:
        """Put back what is turned, and remove our files. Raises InfrastructureError where that fails."""
        said = self._there.restore() if turned else None
        if journal and turned:
            self._note_restored(journal, said)
        if said is not None:
            raise InfrastructureError(f"what the run turned cannot be put back: {said}")
        if not self._there.clear():
            raise InfrastructureError("files of the run cannot be removed")

    def _leave(self, directory: Path, journal: Journal, found: Look, agent: int, ended: str) -> str:
        """See that the board is as it was found; in one word or a sentence how it is left."""
        calm = ended in ("bye", "time-limit", "poweroff-without-bye")
        for last in LEAVE_TRIES:
            try:
                now = self.bring_up(self._board.limits.connect if calm else self._board.limits.reset)
            except InfrastructureError as error:
                return self._out_of_service(str(error))
            try:
                self._leave_answering(now, directory, journal, found, agent, ended, calm)
                self.loose = False
                break
            except LinkError as error:  # a connection that broke says nothing of the board
                if last:
                    return self._out_of_service(str(error))
            except (InfrastructureError, OSError) as error:
                if isinstance(error, OSError) and error.errno in NO_ROOM:
                    raise
                return self._out_of_service(str(error))
        return self._left

    def _leave_answering(self, now: Look, directory: Path, journal: Journal, found: Look, agent: int, ended: str, calm: bool) -> None:
        rebooted = now.boot_id != found.boot_id
        stuck = not rebooted and ended != "bye" and self._there.lives(agent)
        if self._ways.cycle and not rebooted and (stuck or not calm):  # it answers, and nobody knows what still hangs there
            self.cycle()
            now, rebooted = self._there.wait_up(self._board.limits.boot), True
        elif stuck:
            raise InfrastructureError("the agent cannot be ended, and only a reboot helps")
        if rebooted:
            self._there.take_pstore(now.pstore - found.pstore, directory / "evidence")
            self._there.put_agent(guests.build_for_boards(now.architecture))
        else:
            log = self._there.log()
            (directory / "agent.log").write_text(log)
            journal.complete_reason(log)
        self._tidy(now.journal or rebooted, journal)
        self._with_own_kernel(now)

    def _note_restored(self, journal: Journal, said: str | None) -> None:
        """Notes whether what the agent left turned was put back."""
        release = journal.release or {"begun_s": None, "done_s": None, "restored": None}
        journal.release = release | {"restored": said is None}
        if said is not None:
            journal.witness("not-restored", said.splitlines()[-1] if said else "", None)
