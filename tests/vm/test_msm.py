# SPDX-License-Identifier: MIT
"""msm on the model of an Adreno a200: each fate of a job appears when its fault is planted, the GPU works afterwards, and what the shrinker
takes away is what it said. With nothing planted all complete: configs/suite/*msm*.json."""

import json
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze import TOP

from whole_runs import Executed, RunOne, fired

TARGET: dict[str, Any] = {"driver": "msm", "model": "adreno-a2xx"}
# Every job is one of the GPU on a BO of 64 KiB: 16 values, each of two words behind which a third says how far the job is.
JOBS: dict[str, Any] = {"kind": "shrinker", "buffers": 1, "busy": 1, "bo_kib": 64, "jobs": 10, "mapped": False}
WORDS = 3 * 16
FAULTS: dict[str, dict[str, Any]] = {
    "corrupted": {"model_faults": [{"fault": "corrupt_write", "nth": 2 * WORDS + 1, "value": 1}]},
    "timed_out": {"model_faults": [{"fault": "never_finish", "nth": 3}], "driver_timeout_ms": 2000},
}


def counts(done: Executed) -> dict[str, int]:
    return json.loads((done.directory / "stressors.json").read_text())[0]["counts"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("fate", FAULTS)
def test_planted_fault_makes_its_fate(run_one: RunOne, fate: str) -> None:
    done = run_one(target=TARGET, stressors=[JOBS], **FAULTS[fate])
    assert done.fates == {fate: 1, "completed": 9}, done.story
    assert done.run.status is Status.FAIL, "nothing but completed jobs was expected: " + done.story
    assert done.run.restored is True, done.story
    if fate == "timed_out":
        assert done.run.first_witness == "driver-timeout", done.story


def test_a_page_fault_of_the_gpu_loses_a_write_and_nothing_else(run_one: RunOne) -> None:
    done = run_one(target=TARGET, stressors=[JOBS], model_faults=[{"fault": "page_fault", "nth": 1}])
    assert done.fates == {"corrupted": 1, "completed": 9}, done.story
    assert "MMU_PAGE_FAULT" in (done.directory / "console.log").read_text(errors="replace"), done.story


def test_an_interrupt_that_is_lost_makes_jobs_late_at_most(run_one: RunOne) -> None:
    done = run_one(target=TARGET, stressors=[JOBS], model_faults=[{"fault": "lose_interrupt", "nth": 2}], driver_timeout_ms=2000)
    assert done.fates == {"completed": 10}, done.story


def test_a_touch_of_what_was_purged_is_a_sigbus_and_a_warning(run_one: RunOne) -> None:
    """GEM_WARN_ON() in msm_gem_fault(): any client can have it."""
    done = run_one(target=TARGET, stressors=[JOBS | {"buffers": 16, "busy": 0, "jobs": 64, "rate_hz": 40, "mapped": True}],
                   injectors=[{"kind": "shrinker-scan", "method": "msm-shrink", "every_ms": 1}])
    assert done.fates == {"completed": 64}, done.story
    seen = counts(done)
    assert seen["purged"] == seen["stale_mappings_refused"] > 0, seen
    assert [f.kind for f in done.run.findings if not f.expected] == ["warn"], done.story


@pytest.mark.parametrize(("kind", "hit"), [("fail-gem-alloc", "MSM_GEM_NEW"), ("fail-gem-iova", "MSM_GEM_INFO: iova")])
def test_the_drivers_own_failure_points(run_one: RunOne, kind: str, hit: str) -> None:
    done = run_one(target=TARGET, stressors=[{"kind": "bo-churn", "max_kib": 64, "jobs": 20}],
                   injectors=[{"kind": kind, "times": 5, "scope": {"thread": "drmsq-client"}}])
    assert done.fates == {"failed": 5, "completed": 15}, done.story
    assert fired(done, kind) == 5 and done.run.restored is True, done.story
    assert hit in (done.directory / "jobs.jsonl").read_text(), done.story


def test_a_failure_point_that_nobody_passes_is_an_error(run_one: RunOne) -> None:
    done = run_one(target=TARGET, stressors=[{"kind": "bo-churn", "max_kib": 64, "jobs": 20}],
                   injectors=[{"kind": "fail-gem-alloc", "space": 1000000000, "scope": {"thread": "drmsq-client"}}])
    assert done.fates == {"completed": 20}, done.story
    assert done.run.status is Status.ERROR, done.story


def test_the_sweep_tells_a_buffer_that_stays_locked(run_one: RunOne) -> None:
    """Where the copy of the metadata cannot be had, the ioctl returns with the BO locked; where it can, and one allocation earlier, all is well."""
    done = run_one(base=json.loads((TOP / "configs/error-sweep-msm-metadata.json").read_text()))
    rows = json.loads((done.directory / "stressors.json").read_text())[0]["tables"][0]["rows"]
    assert len(rows) >= 3 and all(row[6].startswith("clean") and row[5] == "nothing" for row in rows[:-1]), rows
    assert "second thread does not come back" in rows[-1][6] and rows[-1][2].startswith("32 bytes: msm_ioctl_gem_info"), rows
    assert done.run.status is Status.PASS, done.story
