# SPDX-License-Identifier: MIT
"""Runs on the stand-in board, for tests of the tiers vm and long."""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Run
from drmsqueeze_results.outcomes import judge

from drmsqueeze import targets
from drmsqueeze.execute import Lab, execute
from drmsqueeze.machines import board_file
from drmsqueeze.machines.board import BoardSite
from drmsqueeze.machines.link import SshLink
from drmsqueeze.machines.stand_in import StandIn
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
        self.file = board_file.load(stand_in.file)
        self.site = BoardSite(self.file)

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

    def story(self, directory: Path) -> str:
        console = (directory / "console.log").read_text(errors="replace")
        return f"{directory}\n{(directory / 'run.json').read_text()}\n{self.facts(directory)}\n{console[-3000:]}\n" + (
            (self.stand_in.directory / "stderr").read_text())


@contextmanager
def stand_in(lab: Lab, state: Path, **how: Any) -> Iterator[BoardLab]:
    """A board with panfrost on its model and vgem. `state`: where it is kept which boards were taken out."""
    modules = [*targets.modules({"driver": "panfrost", "model": "mali-jm"}, [], 600000), "vgem", "who_waits"]
    with pytest.MonkeyPatch.context() as environment, StandIn(
            {"lab": lab.guest("lab")}, lab.accelerator.name, lab.accelerator.time_scale, modules=modules, models=["mali-jm"], **how) as made:
        environment.setenv("XDG_STATE_HOME", str(state))
        yield BoardLab(made)
