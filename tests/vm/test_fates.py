# SPDX-License-Identifier: MIT
"""Each fate of a job appears when its fault is planted, and does not appear otherwise."""

import json
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze.journal import Journal
from drmsqueeze.machines.vm import Vm

from whole_runs import RunOne

# Times below are those of the scenario and are stretched fourfold (time_scale of PLANTED).
FAULTS: dict[str, dict[str, Any]] = {
    "corrupted": {"model_faults": [{"fault": "corrupt_write", "nth": 3, "value": 1}]},
    "failed": {"model_faults": [{"fault": "finish_with_status", "nth": 3, "value": 0x58}]},
    "timed_out": {"model_faults": [{"fault": "never_finish", "nth": 3}], "driver_timeout_ms": 500},
    "stalled": {"model_faults": [{"fault": "delay_job", "nth": 3, "value": 100_000_000}], "deadline_ms": 1000},
    "hung": {"model_faults": [{"fault": "never_finish", "nth": 3}], "deadline_ms": 1000, "grace_ms": 500},
}


@pytest.mark.parametrize("fate", FAULTS)
def test_planted_fault_makes_its_fate(run_one: RunOne, fate: str) -> None:
    done = run_one(**FAULTS[fate])
    assert done.fates.get(fate) == 1, done.story
    others = {name: count for name, count in done.fates.items() if name not in (fate, "completed")}
    assert not others, done.story
    assert done.run.status is Status.FAIL, "nothing but completed jobs was expected: " + done.story
    assert done.run.restored is True, done.story
    if fate == "timed_out":
        assert done.run.first_witness == "driver-timeout", done.story
        assert {w.kind: w.settled for w in done.run.witnesses} == {"driver-timeout": True, "devcoredump": True}, done.story
        (dump,) = (done.directory / "evidence").glob("devcoredump-*.bin")
        assert dump.stat().st_size > 4096, "panfrost's dump holds registers and memory"
    if fate in ("stalled", "hung"):
        assert done.run.first_witness == "late-fence", done.story
    if fate == "stalled":
        (stall,) = done.run.stalls
        assert stall.after_release_s is not None, "it was the release that let it go: " + done.story


@pytest.mark.parametrize("kernel", ["lab", "lab+panfrost-nowait"])
def test_no_fault_and_no_pressure_is_all_completed(run_one: RunOne, kernel: str) -> None:
    done = run_one(kernel=kernel, stressors=[{"kind": "tiler-heap", "heap_mib": 16, "jobs": 20, "contexts": 2, "threads": 2}])
    assert done.fates == {"completed": 80}, done.story
    assert done.run.status is Status.PASS, done.story
    assert not [finding for finding in done.run.findings if not finding.expected], done.story
    assert not done.run.witnesses and done.run.first_witness is None, done.story


@pytest.mark.parametrize("options", [
    {"heap": "persistent", "contexts": 2, "threads": 2, "in_flight": 3},
    {"heap": "fresh", "contexts": 2, "threads": 2, "in_flight": 3},
    {"heap": "shared", "threads": 2},
], ids=lambda options: options["heap"])
def test_heaps_of_all_kinds(run_one: RunOne, options: dict[str, Any]) -> None:
    done = run_one(stressors=[{"kind": "tiler-heap", "heap_mib": 4, "jobs": 4} | options])
    assert done.fates == {"completed": 4 * options.get("contexts", 1) * options["threads"]}, done.story


def test_panfrost_maps_a_shared_heap_in_one_context_only(run_one: RunOne) -> None:
    """Not wanted, but so in 6.12: see the case study. When this fails, the driver was repaired."""
    done = run_one(driver_timeout_ms=500, stressors=[{"kind": "tiler-heap", "heap_mib": 4, "jobs": 2, "heap": "shared", "contexts": 2}])
    assert done.fates == {"completed": 2, "timed_out": 2}, done.story


def test_a_planted_fault_that_is_expected_passes(run_one: RunOne) -> None:
    done = run_one(**FAULTS["corrupted"], expect={"lab": {"corrupted": [1, 1]}})
    assert done.run.status is Status.PASS, done.story


def test_lost_interrupt_is_not_completed_in_silence(run_one: RunOne) -> None:
    """The driver's timeout handler finds a job done whose interrupt was lost; whatever it says, no job may be unaccounted for."""
    done = run_one(model_faults=[{"fault": "lose_interrupt", "nth": 3}], driver_timeout_ms=500)
    assert done.fates == {"completed": 4, "timed_out": 1}, done.story


def test_killed_guest_loses_its_jobs_and_their_sum_stays(run_one: RunOne) -> None:
    def kill(vm: Vm, journal: Journal) -> None:
        if journal.intents >= 3:
            vm.kill()

    done = run_one(watch=kill, model_faults=[{"fault": "never_finish", "nth": 3}])
    facts = json.loads((done.directory / "facts.json").read_text())
    assert facts["machine"]["ended"] == "killed"
    assert done.fates == {"completed": 2, "lost": 1}, done.story
    assert done.run.jobs.submitted == 3


def test_ring_holds_jobs_of_a_fast_stressor(run_one: RunOne) -> None:
    """Many short jobs, so that the ring's reader, not only its writer, is at work."""
    done = run_one(stressors=[{"kind": "tiler-heap", "heap_mib": 2, "jobs": 2000, "heap": "persistent", "in_flight": 4}])
    assert done.fates == {"completed": 2000}, done.story
