# SPDX-License-Identifier: MIT
"""Each injector bites, is counted, and is put back; without it, or without its reach, nothing happens."""

import json
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze.execute import Lab

from whole_runs import KILLED, PLANTED, RunOne, fired, kill_midway, samples

FAULT_PATH = {"kind": "fail-page-alloc", "scope": {"stack": "panfrost_mmu_map_fault_addr"}}
KNOBS = "/sys/kernel/debug/fail_page_alloc"

# panfrost 6.12 masks the next job's fault after a failed one until the GPU has slept for 50 ms (docs/case-study-panfrost-fault-path.md): so give it
# the time to, or take the repaired driver.
SPACED = [{"kind": "tiler-heap", "heap_mib": 4, "jobs": 5, "rate_hz": 1}]


@pytest.mark.parametrize(("kernel", "stressors"), [("lab", SPACED), ("lab+panfrost-errfix", PLANTED["stressors"])])
def test_every_job_that_must_allocate_fails_under_fail_page_alloc(run_one: RunOne, kernel: str, stressors: Any) -> None:
    done = run_one(kernel=kernel, stressors=stressors, injectors=[FAULT_PATH])
    assert done.fates == {"failed": 5}, done.story
    assert (fired(done, "fail-page-alloc") or 0) >= 5, done.story
    assert done.run.restored is True, done.story


@pytest.mark.parametrize("scope", [{"module": "panfrost"}, {"thread": "irq/*panfrost-mmu"}], ids=["module", "thread"])
def test_other_scopes_reach_the_fault_path_too(run_one: RunOne, scope: dict[str, str]) -> None:
    done = run_one(kernel="lab+panfrost-errfix", injectors=[FAULT_PATH | {"scope": scope}])
    assert "completed" not in done.fates, done.story
    assert (fired(done, "fail-page-alloc") or 0) > 0, done.story


def test_injection_that_never_fires_is_an_error(run_one: RunOne) -> None:
    """A heap that is full of pages before the injection is armed would be the same: nothing in the fault path allocates."""
    done = run_one(injectors=[FAULT_PATH | {"scope": {"stack": "panfrost_job_timedout"}}])
    assert done.fates == {"completed": 5}, done.story
    assert done.run.status is Status.ERROR, done.story
    assert fired(done, "fail-page-alloc") == 0


def test_a_function_that_is_not_there_is_refused_before_anything_is_changed(run_one: RunOne) -> None:
    done = run_one(injectors=[FAULT_PATH | {"scope": {"stack": "no_such_function"}}])
    assert done.run.status in (Status.SKIP, Status.ERROR), done.story
    assert "no_such_function" in " ".join(done.run.verdict.reasons), done.story
    assert done.run.jobs.submitted == 0


@pytest.mark.parametrize("access", ["cold", "hot"])
def test_hog_leaves_what_the_level_says(run_one: RunOne, access: str) -> None:
    hog: dict[str, Any] = {"kind": "hog", "access": access}
    stressors = [{"kind": "tiler-heap", "heap_mib": 2, "jobs": 20, "rate_hz": 10}]
    idle, squeezed = (run_one(level=level, injectors=[hog], stressors=stressors) for level in (1.0, 0.3))
    assert idle.fates == squeezed.fates == {"completed": 20}, squeezed.story
    available = json.loads((idle.directory / "environment.json").read_text())["idle_mem_available_kib"]
    # A hog at level 0.3 holds 70 % of the idle MemAvailable; a tenth is left for what else moves.
    assert min(samples(idle, "mem_available_kib")) > 0.8 * available
    assert 0.2 * available < min(samples(squeezed, "mem_available_kib")) < 0.4 * available


@pytest.mark.parametrize(("killed", "then"), KILLED.values(), ids=KILLED)
def test_the_hog_is_gone_after_sigkill_of_the_agent(lab: Lab, tmp_path: Path, killed: str, then: str) -> None:
    """It turns no knob, so there is no journal to wait for: it dies with the guardian, and its memory with it."""
    read = "for i in 1 2 3 4 5 6 7 8 9 10; do pidof drmsqueeze-hog >/dev/null || break; sleep 1; done; grep -l drmsqueeze-hog /proc/[0-9]*/comm | wc -l"
    found, midway, left = kill_midway(lab, tmp_path, {"injectors": [{"kind": "hog"}], "levels": [0.5]}, read, "pidof drmsqueeze-hog",
                                      killed, then, level=0.5)
    assert midway != found, "the hog was never there"
    assert left == found


@pytest.mark.parametrize(("killed", "then"), KILLED.values(), ids=KILLED)
def test_knobs_are_as_before_after_sigkill_of_the_agent(lab: Lab, tmp_path: Path, killed: str, then: str) -> None:
    never_fires = FAULT_PATH | {"scope": {"stack": "panfrost_job_timedout"}}
    read = f"grep -r . {KNOBS} /sys/kernel/debug/drmsqueeze/mali-jm/faults | sort"
    found, armed, left = kill_midway(lab, tmp_path, {"injectors": [never_fires]}, read, f"grep -q 100 {KNOBS}/probability", killed, then)
    assert armed != found, "the injection was never armed"
    assert left == found
