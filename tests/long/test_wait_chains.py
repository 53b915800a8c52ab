# SPDX-License-Identifier: MIT
"""The planted deadlocks' negative controls, and clean runs: nothing is found where nothing is planted."""

import json
from typing import Any

import pytest
from drmsqueeze_results.model import Status
from drmsqueeze_results.outcomes import consider

from drmsqueeze import TOP

from whole_runs import Executed, RunOne


def run_config(run_one: RunOne, name: str, kernel: str = "lab", **members: Any) -> Executed:
    document = json.loads((TOP / f"configs/{name}.json").read_text()) | members
    return run_one(base=document, kernel=kernel, level=document.get("levels", [1.0])[0])


def unexpected(done: Executed) -> list[str]:
    return [finding.signature for finding in done.run.findings if not finding.expected]


def circles(done: Executed) -> list[tuple[str, ...]]:
    return [chain.boxes for chain in consider(done.directory).chains if chain.closed]


# Without the trap the heap grows under the same pressure, slowly: that is its own scenario. Here its job must end.
PATIENT = {"traps": [], "deadline_ms": 60000, "grace_ms": 10000, "driver_timeout_ms": 60000, "expect": {}}
NOT_PLANTED: dict[str, dict[str, Any]] = {
    "shrinker-waits-for-fence": PATIENT | {"levels": [0.5]},
    "shrinker-waits-for-other-device": PATIENT | {"levels": [0.5]},
    "lost-wakeup": {"traps": [], "expect": {}},
    "device-fault-reclaim": PATIENT,
    "device-fault-invalidation": PATIENT,
}


@pytest.mark.parametrize("name", NOT_PLANTED)
def test_same_scenario_without_its_trap_completes(run_one: RunOne, name: str) -> None:
    done = run_config(run_one, f"traps/{name}", **NOT_PLANTED[name])
    assert set(done.fates) == {"completed"}, done.story
    assert done.run.status is Status.PASS and not unexpected(done), done.story
    assert not circles(done), circles(done)


def test_driver_that_only_tries_the_lock_times_the_job_out(run_one: RunOne) -> None:
    done = run_config(run_one, "traps/timeout-lock")
    assert done.fates == {"timed_out": 1}, done.story
    assert done.run.status is Status.PASS and not circles(done), done.story


def test_allocation_under_the_lock_hangs_only_where_it_reclaims(run_one: RunOne) -> None:
    done = run_config(run_one, "traps/timeout-lock", "lab+panfrost-timeout-lock", levels=[1.0], injectors=[], expect={})
    assert done.fates == {"timed_out": 1}, done.story
    assert not circles(done), circles(done)


@pytest.mark.parametrize("name", ["shrinker-waits-for-fence", "shrinker-waits-for-other-device"])
def test_handler_that_does_not_wait_loses_the_job_and_hangs_nobody(run_one: RunOne, name: str) -> None:
    done = run_config(run_one, f"traps/{name}", "lab+panfrost-nowait")
    assert done.fates == {"failed": 1}, done.story
    assert done.run.status is Status.PASS, done.story
    assert not circles(done), circles(done)


# Short scenarios with nothing planted, of each stressor, with and without pressure; three seeds of each make thirty runs.
CLEAN = ("tiler-heap", "bo-churn-panfrost", "bo-churn-panfrost-purge", "bo-churn-vgem", "bo-churn-qxl", "fence-wait", "sync-file", "shrinker",
         "ttm-bochs", "hog-phases")


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", CLEAN)
def test_clean_runs_find_nothing(run_one: RunOne, name: str, seed: int) -> None:
    document = json.loads((TOP / f"configs/suite/{name}.json").read_text())
    assert not document.get("traps") and not document.get("model_faults"), "not a clean scenario"
    done = run_one(base=document | {"seed": seed}, level=document.get("levels", [1.0])[0])
    assert done.run.status is Status.PASS, done.story
    assert not done.run.jobs.hung and not done.run.jobs.lost and not done.run.jobs.corrupted, done.story
    assert not unexpected(done), f"{unexpected(done)}\n{done.story}"
    assert not circles(done), circles(done)
