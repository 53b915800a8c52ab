# SPDX-License-Identifier: MIT
"""Whole runs in the VM, for tests of the tiers vm and long. One lab serves all tests: kernel, guest images and accelerator are found once."""

import copy
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Run
from drmsqueeze_results.outcomes import judge

from drmsqueeze import guest as guests
from drmsqueeze import targets
from drmsqueeze.execute import Lab, Watcher, execute
from drmsqueeze.machines.speed import Accelerator
from drmsqueeze.machines.vm import Hardware, Vm
from drmsqueeze.plan import PlannedRun
from drmsqueeze.ring import Ring
from drmsqueeze.scenario import Scenario, parse

# Planted faults are not the CPU's work: their times need no stretching, except the heartbeat's.
PLANTED: dict[str, Any] = {
    "schema": "drmsqueeze.scenario/1", "name": "planted", "description": "A fault planted by a test.",
    "target": {"driver": "panfrost", "model": "mali-jm"},
    "stressors": [{"kind": "tiler-heap", "heap_mib": 4, "jobs": 5}],
    "deadline_ms": 20000, "grace_ms": 5000, "driver_timeout_ms": 60000, "time_scale": 4,
}
# A comparison of four runs or a run of two, as short as they go.
SMALL: dict[str, Any] = {
    "schema": "drmsqueeze.scenario/1", "name": "small", "description": "Four jobs.",
    "target": {"driver": "panfrost", "model": "mali-jm"}, "stressors": [{"kind": "tiler-heap", "heap_mib": 2, "jobs": 4}],
    "injectors": [{"kind": "hog"}], "levels": [1.0, 0.3], "time_scale": 4,
}


@dataclass(frozen=True)
class Executed:
    """A run that was carried out and judged, with its directory to look into."""

    run: Run
    directory: Path

    @property
    def fates(self) -> dict[str, int]:
        """Counts of the fates that occurred."""
        return {fate: count for fate, count in vars(self.run.jobs).items() if count and fate != "submitted"}

    @property
    def story(self) -> str:
        """For the message of an assertion: what the run says of itself, and the end of its console."""
        console = (self.directory / "console.log").read_text(errors="replace").splitlines()[-40:]
        return f"{self.directory}\n{self.run.verdict}\n{self.run.jobs}\n{self.run.witnesses}\n" + "\n".join(console)


RunOne = Callable[..., Executed]

PROVOKE = "/sys/kernel/debug/provoke-crash/DIRECT"
"""Where lkdtm takes the name of a crash (Documentation/fault-injection/provoke-crashes.rst)."""


def with_files(guest: guests.Guest, root: Path, scratch: Path) -> guests.Guest:
    """The same guest with all that lies below `root` in its image."""
    image = scratch / f"{root.name}-initramfs.cpio"
    guests.pack(root, image, guest.initramfs)
    return replace(guest, initramfs=image)


class Provoked(Lab):
    """A lab whose guests run a shell script beside the agent: what hangs or hurts a kernel and is no fault of a driver."""

    def __init__(self, lab: Lab, script: str, scratch: Path) -> None:
        super().__init__()
        self._lab, self._script, self._scratch = lab, script, scratch

    @property
    def accelerator(self) -> Accelerator:  # type: ignore[override]
        return self._lab.accelerator

    def guest(self, name: str) -> guests.Guest:
        plain = self._lab.guest(name)
        root = self._scratch / "provoked"
        root.mkdir(exist_ok=True)
        mark = 'echo "drmsqueeze-init: up"\n'
        (root / "init").write_text(guests.INIT.read_text().replace(mark, f"$bb modprobe lkdtm\n{{\n{self._script}\n}} &\n{mark}"))
        (root / "init").chmod(0o755)
        return with_files(plain, root, self._scratch)


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab()


@pytest.fixture
def run_one(lab: Lab, tmp_path: Path) -> RunOne:
    """Carry out one run of PLANTED, or of another scenario, with members changed; returns it judged."""
    count = 0

    def run(*, base: dict[str, Any] = PLANTED, kernel: str = "lab", level: float = 1.0, watch: Watcher | None = None, provoke: str = "",
            warm: bool = False, cluster: int = 0, seed: int = 1, **members: Any) -> Executed:
        nonlocal count
        scenario: Scenario = parse(json.dumps(copy.deepcopy(base) | members), "planted")
        directory = tmp_path / f"{count:04d}"
        count += 1
        execute(Provoked(lab, provoke, tmp_path) if provoke else lab, scenario, PlannedRun(0, 0, level, "a", seed, cluster=cluster), kernel,
                directory, watch, warm)
        return Executed(judge(directory), directory)

    return run


def fired(done: Executed, injector: str) -> int | None:
    """How often an injector of the run fired."""
    return next(i.fired for i in done.run.injections if i.injector == injector)


def seen_at(done: Executed) -> dict[str, float | None]:
    """When each kind of witness first spoke, in the order in which they did."""
    return {witness.kind: witness.first_s for witness in done.run.witnesses}


def samples(done: Executed, name: str) -> list[int]:
    """One column of samples.jsonl."""
    lines = (done.directory / "samples.jsonl").read_text().splitlines()
    return [sample[name] for sample in map(json.loads, lines) if name in sample]


# Which processes of the agent are killed, and the command after which all must be as before.
JOURNAL = "/run/drmsqueeze/restore.json"
ALL_PUT_BACK = f"while [ -e {JOURNAL} ]; do sleep 0.2; done"
KILLED = {
    "supervisor": ("drmsq-superv", ALL_PUT_BACK),
    "guardian": ("drmsq-guardian", ALL_PUT_BACK),
    "keeper": ("drmsqueeze-agen", ALL_PUT_BACK),
    "all": ("drmsqueeze-agen drmsq-guardian drmsq-superv drmsq-client drmsq-probe drmsq-evidence", "while pidof drmsq-guardian; do sleep 0.2; done; drmsqueeze-agent --restore"),
}


def kill_midway(lab: Lab, tmp_path: Path, members: dict[str, Any], read: str, armed: str, killed: str, then: str,
                tools: Sequence[str] = (), level: float = 1.0) -> tuple[str, str, str]:
    """In a guest's own shell: start a run of PLANTED with these members, whose first job never ends, and kill -9 part of the agent.

    `armed` is a condition of the shell that says when the run is under way. Returns checksums of what the command `read` prints: before
    the run, in its middle, and after `killed` are dead and `then` is through (entries of KILLED).
    """
    scenario = parse(json.dumps(PLANTED | {"model_faults": [{"fault": "never_finish", "count": -1}], "deadline_ms": 600000,
                                           "driver_timeout_ms": 600000} | members), "sigkill").scaled(1)
    request = {"schema": "drmsqueeze.request/1", "scenario": scenario, "level": level, "seed": 1, "time_scale": 4}
    ring = Ring(tmp_path / "ring", request | {name: scenario[name] for name in ("deadline_ms", "grace_ms", "driver_timeout_ms")})
    modules = targets.modules(scenario["target"], [], scenario["driver_timeout_ms"])
    with Vm(lab.guest("lab").carrying(tools), lab.accelerator.name, Hardware(), modules, tmp_path / "console.log", mode="shell",
            ring=tmp_path / "ring") as vm:
        vm.wait_up()

        def shell(command: str) -> list[str]:
            """Type a command, wait for its end; the checksums that it printed."""
            before = len(vm.console())
            vm.type(f"{command}; echo EN''D\n")
            limit = time.monotonic() + 120
            while "\nEND" not in vm.console()[before:].replace("\r", ""):
                assert time.monotonic() < limit and vm.exit_status is None, vm.complaint()
                time.sleep(0.1)
            return re.findall(r"^[0-9a-f]{32}\b", vm.console()[before:], re.M)

        def look() -> str:
            # A checksum, because what the kernel prints meanwhile garbles long output on the serial line.
            (checksum,) = shell(f"({read}) | md5sum")
            return checksum

        found = look()
        shell(f"drmsqueeze-agent >/dev/null 2>&1 & while ! {armed}; do sleep 0.2; done; sleep 1")
        midway = look()
        shell(f"grep -lwE '{'|'.join(killed.split())}' /proc/[0-9]*/comm | cut -d/ -f3 | xargs kill -9; {then}")
        left = look()
    ring.close()
    return found, midway, left
