# SPDX-License-Identifier: MIT
"""The machines of a pytest session, and who may use each of them when: workers of pytest-xdist are processes of their own."""

import fcntl
import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from drmsqueeze_results.test_results import machine_name

from drmsqueeze import cache, progress, results_data
from drmsqueeze.errors import DrmsqueezeError, UsageError
from drmsqueeze.lab import Lab
from drmsqueeze.machines import sites
from drmsqueeze.machines.board import BoardSite
from drmsqueeze.scenario import Scenario

POLL_S = 0.2
UNITS = 12  # that a host is shared out in


@dataclass
class SessionMachine:
    """A machine with the kernels that are asked for on it. `name` is short, and part of node ids where there are several."""

    name: str
    site: Lab | BoardSite
    kernels: Sequence[str]
    workers: int = 1
    """How many processes of this session may want to use it at once."""
    _broken: dict[str, DrmsqueezeError | None] = field(default_factory=dict)

    @property
    def alone(self) -> bool:
        """Whether one process at a time may use it: all its runs belong to one worker."""
        return isinstance(self.site, BoardSite)

    def prepare(self, kernel: str) -> None:
        """Build what a run needs; found out once. Raises the error, each time."""
        if kernel not in self._broken:
            self._broken[kernel] = None
            try:
                if isinstance(self.site, Lab):
                    self.site.guest(kernel)
                    self.site.time_scales(kernel)
            except DrmsqueezeError as error:
                self._broken[kernel] = error
        if broken := self._broken[kernel]:
            raise broken

    @contextmanager
    def used(self, kernel: str, one: Scenario) -> Iterator[int]:
        """While it is used for a run; how many other runs may go on there at the same time.

        Several workers boot guests at once only as far as these do not disturb each other. Raises DrmsqueezeError where the lab cannot be built.
        """
        self.prepare(kernel)
        if isinstance(self.site, BoardSite) or self.workers == 1:
            yield 0
            return
        at_once = min(self.site.at_once(one, self.kernels).guests, self.workers)
        with _share_of_host(at_once):
            yield at_once - 1


@contextmanager
def _share_of_host(part: int) -> Iterator[None]:
    """Hold so large a part of this host (2: a half), among all sessions on it; waits until it is free."""
    directory = cache.root() / "guests-at-once"
    directory.mkdir(parents=True, exist_ok=True)
    wanted = math.ceil(UNITS / part)
    while True:
        with ExitStack() as held:
            taken = 0
            for number in range(UNITS):
                file = held.enter_context((directory / f"{number}.lock").open("w"))
                with suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    taken += 1
                if taken == wanted:
                    yield
                    return
        time.sleep(random.uniform(0.5, 1.5) * POLL_S)  # two that each hold a half of what they need try again at different times


class SessionMachines:
    """All of a session, and where its results go.

    `asked`: by options, so that every scenario file is collected; `wanted`: asked, or a scenario file is named on the command line.
    """

    def __init__(self, machines: Sequence[SessionMachine], asked: bool, out: Path | None) -> None:
        self.all, self.asked, self.wanted = machines, asked, asked
        self._out = out
        self.directory: Path | None = None
        self._places: dict[str, Path] = {}

    def results(self) -> Path:
        """The directory of this session, which need not be there yet."""
        if self.directory is None:
            self.directory = results_data.free_directory(self._out, "pytest").absolute()
        return self.directory

    def place(self, machine: SessionMachine, name: str, file: Path) -> Path:
        """Where below it the runs of a scenario file go: under the scenario's name, which another file may have as well."""
        named = Path(machine.name, name) if len(self.all) > 1 else Path(name)
        number = 1
        while self._places.setdefault(place := f"{named}{f'-{number}' if number > 1 else ''}", file) != file:
            number += 1
        return Path(place)

    def prepare(self) -> None:
        """Build what runs need before the first of them; what cannot be built is said now, and is an error of each run that needs it."""
        for machine in self.all:
            for kernel in machine.kernels:
                try:
                    machine.prepare(kernel)
                except DrmsqueezeError as error:
                    progress.say(f"{machine.name}: {error}")


MACHINES = pytest.StashKey[SessionMachines]()


def _kernels_of(machine: str, site: Lab | BoardSite, wanted: Sequence[str]) -> list[str]:
    """Those of the kernels asked for that this machine has. Raises UsageError where it has none of them."""
    if not wanted:
        return [sites.default_kernel(machine)]
    known, complaints = [], []
    for kernel in wanted:
        try:
            site.refuse_kernel(kernel)
            known.append(kernel)
        except UsageError as error:
            complaints.append(str(error))
    if not known:
        raise UsageError("\n".join(complaints))
    return known


def choose(machines: Sequence[str], wanted: Sequence[str], out: Path | None, workers: int = 1) -> SessionMachines:
    """The machines of a session as its options name them; without any, the VM. Nothing is started.

    A kernel counts for the machines that have it. Raises UsageError for a machine or a kernel that nobody knows.
    """
    found: list[SessionMachine] = []
    for machine in dict.fromkeys(machines or [sites.VM]):
        site = sites.site(machine)
        found.append(SessionMachine(machine_name(site.name), site, _kernels_of(machine, site, list(dict.fromkeys(wanted))), workers))
    names = [one.name for one in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"two of these machines have one name: {', '.join(sorted(twice))}")
    if lost := set(wanted) - {kernel for one in found for kernel in one.kernels}:
        raise UsageError(f"none of these machines has the kernel {', '.join(sorted(lost))}")
    return SessionMachines(found, bool(machines or wanted), out)
