# SPDX-License-Identifier: MIT
"""panthor on the model of a CSF Mali: each fate of a job appears when its fault is planted; who else a lost group takes along; and what jobs
become that lose what they stand on. With nothing planted all complete: configs/suite/*panthor*.json."""

import json
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze.journal import Journal
from drmsqueeze.machines.vm import Vm

from whole_runs import Executed, RunOne

TARGET: dict[str, Any] = {"driver": "panthor", "model": "mali-csf"}
HEAP: dict[str, Any] = {"kind": "tiler-heap", "heap_mib": 4, "jobs": 5}
# Times below are those of the scenario and are stretched fourfold (time_scale of PLANTED). A job writes 1,024 blocks.
FAULTS: dict[str, dict[str, Any]] = {
    "corrupted": {"model_faults": [{"fault": "corrupt_heap", "nth": 2049, "value": 1}]},
    "failed": {"model_faults": [{"fault": "cs_fatal", "nth": 3, "value": 0x48}]},
    "timed_out": {"model_faults": [{"fault": "never_finish", "nth": 3}], "driver_timeout_ms": 500},
    "stalled": {"model_faults": [{"fault": "delay_job", "nth": 3, "value": 60_000_000}], "deadline_ms": 1000},
    "hung": {"model_faults": [{"fault": "never_finish", "nth": 3}], "deadline_ms": 1000, "grace_ms": 500},
}


def _others(done: Executed, *fates: str) -> dict[str, int]:
    return {name: count for name, count in done.fates.items() if name not in (*fates, "completed")}


@pytest.mark.parametrize("fate", FAULTS)
def test_planted_fault_makes_its_fate(run_one: RunOne, fate: str) -> None:
    done = run_one(target=TARGET, stressors=[HEAP], **FAULTS[fate])
    assert done.fates.get(fate) == 1 and not _others(done, fate), done.story
    assert done.run.status is Status.FAIL, "nothing but completed jobs was expected: " + done.story
    assert done.run.restored is True, done.story
    if fate in ("corrupted", "failed", "timed_out"):
        assert done.fates["completed"] == 4, "the others run in a group that was made anew: " + done.story
    if fate in ("stalled", "hung"):
        assert done.run.first_witness == "late-fence", done.story


def test_killed_guest_loses_its_jobs(run_one: RunOne) -> None:
    def kill(vm: Vm, journal: Journal) -> None:
        if journal.intents >= 3:
            vm.kill()

    done = run_one(watch=kill, target=TARGET, stressors=[HEAP], model_faults=[{"fault": "never_finish", "nth": 3}])
    assert done.fates == {"completed": 2, "lost": 1}, done.story


def test_a_lost_group_takes_along_only_its_own_jobs(run_one: RunOne) -> None:
    """Two groups on one VM, four jobs in flight in each: one hangs, and those behind it never begin."""
    done = run_one(target=TARGET, stressors=[HEAP | {"in_flight": 4, "threads": 2}], driver_timeout_ms=500,
                   model_faults=[{"fault": "never_finish", "nth": 3}])
    assert done.fates["timed_out"] == 1 and done.fates["completed"] >= 5, done.story
    assert not _others(done, "timed_out", "failed"), done.story
    ends = [json.loads(line) for line in (done.directory / "jobs.jsonl").read_text().splitlines()]
    assert all(end.get("victim") for end in ends if end.get("fate") == "failed"), done.story


@pytest.mark.parametrize("taken", ["heap", "group", "vm", "file", "process"])
def test_jobs_that_lose_what_they_stand_on_still_end(run_one: RunOne, taken: str) -> None:
    """Their fences signal; a client beside them notices nothing."""
    losing = {"kind": "tiler-heap", "heap_mib": 16, "chunk_kib": 128, "jobs": 3, "take_away": taken}
    done = run_one(target=TARGET, stressors=[losing, HEAP])
    assert not _others(done, "failed"), done.story
    assert done.fates["completed"] >= 5 and sum(done.fates.values()) == 8, done.story
