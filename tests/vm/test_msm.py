# SPDX-License-Identifier: MIT
"""msm on the model of an Adreno a200: each fate of a job appears when its fault is planted, the GPU works afterwards, and what the shrinker
takes away is what it said. With nothing planted all complete: configs/suite/*msm*.json."""

import json
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze import TOP, targets
from drmsqueeze.doctor import CAPABILITIES
from drmsqueeze.execute import Lab
from drmsqueeze.machines.vm import run_command

from whole_runs import Executed, RunOne, fired, with_files

TARGET: dict[str, Any] = {"driver": "msm", "model": "adreno-a2xx"}
# Every job is one of the GPU on a BO of 64 KiB: 16 values, each of two words behind which a third says how far the job is.
JOBS: dict[str, Any] = {"kind": "shrinker", "buffers": 1, "busy": 1, "bo_kib": 64, "jobs": 10, "mapped": False}
WORDS = 3 * 16
FAULTS: dict[str, dict[str, Any]] = {
    "corrupted": {"model_faults": [{"fault": "corrupt_write", "nth": 2 * WORDS + 1, "value": 1}]},
    "timed_out": {"model_faults": [{"fault": "never_finish", "nth": 3}], "driver_timeout_ms": 500},
    "stalled": {"model_faults": [{"fault": "delay_job", "nth": 3, "value": 100_000_000}], "deadline_ms": 1000},
    "hung": {"model_faults": [{"fault": "never_finish", "nth": 3}], "deadline_ms": 1000, "grace_ms": 500},
}


def counts(done: Executed) -> dict[str, int]:
    return json.loads((done.directory / "stressors.json").read_text())[0]["counts"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("fate", FAULTS)
def test_planted_fault_makes_its_fate(run_one: RunOne, fate: str) -> None:
    done = run_one(target=TARGET, stressors=[JOBS], **FAULTS[fate])
    ends_the_run = fate in ("stalled", "hung")
    assert done.fates[fate] == 1 and set(done.fates) == {fate, "completed"}, done.story
    assert ends_the_run or done.fates["completed"] == 9, "the GPU works afterwards: " + done.story
    assert done.run.status is Status.FAIL, "nothing but completed jobs was expected: " + done.story
    assert done.run.restored is True, done.story
    if fate == "timed_out":
        assert done.run.first_witness == "driver-timeout", done.story
        assert {w.kind: w.settled for w in done.run.witnesses} == {"driver-timeout": True, "devcoredump": True}, done.story
    if ends_the_run:
        assert done.run.first_witness == "late-fence", done.story


def test_a_fence_that_is_lost_is_made_up_for_by_the_next_one(run_one: RunOne) -> None:
    """A ring has one fence, a number that rises: without a job behind it hangcheck ends the job whose number was not written."""
    lost = {"model_faults": [{"fault": "lose_fence", "nth": 3}], "driver_timeout_ms": 500}
    alone = run_one(target=TARGET, stressors=[JOBS], **lost)
    assert alone.fates == {"timed_out": 1, "completed": 9}, alone.story
    followed = run_one(target=TARGET, stressors=[JOBS | {"busy": 4, "jobs": 40}], **lost)
    assert followed.fates == {"completed": 40}, followed.story
    assert not followed.run.witnesses, "nobody saw it: " + followed.story


def test_resets_that_fail_are_tried_again_with_the_next_job(run_one: RunOne) -> None:
    """The third of four GPU jobs hangs, and so does the one behind it. Then the faults are taken back, and the probe's reset works."""
    faults = [{"fault": "never_finish", "nth": 3}, {"fault": "stuck_reset", "count": -1}]
    done = run_one(target=TARGET, stressors=[JOBS | {"jobs": 8}], model_faults=faults, driver_timeout_ms=500)
    assert done.fates == {"timed_out": 2, "completed": 6}, done.story
    assert "driver-wedge" in {w.kind for w in done.run.witnesses}, done.story


def test_a_page_fault_of_the_gpu_loses_a_write_and_nothing_else(run_one: RunOne) -> None:
    done = run_one(target=TARGET, stressors=[JOBS], model_faults=[{"fault": "page_fault", "nth": 1}])
    assert done.fates == {"corrupted": 1, "completed": 9}, done.story
    assert "MMU_PAGE_FAULT" in (done.directory / "console.log").read_text(errors="replace"), done.story


def test_an_interrupt_that_is_lost_makes_jobs_late_at_most(run_one: RunOne) -> None:
    done = run_one(target=TARGET, stressors=[JOBS], model_faults=[{"fault": "lose_interrupt", "nth": 2}], driver_timeout_ms=500)
    assert done.fates == {"completed": 10}, done.story


def suite(name: str) -> dict[str, Any]:
    return json.loads((TOP / f"configs/suite/{name}.json").read_text())  # type: ignore[no-any-return]


def test_without_swap_nothing_is_evicted_and_the_scenario_says_so(run_one: RunOne) -> None:
    """can_swap(). The rest is as in the scenario, which passes with swap."""
    done = run_one(base=suite("shrinker-msm-swap"), machine={"zram_mib": 0})
    assert done.fates == {"completed": 40}, done.story
    seen = counts(done)
    assert seen["shrinker_evicted_pages"] == seen["shrinker_active_evicted_pages"] == seen["swapped_out_pages"] == 0, seen
    assert done.run.verdict.reason_code == "unexpected-count" and len(done.run.verdict.reasons) == 3, done.story


def test_nobody_waits_for_an_idle_gpu(run_one: RunOne) -> None:
    """Scans with leave to wait, of BOs that only the CPU uses: they are purged and evicted, and none after a wait."""
    waits = suite("shrinker-msm-wait")
    idle = waits["stressors"][0] | {"buffers": 8, "busy": 0, "jobs": 40, "rate_hz": 20}
    done = run_one(base=waits, stressors=[idle], model_faults=[], injectors=[waits["injectors"][0] | {"every_ms": 20}])
    assert done.fates == {"completed": 40}, done.story
    seen = counts(done)
    assert seen["shrinker_purged_pages"] > 0 and seen["shrinker_evicted_pages"] > 0, seen
    assert seen["shrinker_active_purged_pages"] == seen["shrinker_active_evicted_pages"] == 0, seen
    assert done.run.verdict.reason_code == "unexpected-outcome", "the scenario's other jobs: " + done.story
    assert {"shrinker_active_purged_pages: 0", "shrinker_active_evicted_pages: 0"} <= {
        reason.partition(" seen")[0] for reason in done.run.verdict.reasons}, done.story


def test_without_relocations_the_kernel_has_no_mapping_to_give_back(run_one: RunOne) -> None:
    vmap = suite("shrinker-msm-vmap")
    done = run_one(base=vmap, stressors=[vmap["stressors"][0] | {"needed": 0}])
    assert done.fates == {"completed": 100} and fired(done, "shrinker-scan"), done.story
    assert counts(done)["shrinker_unmapped_pages"] == 0 and done.run.verdict.status is Status.FAIL, done.story
    assert [reason.partition(" seen")[0] for reason in done.run.verdict.reasons] == ["shrinker_unmapped_pages: 0", "warn: 0"], done.story


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


def test_what_msm_lacks_is_told(lab: Lab, tmp_path: Path) -> None:
    """By the agent, for `doctor`: its firmware, swap for what it would evict, and then nothing."""
    root = tmp_path / "lacks"
    (root / "bin").mkdir(parents=True)
    lines = ["bb=/bin/busybox", "ask() { echo; echo asked; " + CAPABILITIES + "; echo; }", "$bb mv /lib/firmware/qcom /lib/firmware/gone", "ask",
             "$bb mv /lib/firmware/gone /lib/firmware/qcom", "$bb swapoff /dev/zram0", "ask", "$bb swapon /dev/zram0", "ask"]
    (root / "bin/lacks").write_text("\n".join(["#!/bin/busybox sh", *lines]) + "\n")
    (root / "bin/lacks").chmod(0o755)
    console = run_command(with_files(lab.guest("lab"), root, tmp_path), lab.accelerator.name, "/bin/lacks", targets.modules(TARGET, []))
    firmware, swap, nothing = (json.JSONDecoder().raw_decode(part[part.index("\n{") + 1:])[0]
                               for part in console.replace("\r", "").split("\nasked")[1:])
    assert "is its firmware there" in firmware["drivers"]["msm"]["reason"], firmware["drivers"]
    assert swap["drivers"]["msm"]["can"] and swap["stressors"]["shrinker"]["drivers"]["msm"]["limits"] == ["eviction of needed: no swap"]
    assert nothing["stressors"]["shrinker"]["drivers"]["msm"]["limits"] == []
