# SPDX-License-Identifier: MIT
"""A pytest plugin that collects plan.json files: every planned run is a test item.

`pytest -p drmsqueeze.pytest_plugin DIR/plan.json` carries a plan out; pytest's own --junitxml, -k, -x and --collect-only do
what they always do. Runs go into directories beside the plan (plan.json of purpose `compare`: under `runs/`). A plan may grow while it is
carried out (schedule.py): its new runs become items of the same session.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Run, Status
from drmsqueeze_results.outcomes import judge

from drmsqueeze import progress, side_by_side
from drmsqueeze.errors import DrmsqueezeError
from drmsqueeze.execute import Lab, execute
from drmsqueeze.machines.machine import Site
from drmsqueeze.plan import Plan, PlannedRun
from drmsqueeze.schedule import Schedule

LAB = pytest.StashKey[Site]()
AT_ONCE = pytest.StashKey[int]()
"""How many runs of a comparison go side by side."""


class RunBroke(Exception):
    """The run could not do its work; its reasons are the message."""


class RunFailed(Exception):
    """The run saw an outcome or a finding that its scenario does not expect."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash.setdefault(LAB, Lab())
    config.stash.setdefault(AT_ONCE, 1)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "PlanFile | None":
    if file_path.name != "plan.json":
        return None
    return PlanFile.from_parent(parent, path=file_path)  # type: ignore[no-any-return]


def runs_directory(plan_file: Path, plan: Plan) -> Path:
    """Where the run directories of a plan lie."""
    return plan_file.parent / "runs" if plan.purpose == "compare" else plan_file.parent


class PlanFile(pytest.File):
    def collect(self) -> Iterator["RunItem"]:
        self.schedule = Schedule(self.path)
        self._steps: list[list[RunItem]] = []
        self._carried_out: dict[int, side_by_side.Outcome] = {}
        yield from self._next_items()

    def _next_items(self) -> list["RunItem"]:
        items = {}
        batch = self.schedule.batch()
        for planned in batch:
            plan = self.schedule.plan
            rate = "" if planned.rate_hz is None else f", {planned.rate_hz:g} Hz"
            name = f"{plan.scenario.name}-{planned.directory}[{plan.arms[planned.arm]}, level {planned.level:g}{rate}]"
            items[planned.index] = RunItem.from_parent(self, name=name, plan=plan, planned=planned)
        at_once = self.config.stash[AT_ONCE] if self.schedule.plan.purpose == "compare" else 1
        self._steps += [[items[run.index] for run in step] for step in side_by_side.steps(batch, at_once)]
        return list(items.values())

    def carry_out(self, item: "RunItem") -> None:
        """Carry out an item's run, with those that go beside it and are asked for too; raises what the run raised."""
        index = item.planned.index
        if index not in self._carried_out:
            step = next(step for step in self._steps if item in step)
            step = [one for one in step if one in self.session.items]
            self._carried_out |= side_by_side.carry_out({one.planned.index: partial(one.execute, len(step) - 1) for one in step})
        error = self._carried_out[index]
        if error:
            raise error

    def took(self, planned: PlannedRun, run: Run | None) -> None:
        """A run is over: once all that were handed out are, the next ones become items. pytest's loop walks a list that may grow."""
        self.schedule.took(planned, run)
        if self.schedule.broken:
            progress.say(self.schedule.broken)
            self.session.shouldfail = self.schedule.broken
        elif not self.schedule.waiting:
            known = len(self.schedule.plan.repeated_blocks)
            self.session.items.extend(self._next_items())
            for again in self.schedule.plan.repeated_blocks[known:]:
                progress.say(f"block {again.block} is run again, as block {again.repeated_by}: {again.reason}")


class RunItem(pytest.Item):
    """One planned run. A run that broke is an error of its setup, so that reports tell it from one that failed."""

    def __init__(self, *, plan: Plan, planned: PlannedRun, **rest: Any) -> None:
        super().__init__(**rest)
        self._plan, self.planned = plan, planned
        self._run: Run | None = None

    @property
    def _directory(self) -> Path:
        return runs_directory(self.path, self._plan) / self.planned.directory

    def execute(self, beside: int) -> None:
        """Carry out this run, with so many others at its side."""
        execute(self.config.stash[LAB], self._plan.scenario, self.planned, self._plan.arms[self.planned.arm], self._directory,
                warm=self._plan.warm, beside=beside)

    def setup(self) -> None:
        assert isinstance(self.parent, PlanFile)
        try:
            self.parent.carry_out(self)
            run = self._run = judge(self._directory)
        except Exception:  # whatever it was: the plan has to know that this run left no verdict
            self.parent.took(self.planned, None)
            raise
        self.parent.took(self.planned, run)
        reasons = f"{run.verdict.reason_code}: {'; '.join(run.verdict.reasons)}"
        if run.status is Status.ERROR:
            raise RunBroke(f"{reasons} ({self._directory})")
        if run.status is Status.SKIP:
            pytest.skip(reasons)

    def runtest(self) -> None:
        assert self._run is not None
        jobs = {name: count for name, count in vars(self._run.jobs).items() if count}
        self.add_report_section("call", "jobs", str(jobs))
        if self._plan.purpose == "run" and self._run.status is Status.FAIL:
            raise RunFailed(f"{self._run.verdict.reason_code}: {'; '.join(self._run.verdict.reasons)}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, RunBroke | RunFailed | DrmsqueezeError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name
