# SPDX-License-Identifier: MIT
"""Whole runs in the VM. One lab serves all tests: kernel, guest images and accelerator are found once."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Run
from drmsqueeze_results.outcomes import judge

from drmsqueeze.execute import Lab, Watcher, execute
from drmsqueeze.plan import PlannedRun
from drmsqueeze.scenario import Scenario, parse

# Planted faults are not the CPU's work: their times need no stretching, except the heartbeat's.
PLANTED: dict[str, Any] = {
    "schema": "drmsqueeze.scenario/1", "name": "planted", "description": "A fault planted by a test.",
    "target": {"driver": "panfrost", "model": "mali-jm"},
    "stressors": [{"kind": "tiler-heap", "heap_mib": 4, "jobs": 5}],
    "deadline_ms": 20000, "grace_ms": 5000, "driver_timeout_ms": 60000, "time_scale": 4,
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


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab()


@pytest.fixture
def run_one(lab: Lab, tmp_path: Path) -> RunOne:
    """Carry out one run of PLANTED, or of another scenario, with members changed; returns it judged."""
    count = 0

    def run(*, base: dict[str, Any] = PLANTED, kernel: str = "lab", level: float = 1.0, watch: Watcher | None = None,
            **members: Any) -> Executed:
        nonlocal count
        scenario: Scenario = parse(json.dumps(copy.deepcopy(base) | members), "planted")
        directory = tmp_path / f"{count:04d}"
        count += 1
        execute(lab, scenario, PlannedRun(0, 0, level, "a", 1), kernel, directory, watch)
        return Executed(judge(directory), directory)

    return run
