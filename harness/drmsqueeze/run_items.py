# SPDX-License-Identifier: MIT
"""A planned run as a pytest item, and the files that such items come from: a scenario, or a plan that the harness wrote."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.documents import write_json
from drmsqueeze_results.model import Run
from drmsqueeze_results.outcomes import conclude
from drmsqueeze_results.test_results import as_data, of_run, run_name

from drmsqueeze import plan, progress, scenario, side_by_side
from drmsqueeze.errors import DrmsqueezeError
from drmsqueeze.execute import execute
from drmsqueeze.machines import sites
from drmsqueeze.machines.machine import Site
from drmsqueeze.plan import Plan, PlannedRun
from drmsqueeze.result_items import ResultItem
from drmsqueeze.scenario import Scenario
from drmsqueeze.session_machines import MACHINES, SessionMachine

LAB = pytest.StashKey[Site]()
"""Where the runs of plan files happen."""
AT_ONCE = pytest.StashKey[int]()
"""How many runs of a comparison go side by side."""


MOST_BYTES = 1 << 20
"""Of a scenario or a plan by far; a lab may have JSON of any size among its tests."""


def schema_of(file: Path, schema: str) -> bool:
    """Whether a JSON file says that it is of this schema; also one that says so and is not JSON."""
    try:
        if file.stat().st_size > MOST_BYTES:
            return False
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    if not re.search(rf'"schema"\s*:\s*"{re.escape(schema)}"', text):
        return False
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return True
    return isinstance(document, dict) and document.get("schema") == schema


class RunItem(ResultItem):
    """One planned run."""

    def __init__(self, *, planned: PlannedRun, plan_of: Plan, machine: SessionMachine | None = None, place: Path = Path(),
                 why_not: str | None = None, **rest: Any) -> None:
        """`place`: where its plan's runs go, within the session's results. `why_not`: it is skipped, and why."""
        super().__init__(**rest)
        self.planned, self.plan, self.machine, self.place = planned, plan_of, machine, place
        self._why_not = why_not
        self.directory: Path | None = None
        for name in marker_names(plan_of.scenario):
            self.add_marker(name)

    @property
    def kernel(self) -> str:
        return self.plan.arm_of(self.planned).kernel

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, 0, f"{self.plan.scenario.name} {self.name}"

    def setup(self) -> None:
        if self._why_not:
            self.skipped(self._why_not)
        assert isinstance(self.parent, PlanFile | ScenarioFile)
        try:
            self.directory = self.parent.directory_of(self)
            self.parent.carry_out(self)
            judgement = conclude(self.directory)
        except DrmsqueezeError as error:
            self.parent.took(self, None)
            self.broken(str(error))
        except Exception:  # whatever it was: the plan has to know that this run left no verdict
            self.parent.took(self, None)
            raise
        self.parent.took(self, judgement.run)
        result = of_run(judgement, self.directory, self.plan.scenario.name, self.name)
        self.show_setup(as_data(result) if self.plan.purpose == "compare" else result)


class PlanFile(pytest.File):
    """A plan.json. Runs go into directories beside it (of a comparison: under `runs/`). A plan may grow while it is carried out
    (schedule.py): its new runs become items of the same session.
    """

    @classmethod
    def of(cls, file: Path, parent: pytest.Collector) -> "PlanFile":
        """Its node id, and so what its runs are filed under in junit.xml, is as in `test_results.results_of`: its place, or its scenario."""
        place = file.parent.relative_to(parent.config.rootpath) if file.is_relative_to(parent.config.rootpath) else file.parent
        nodeid = str(place) if place != Path() else Plan.load(file).scenario.name
        return cls.from_parent(parent, path=file, nodeid=nodeid)  # type: ignore[no-any-return]

    def collect(self) -> Iterator[RunItem]:
        from drmsqueeze.schedule import Schedule  # what it needs of statistics takes seconds to load, and a lab's own tests need none of it

        self.schedule = Schedule(self.path)
        self._steps: list[list[RunItem]] = []
        self._carried_out: dict[int, side_by_side.Outcome] = {}
        yield from self._next_items()

    def _next_items(self) -> list[RunItem]:
        items = {}
        batch = self.schedule.batch()
        for planned in batch:
            name = run_name(planned.directory, self.schedule.plan.arms[planned.arm], planned.level, planned.rate_hz)
            items[planned.index] = RunItem.from_parent(self, name=name, plan_of=self.schedule.plan, planned=planned)
        at_once = self.config.stash[AT_ONCE] if self.schedule.plan.purpose == "compare" else 1
        self._steps += [[items[run.index] for run in step] for step in side_by_side.steps(batch, at_once)]
        return list(items.values())

    def directory_of(self, item: RunItem) -> Path:
        return runs_directory(self.path, item.plan) / item.planned.directory

    def carry_out(self, item: RunItem) -> None:
        """Carry out an item's run, with those that go beside it and are asked for too; raises what the run raised."""
        index = item.planned.index
        if index not in self._carried_out:
            step = next(step for step in self._steps if item in step)
            step = [one for one in step if one in self.session.items]
            self._carried_out |= side_by_side.carry_out({one.planned.index: partial(self._execute, one, len(step) - 1) for one in step})
        error = self._carried_out[index]
        if error:
            raise error

    def _execute(self, item: RunItem, beside: int) -> None:
        arm = item.plan.arm_of(item.planned)
        execute(self.config.stash[LAB], arm.of(item.plan.scenario), item.planned, arm.kernel, self.directory_of(item), warm=item.plan.warm, beside=beside)

    def took(self, item: RunItem, run: Run | None) -> None:
        """A run is over: once all that were handed out are, the next ones become items. pytest's loop walks a list that may grow."""
        self.schedule.took(item.planned, run)
        if self.schedule.broken:
            progress.say(self.schedule.broken)
            self.session.shouldfail = self.schedule.broken
        elif not self.schedule.waiting:
            known = len(self.schedule.plan.repeated_blocks)
            self.session.items.extend(self._next_items())
            for again in self.schedule.plan.repeated_blocks[known:]:
                progress.say(f"block {again.block} is run again, as block {again.repeated_by}: {again.reason}")


class ScenarioFile(pytest.File):
    """A scenario: its plan's runs, for each machine of the session."""

    def collect(self) -> Iterator[RunItem]:
        try:
            one = scenario.load(self.path)
        except DrmsqueezeError as error:
            raise self.CollectError(str(error)) from None
        machines = self.config.stash[MACHINES]
        for machine in machines.all:
            planned = plan.make("run", one, machine.kernels, self.config.option.drmsqueeze_runs, self.config.option.drmsqueeze_seed)
            place = machines.place(machine, one.name, self.path)
            for run in planned.order:
                kernel = planned.arms[run.arm]
                name = run_name(run.directory, kernel, run.level, run.rate_hz, machine.name if len(machines.all) > 1 else None)
                item = RunItem.from_parent(self, name=name, plan_of=planned, planned=run, machine=machine, place=place,
                                           why_not=sites.unfit(machine.site, kernel, one))
                if machine.alone:
                    item.add_marker(pytest.mark.xdist_group(machine.name))
                yield item

    def directory_of(self, item: RunItem) -> Path:
        """A directory that is not there yet: a run that is tried again does not write over the first."""
        within = self.config.stash[MACHINES].results() / item.place
        names = (item.planned.directory + (f"-{number}" if number > 1 else "") for number in count(1))
        return next(within / name for name in names if not (within / name).exists())

    def carry_out(self, item: RunItem) -> None:
        assert item.machine and item.directory
        self._write_plan(item, item.directory.parent)
        with item.machine.used(item.kernel, item.plan.scenario) as beside:
            execute(item.machine.site, item.plan.scenario, item.planned, item.kernel, item.directory, beside=beside)

    def _write_plan(self, item: RunItem, within: Path) -> None:
        """The plan of what this session does: runs that were not selected are none of it. Of several workers one writes it."""
        if (within / "plan.json").exists():
            return
        mine = {one.planned for one in self.session.items if isinstance(one, RunItem) and one.parent is self and one.machine is item.machine}
        within.mkdir(parents=True, exist_ok=True)
        draft = within / f".plan-{os.getpid()}"
        write_json(draft, replace(item.plan, order=tuple(run for run in item.plan.order if run in mine)).to_json())
        try:
            os.link(draft, within / "plan.json")
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def took(self, item: RunItem, run: Run | None) -> None:
        """Nothing comes of it here: a scenario's plan does not grow."""


def runs_directory(plan_file: Path, planned: Plan) -> Path:
    """Where the run directories of a plan lie."""
    return plan_file.parent / "runs" if planned.purpose == "compare" else plan_file.parent


def marker(word: str) -> str:
    """The name of a driver, stressor or injector as a marker: -m takes Python's names only."""
    return word.replace("-", "_")


def marker_names(one: Scenario) -> Sequence[str]:
    """By what -m selects the runs of a scenario: its drivers, stressors and injectors."""
    target = one["target"]
    words = [target["driver"], *target.get("companions", ()), *(part["kind"] for part in (*one["stressors"], *one["injectors"]))]
    return list(dict.fromkeys(map(marker, words)))


def all_markers() -> dict[str, str]:
    """Every marker that a scenario can have, and what it stands for."""
    properties = scenario.rules()["properties"]
    words = {marker(driver): f"runs on the driver {driver}" for driver in properties["target"]["properties"]["driver"]["enum"]}
    for part in ("stressors", "injectors"):
        words |= {marker(kind): f"runs with the {part[:-1]} {kind}" for kind in properties[part]["items"]["properties"]["kind"]["enum"]}
    return words

