# SPDX-License-Identifier: MIT
"""A night's files: what the harness is given, and what it has left."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

from drmsqueeze.campaign.checks import RunDirectory
from drmsqueeze.campaign.harness_process import MARK
from drmsqueeze.campaign.processes import marked, words
from drmsqueeze.campaign.scene import Bench
from drmsqueeze.campaign.workload import Workload
from drmsqueeze.machines import received
from drmsqueeze.night import Night


class NightFiles:
    """Written anew; which of the machine's workloads take part is drawn."""

    def __init__(self, directory: Path, results: Path, bench: Bench, random: Random) -> None:
        self.workloads: Sequence[Workload] = random.sample(bench.workloads, random.randint(2, len(bench.workloads)))
        self.results = results
        (directory / "scenarios").mkdir()
        for one in self.workloads:
            (directory / "scenarios" / f"{one.name}.json").write_text(json.dumps(one.scenario, indent=1) + "\n")
        self.lab = directory / "lab.json"
        self.lab.write_text(json.dumps({
            "schema": "drmsqueeze.lab/1", "results": str(results), "errors_in_a_row": 100,
            "boards": [{"machine": bench.machine, "scenarios": ["scenarios/*.json"], "runs": 1}]}, indent=1) + "\n")

    def command(self) -> list[str]:
        """The night, or the rest of it: one that was killed before it was planned is begun again."""
        return ["nightly", str(self.lab), *(["--resume"] if self.nights else [])]

    @property
    def nights(self) -> list[Night]:
        return [Night(path.parent) for path in sorted(self.results.glob("*/night.json"))]

    def planned(self) -> list[str]:
        """Where the run of each planned cell is; of one that has none, its name. Those that came to nothing, with the reason, are left out."""
        found = []
        for night in self.nights:
            finished = night.state().finished
            found += [str((night.runs / finished[cell.index].directory).relative_to(self.results)) if cell.index in finished else cell.name()
                      for cell in night.plan().order if cell.index not in finished or not finished[cell.index].reason]
        return found or ["a night"]

    def open(self) -> bool:
        """Whether there is something to resume."""
        return not self.nights or not all(night.state().over for night in self.nights)

    def runs(self) -> list[RunDirectory]:
        return [RunDirectory(path) for night in self.nights for path in sorted(night.runs.iterdir()) if path.is_dir()]

    def finished(self) -> dict[Path, str]:
        """The runs that have a verdict, with their digests."""
        return {run.path: run.digest() for run in self.runs() if (run.path / "run.json").exists()}

    def records(self) -> dict[Path, bytes]:
        """What runs have of records."""
        return {run.path: (run.path / received.FILE).read_bytes() for run in self.runs() if (run.path / received.FILE).exists()}

    def left_over(self, mark: str) -> list[str]:
        return [f"process {pid} of the harness: {' '.join(words(pid))[:200]}" for pid in marked(MARK, mark)]
