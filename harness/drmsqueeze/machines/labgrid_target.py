# SPDX-License-Identifier: MIT
"""A target of a labgrid environment as a board: its NetworkService says where ssh is, its console and power drivers are used as they are.

What labgrid has no place for (docs/boards.md) stands in the target's `options`, under `drmsqueeze`. ssh is our own, with its host keys
checked; labgrid's SSHDriver does not check them, and cuts words at blanks.
"""

import asyncio
import copy
import json
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.machines import board_file
from drmsqueeze.machines.board_file import BoardFile, Console, Kernel
from drmsqueeze.machines.link import SshLink
from drmsqueeze.machines.ways import Ways
from drmsqueeze.scenario import checked

FILE = re.compile(r"(?P<file>.+\.ya?ml)(:(?P<target>[^:/]+))?")
BREAK_S = 0.25
READ_BYTES = 4096
# Over what a target itself takes: a coordinator, and resources that are waited for.
LABGRID_S = 60.0


def is_named(machine: str) -> bool:
    """Whether this names an environment file, and perhaps one of its targets."""
    return FILE.fullmatch(machine) is not None


def rules() -> dict[str, Any]:
    """The schema of a target's options: that of a board's file, without what labgrid says itself, and kernels by states of a strategy."""
    schema = copy.deepcopy(board_file.rules())
    for name in ("schema", "power"):
        del schema["properties"][name]
    del schema["required"]
    ssh, console = schema["properties"]["ssh"], schema["properties"]["console"]
    ssh["properties"] = {name: ssh["properties"][name] for name in ("identity", "known_hosts")}
    del ssh["required"]
    console["properties"] = {name: console["properties"][name] for name in ("break", "on_board")}
    kernel = schema["properties"]["kernels"]["additionalProperties"]
    kernel["required"] = ["states"]
    kernel["properties"] = {
        "states": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}, "description": "of the strategy, in order"},
        "release": kernel["properties"]["release"],
    }
    return schema


class Worker:
    """Makes labgrid's calls, one at a time, on a thread of its own: it has one stack of steps for all, and few of its calls have a limit."""

    def __init__(self) -> None:
        self._asked: queue.Queue[tuple[Future[Any], Callable[[], Any]]] = queue.Queue()
        threading.Thread(target=self._work, name="labgrid", daemon=True).start()

    def _work(self) -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        while True:
            future, call = self._asked.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:
                    future.set_exception(error)

    def ask(self, call: Callable[[], Any]) -> "Future[Any]":
        """Have it done after all that was asked before."""
        future: Future[Any] = Future()
        self._asked.put((future, call))
        return future

    def do(self, call: Callable[[], Any], limit_s: float, what: str) -> Any:
        """Its result. Raises InfrastructureError where it fails, or has not ended after so long."""
        future = self.ask(call)
        try:
            return future.result(limit_s)
        except TimeoutError:
            future.cancel()
            raise InfrastructureError(f"{what}: labgrid has not done it within {limit_s:.0f} s") from None
        except InfrastructureError:
            raise
        except Exception as error:  # labgrid's exceptions have no root of their own
            raise InfrastructureError(f"{what}: {type(error).__name__}: {error}") from error


class LabgridTerminal:
    """The console driver of a target."""

    def __init__(self, worker: Worker, target: Any, driver: Any, pause: str | None) -> None:
        """`pause`: what to type for a serial BREAK where the driver has no serial port."""
        self._worker, self._target, self._driver, self._pause = worker, target, driver, pause
        self._reading: Future[bytes | None] | None = None
        port = getattr(driver, "serial", None)
        self._send_break: Any = None if type(port).__module__.endswith("protocol_socket") else getattr(port, "send_break", None)  # it drops them
        self.can_break = bool(pause or self._send_break)

    def _do(self, call: Callable[[], Any]) -> Any:
        try:
            return self._worker.do(call, LABGRID_S, "console")
        except InfrastructureError as error:
            raise ConnectionError(str(error)) from None

    def open(self) -> None:
        self._do(lambda: self._target.activate(self._driver))

    def read(self, wait_s: float) -> bytes | None:
        self._reading = self._reading or self._worker.ask(lambda: self._driver.read(READ_BYTES, wait_s))
        try:
            data = self._reading.result(wait_s + 1.0)
        except TimeoutError:
            if not self._reading.done():
                return None  # labgrid does something else meanwhile: this is read when it has done that
            data = None
        except OSError:
            self._reading = None
            raise
        except Exception as error:
            data = None
            if type(error).__name__ != "TIMEOUT":  # pexpect's: nothing came
                self._reading = None
                raise ConnectionError(f"console: {error}") from None
        else:
            if not data:
                time.sleep(wait_s)  # some drivers do not wait
        self._reading = None
        return data or None

    def write(self, data: bytes) -> None:
        self._do(lambda: self._driver.write(data))

    def send_break(self) -> None:
        if self._pause:
            self.write(self._pause.encode())
        elif send := self._send_break:
            self._do(lambda: send(BREAK_S))

    def close(self) -> None:
        self._reading = None
        with suppress(OSError):
            self._do(lambda: self._target.deactivate(self._driver))


def _refuse_person(question: str) -> None:
    raise InfrastructureError(f"labgrid asks a person: {question}")


class LabgridTarget:
    """One target of an environment, as what a board is reached by."""

    def __init__(self, path: Path, name: str | None) -> None:
        """Raises UsageError for an environment that does not serve, InfrastructureError where labgrid fails or is missing."""
        try:
            import labgrid
        except ImportError:
            raise InfrastructureError(f"{path}: labgrid is not installed; apt-get install python3-labgrid (70 packages, so it is not "
                                      "installed with the others)") from None
        self._labgrid, self._path, self._worker = labgrid, path, Worker()
        self._environment = self._ask(lambda: labgrid.Environment(str(path), _refuse_person), "cannot be read")
        targets = self._environment.config.get_targets()
        self._name = name or (next(iter(targets)) if len(targets) == 1 else "main")
        if self._name not in targets:
            raise UsageError(f"{path}: /targets: found no \"{self._name}\"; expected one of: {', '.join(targets) or 'none is there'}")
        options = (targets[self._name] or {}).get("options") or {}
        self._where = f"{path}: targets/{self._name}/options/drmsqueeze"
        self._options = checked(json.dumps(options.get("drmsqueeze", {}), default=str), self._where, rules())
        self._target = self._ask(lambda: self._environment.get_target(self._name), f"target {self._name}")
        self._console, self._power, self._strategy = (self._driver(kind) for kind in ("ConsoleProtocol", "PowerProtocol", "Strategy"))
        self.board = self._described()

    def _ask(self, call: Callable[[], Any], what: str) -> Any:
        try:
            return self._worker.do(call, LABGRID_S, f"{self._path}: {what}")
        except InfrastructureError as error:
            of = self._labgrid.exceptions
            kinds = (of.NoConfigFoundError, of.InvalidConfigError, of.NoSupplierFoundError, self._labgrid.binding.BindingError)
            raise UsageError(str(error)) if isinstance(error.__cause__, kinds) else error from None

    def _driver(self, kind: str) -> Any:
        """The target's driver of this kind, not active; None where it has none. Raises UsageError for several that are as good."""
        factory = self._labgrid.factory.target_factory
        wanted = self._labgrid.strategy.Strategy if kind == "Strategy" else factory.class_from_string(kind)
        if not any(isinstance(driver, wanted) for driver in self._target.drivers):
            return None
        try:
            return self._target.get_driver(wanted, activate=False)
        except self._labgrid.exceptions.NoDriverFoundError as error:
            raise UsageError(f"{self._path}: target {self._name}: {error}") from None

    def _described(self) -> BoardFile:
        services = [resource for resource in self._target.resources if isinstance(resource, self._labgrid.resource.NetworkService)]
        if len(services) != 1:
            raise UsageError(f"{self._path}: target {self._name}: found {len(services)} resources NetworkService; expected one, for ssh")
        service = services[0]
        options = copy.deepcopy(self._options)
        kernels, console, ssh = options.pop("kernels", {}), options.pop("console", {}), options.pop("ssh", {})
        if board_file.RUNNING in kernels:
            raise UsageError(f"{self._where}: /kernels/{board_file.RUNNING}: found the name of the kernel that runs anyway; expected another")
        if kernels and not self._strategy:
            raise UsageError(f"{self._where}: /kernels: found states of a strategy, and target {self._name} has none")
        keyfiles = [driver.keyfile for driver in self._target.drivers if getattr(driver, "keyfile", "")]
        ssh |= {"host": service.address, "user": service.username, "port": service.port}
        if keyfiles:
            ssh.setdefault("identity", str(self._environment.config.resolve_path(keyfiles[0])))
        document = {"schema": "drmsqueeze.board/1", "name": f"{self._path.stem}-{self._name}", "ssh": ssh} | options
        board = board_file.parse(json.dumps(document), f"{self._path}: target {self._name}, as a board", self._path.absolute().parent)
        default = Console().on_board
        return replace(board, console=Console(pause=console.get("break"), on_board=console.get("on_board", default)) if self._console else None,
                       kernels={name: Kernel(states=kernel["states"], release=kernel.get("release")) for name, kernel in kernels.items()})

    def ways(self) -> Ways:
        """How the board is reached."""
        def terminal() -> LabgridTerminal:
            pause = self.board.console.pause if self.board.console else None
            return LabgridTerminal(self._worker, self._target, self._console, pause)

        return Ways(SshLink(self.board), self._boot, terminal if self._console else None, self._cycle if self._power else None, self._held)

    def _boot(self, kernel: str) -> None:
        for state in self.board.kernels[kernel].states:
            self._worker.do(lambda state=state: self._strategy.transition(state), self.board.limits.boot,  # type: ignore[misc]
                            f"{self.board.title}: kernel {kernel}, state {state}")

    def _cycle(self) -> None:
        def cycle() -> None:
            self._target.activate(self._power)
            self._power.cycle()

        self._worker.do(cycle, self.board.limits.power, f"{self.board.title}: power cycle")

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Drivers are active for a run only: others may use the target between runs."""
        if self._power:
            self._worker.do(lambda: self._target.activate(self._power), LABGRID_S, f"{self.board.title}: power")
        try:
            yield
        finally:
            with suppress(InfrastructureError):
                self._worker.do(self._target.deactivate_all_drivers, LABGRID_S, f"{self.board.title}: release")


def load(machine: str) -> LabgridTarget:
    """The target that FILE.yaml or FILE.yaml:TARGET names. Raises as LabgridTarget."""
    found = FILE.fullmatch(machine)
    assert found
    return LabgridTarget(Path(found["file"]), found["target"])
