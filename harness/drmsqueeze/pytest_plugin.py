# SPDX-License-Identifier: MIT
"""A pytest plugin that collects plan.json files: every planned run is a test item.

`pytest -p drmsqueeze.pytest_plugin DIR/plan.json` carries a plan out; pytest's own --junitxml, -k, -x and --collect-only do
what they always do. Runs go into directories beside the plan (plan.json of purpose `compare`: under `runs/`). A plan may grow while it is
carried out (schedule.py): its new runs become items of the same session.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Run, Status
from drmsqueeze_results.outcomes import judge

from drmsqueeze import progress
from drmsqueeze.errors import DrmsqueezeError
from drmsqueeze.execute import Lab, execute
from drmsqueeze.plan import Plan, PlannedRun
from drmsqueeze.schedule import Schedule

LAB = pytest.StashKey[Lab]()


class RunBroke(Exception):
    """The run could not do its work; its reasons are the message."""


class RunFailed(Exception):
    """The run saw an outcome or a finding that its scenario does not expect."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash.setdefault(LAB, Lab())


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
        yield from self._next_items()

    def _next_items(self) -> Iterator["RunItem"]:
        for planned in self.schedule.batch():
            plan = self.schedule.plan
            rate = "" if planned.rate_hz is None else f", {planned.rate_hz:g} Hz"
            name = f"{plan.scenario.name}-{planned.directory}[{plan.arms[planned.arm]}, level {planned.level:g}{rate}]"
            yield RunItem.from_parent(self, name=name, plan=plan, planned=planned)

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
        self._plan, self._planned = plan, planned
        self._run: Run | None = None

    def setup(self) -> None:
        assert isinstance(self.parent, PlanFile)
        directory = runs_directory(self.path, self._plan) / self._planned.directory
        kernel = self._plan.arms[self._planned.arm]
        try:
            execute(self.config.stash[LAB], self._plan.scenario, self._planned, kernel, directory, warm=self._plan.warm)
            run = self._run = judge(directory)
        except Exception:  # whatever it was: the plan has to know that this run left no verdict
            self.parent.took(self._planned, None)
            raise
        self.parent.took(self._planned, run)
        reasons = f"{run.verdict.reason_code}: {'; '.join(run.verdict.reasons)}"
        if run.status is Status.ERROR:
            raise RunBroke(f"{reasons} ({directory})")
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
