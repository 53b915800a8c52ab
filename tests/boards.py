# SPDX-License-Identifier: MIT
"""Runs on the stand-in board, for tests of the tiers vm and long."""

import copy
import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Run
from drmsqueeze_results.outcomes import judge

from drmsqueeze import targets
from drmsqueeze.execute import Lab, execute
from drmsqueeze.machines import board_file, sites
from drmsqueeze.machines.board import BoardSite
from drmsqueeze.machines.link import SshLink
from drmsqueeze.machines.stand_in import BREAK, StandIn
from drmsqueeze.plan import PlannedRun
from drmsqueeze.scenario import parse

CHURN: dict[str, Any] = {
    "schema": "drmsqueeze.scenario/1", "name": "churn", "description": "Jobs that need no GPU.", "target": {"driver": "vgem"},
    "stressors": [{"kind": "bo-churn", "jobs": 20, "rate_hz": 20}], "deadline_ms": 20000, "grace_ms": 2000, "time_scale": 4,
}
# The first job never ends, and nothing ends it.
STUCK: dict[str, Any] = {
    "target": {"driver": "panfrost", "model": "mali-jm"}, "stressors": [{"kind": "tiler-heap", "heap_mib": 2, "jobs": 2}],
    "model_faults": [{"fault": "never_finish", "count": 1}], "deadline_ms": 2000, "grace_ms": 60000, "driver_timeout_ms": 600000,
}


class BoardLab:
    """A stand-in board, and runs on it as a harness carries them out that knows its file only."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self.change()

    def change(self, **members: Any) -> None:
        """Other members of its board's file: what is an object takes these over."""
        document = json.loads(self.stand_in.file.read_text())
        for name, value in members.items():
            document[name] = document.get(name, {}) | value if isinstance(value, dict) else value
        self.stand_in.file.write_text(json.dumps(document))
        self.file = board_file.load(self.stand_in.file)
        self.site = BoardSite(self.file)

    def by_labgrid(self) -> "BoardLab":
        """The same board, as a target of a labgrid environment."""
        other = BoardLab(self.stand_in)
        other.site = sites.kept(str(labgrid_environment(self.stand_in)))
        return other

    def run(self, directory: Path, *, at_intents: tuple[int, Callable[[int], None]] | None = None,
            at_witness: tuple[str, Callable[[int], None]] | None = None, jobs: int | None = None, kernel: str = "running", **members: Any) -> Run:
        """`at_intents` and `at_witness`: what is done to the board once so many jobs were begun, or a witness has spoken."""
        document = copy.deepcopy(CHURN) | members
        if jobs:
            document["stressors"][0]["jobs"] = jobs
        done = False

        def watch(machine: Any, journal: Any) -> None:
            nonlocal done
            reached = at_intents and journal.intents >= at_intents[0]
            reached = reached or at_witness and at_witness[0] in {kind for kind, _ in journal.witnesses}
            if reached and not done:
                done = True
                (at_intents or at_witness)[1](journal.intents)  # type: ignore[index]

        execute(self.site, parse(json.dumps(document), "board"), PlannedRun(0, 0, 1.0, "a", 1), kernel, directory, watch)
        return judge(directory)

    def facts(self, directory: Path) -> dict[str, Any]:
        return json.loads((directory / "facts.json").read_text())["machine"]  # type: ignore[no-any-return]

    def ssh(self, command: str) -> str:
        return SshLink(self.file).run(["sh", "-c", command]).stdout.decode()

    def left_behind(self) -> list[str]:
        """Files of runs that are still there; its disk's directory is the stand-in's own."""
        return self.ssh("ls -A /run/drmsqueeze /var/lib/drmsqueeze 2>/dev/null | grep -v :").split()

    def story(self, directory: Path) -> str:
        console = (directory / "console.log").read_text(errors="replace")
        return f"{directory}\n{(directory / 'run.json').read_text()}\n{self.facts(directory)}\n{console[-3000:]}\n" + (
            (self.stand_in.directory / "stderr").read_text())


STRATEGY = """
import subprocess
import time
import attr
from labgrid.factory import target_factory
from labgrid.strategy import Strategy

if "StandInStrategy" not in target_factory.drivers:
    @target_factory.reg_driver
    @attr.s(eq=False)
    class StandInStrategy(Strategy):
        bindings = {"power": "PowerProtocol", "console": "ConsoleProtocol"}
        choose = attr.ib()

        def transition(self, status):
            self.target.activate(self.power)
            if status == "off":
                self.target.deactivate(self.console)
                self.power.off()
                return
            subprocess.run([*self.choose, status], check=True)
            self.power.on()
            for patience in range(100, -1, -1):
                try:
                    self.target.activate(self.console)
                    break
                except OSError:  # its end is not there yet
                    if not patience:
                        raise
                    time.sleep(0.1)
            self.console.expect("board: up", timeout=100)
"""


def labgrid_environment(board: StandIn) -> Path:
    """The environment file of a stand-in board whose console is on a port."""
    described = json.loads(board.file.read_text())
    (board.directory / "strategy.py").write_text(STRATEGY)
    switch = {f"cmd_{position}": shlex.join(board.command(position)) for position in ("on", "off", "cycle")}
    kernels = {name: {"states": ["off", name], "release": kernel["release"]} for name, kernel in described["kernels"].items()}
    target = {
        "resources": {"NetworkService": {"address": "127.0.0.1", "username": "root", "port": board.port},
                      "NetworkSerialPort": {"host": "127.0.0.1", "port": board.console_port, "protocol": "raw"}},
        "drivers": {"SerialDriver": {}, "ExternalPowerDriver": switch, "SSHDriver": {"keyfile": "id"},
                    "StandInStrategy": {"choose": board.command("kernel")}},
        "options": {"drmsqueeze": {"name": "stand-in", "kernels": kernels, "ssh": {"known_hosts": "known_hosts"}, "console": {"break": BREAK}}
                    | {name: described[name] for name in ("limits_s", "time_scale", "models")}},
    }
    path = board.directory / "lab.yaml"
    path.write_text(json.dumps({"imports": ["strategy.py"], "targets": {"main": target}}, indent=1))
    return path


@contextmanager
def stand_in(lab: Lab, state: Path, kernels: Sequence[str] = ("lab",), **how: Any) -> Iterator[BoardLab]:
    """A board with panfrost on its model and vgem; the first of `kernels` is its own. `state`: where it is kept which boards were taken out."""
    modules = [*targets.modules({"driver": "panfrost", "model": "mali-jm"}, [], 600000), "vgem", "who_waits"]
    with pytest.MonkeyPatch.context() as environment, StandIn(
            {name: lab.guest(name) for name in kernels}, lab.accelerator.name, lab.accelerator.time_scale, modules=modules, models=["mali-jm"],
            **how) as made:
        environment.setenv("XDG_STATE_HOME", str(state))
        yield BoardLab(made)
