# SPDX-License-Identifier: MIT
"""One round: a night during which something is killed, resumed until it is over, and then looked at. All chance is the seed's."""

import json
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path
from random import Random
from typing import Any

from drmsqueeze.campaign import checks, plants
from drmsqueeze.campaign.harness_process import Harness
from drmsqueeze.campaign.killers import Killer
from drmsqueeze.campaign.night_files import NightFiles
from drmsqueeze.campaign.results_disk import ResultsDisk
from drmsqueeze.campaign.scene import Bench, BenchMaker, Scene



POLL_S = 0.02
MOST_RESUMES = 6
NEARLY_ALL = 0.85
"""Of what a night takes: a moment after its end hits nothing."""


@dataclass(frozen=True)
class Round:
    """What a round is made of, drawn from the campaign's seed and its number."""

    number: int
    seed: int
    killer: Killer

    def random(self) -> Random:
        return Random(f"{self.seed}:{self.number}")


@dataclass
class Outcome:
    """What came of it. `statuses`: how many runs had which verdict at the end."""

    number: int
    killer: str
    faults: dict[str, list[str]]
    acted: int = 0
    resumes: int = 0
    lost_attempts: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    told: list[str] = field(default_factory=list)
    skipped: str | None = None
    planted: str | None = None


class _Moments:
    """When the killer acts: after a time, or after so many calls of the machine, so that its short phases are hit too."""

    def __init__(self, random: Random, bench: Bench, times: int, runs: int) -> None:
        self._bench, self._runs = bench, runs
        self._left = random.randint(1, times)
        self._random = random
        self._draw()

    def _draw(self) -> None:
        by_time = self._random.random() < 0.5
        most_s, most_steps = self._bench.begins_s + self._runs * self._bench.takes_s, self._runs * self._bench.steps_of_run
        self._at_s = time.monotonic() + self._random.uniform(0, NEARLY_ALL * most_s) if by_time else None
        self._at_step = None if by_time else self._bench.steps() + self._random.randint(1, round(NEARLY_ALL * most_steps))
        self._delay_s = self._random.choice((0.0, 0.0, 0.02, 0.1))

    @property
    def due(self) -> bool:
        if not self._left:
            return False
        return time.monotonic() >= self._at_s if self._at_s is not None else self._bench.steps() >= (self._at_step or 0)

    def taken(self) -> None:
        self._left -= 1
        self._draw()

    def wait_a_little(self) -> None:
        time.sleep(self._delay_s)


class Conductor:
    """Carries one round out in `directory`, which it makes."""

    def __init__(self, one: Round, directory: Path, bench_of: BenchMaker, context: ForkServerContext, plant: str | None) -> None:
        self.round, self.directory, self._bench_of, self._context, self._plant = one, directory, bench_of, context, plant
        self.outcome = Outcome(one.number, one.killer.name, {})
        self._began = time.monotonic()
        directory.mkdir(parents=True)

    def _tell(self, sentence: str) -> None:
        self.outcome.told.append(f"{time.monotonic() - self._began:7.2f} {sentence}")

    def carry_out(self) -> Outcome:
        """Nothing that the night does wrong is raised; what the campaign itself cannot do is."""
        random = self.round.random()
        with ResultsDisk(self.directory / "results", self.round.killer.disk) as disk, self._bench_of(self.directory, random) as bench:
            files = NightFiles(self.directory, disk.results, bench, random)
            before = bench.knobs()
            codes, finished, known = self._night(random, bench, disk, files)
            bench.settle()
            if self._plant:
                self.outcome.planted = self._plant
                self._tell(plants.PLANTS[self._plant][0](bench, files))
            self._look(bench, files, before, codes, finished, known)
            self.outcome.seconds = time.monotonic() - self._began
            (self.directory / "round.txt").write_text("\n".join(self.outcome.told) + "\n")
            if self.outcome.faults:
                shutil.copytree(disk.place, self.directory / "kept", symlinks=True, ignore=shutil.ignore_patterns("somebody-else"))
        return self.outcome

    def _harness(self, argv: list[str], bench: Bench) -> Harness:
        environment = dict(bench.environment) | {"XDG_STATE_HOME": str(self.directory / "state")}
        self._tell(" ".join(argv))
        return Harness(self._context, argv, environment, self.directory / "harness.log", str(self.directory))

    def _night(self, random: Random, bench: Bench, disk: ResultsDisk, files: NightFiles) -> \
            tuple[list[int | None], dict[Path, str], dict[Path, bytes]]:
        """The exit codes of all commands; the runs that were finished before the last of them, and the records that all had then."""
        codes: list[int | None] = []
        finished: dict[Path, str] = {}
        known: dict[Path, bytes] = {}
        moments = _Moments(random, bench, self.round.killer.times, len(files.workloads))
        scene: Scene | None = None
        for resume in range(MOST_RESUMES + 1):
            self._note(files, finished, known)
            harness = self._harness(files.command(), bench)
            self.outcome.resumes = resume
            undo = scene.undo if scene else []
            scene = Scene(harness, bench, disk, random, self._tell, undo)
            try:
                codes.append(self._one_command(scene, moments))
            finally:
                if harness.exit_code is None:
                    harness.kill_with_all()
            self._tell(f"ended with {codes[-1]}")
            if codes[-1] is None or not (scene.again or files.open() or (codes[-1] or 0) < 0):
                break
        for _, what, end in (scene.undo if scene else []):
            self._tell(what)
            end()
        self._note(files, finished, known)
        if codes[-1] is not None and not files.open():  # what is over is not gone on with
            harness = self._harness(files.command(), bench)
            if harness.wait(bench.patience_s) != 0:
                codes.append(harness.exit_code)
        return codes, finished, known

    def _note(self, files: NightFiles, finished: dict[Path, str], known: dict[Path, bytes]) -> None:
        """What must not change any more, whatever comes."""
        for path, digest in files.finished().items():
            finished.setdefault(path, digest)
        for path, data in files.records().items():
            known[path] = max(data, known.get(path, b""), key=len)

    def _one_command(self, scene: Scene, moments: _Moments) -> int | None:
        until = time.monotonic() + scene.bench.patience_s
        while (code := scene.harness.exit_code) is None or scene.undo and scene.again:
            now = time.monotonic()
            for entry in [entry for entry in scene.undo if now >= entry[0]]:
                scene.undo.remove(entry)
                self._tell(entry[1])
                entry[2]()
            if code is None and not self.round.killer.quiet and moments.due:
                moments.wait_a_little()
                if self.round.killer.do(scene) is not False:
                    self._tell(f"{self.round.killer.what} ({scene.bench.steps()} calls)")
                    moments.taken()
                    self.outcome.acted += 1
            if now > until:
                self._tell("the harness does not end")
                return None
            time.sleep(POLL_S)
        return code

    def _look(self, bench: Bench, files: NightFiles, before: Mapping[str, str], codes: list[int | None], finished: dict[Path, str],
              known: dict[Path, bytes]) -> None:
        night = checks.Aftermath(
            results=files.results, runs=files.runs(), planned=files.planned(), truth=bench.truth(),
            workloads={one.name: one for one in files.workloads}, quiet=self.round.killer.quiet, misfortunes=bench.misfortunes, finished=finished, known=known,
            knobs_before=dict(before), knobs_after=bench.knobs(), left_over=bench.left_over() + files.left_over(str(self.directory)),
            exit_codes=codes, out_of_service=self._why_out())
        self.outcome.faults = checks.faults(night)
        self.outcome.lost_attempts = len(night.runs) - len(night.planned)
        for run in night.runs:
            with suppress(ValueError, KeyError, TypeError):
                verdict: dict[str, Any] = (run.verdict or {"verdict": {"status": "none"}})["verdict"]
                self.outcome.statuses[verdict["status"]] = self.outcome.statuses.get(verdict["status"], 0) + 1

    def _why_out(self) -> str | None:
        notes = list((self.directory / "state" / "drmsqueeze" / "boards").glob("*.json"))
        return "; ".join(json.loads(note.read_text()).get("reason", "") for note in notes) or None
