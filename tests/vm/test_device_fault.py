# SPDX-License-Identifier: MIT
"""The deadlock of recoverable page faults: it hangs when built so, and what breaks the circle lets every job through."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze import TOP

from whole_runs import Executed, RunOne


def config(name: str) -> dict[str, Any]:
    return json.loads((TOP / "configs" / f"{name}.json").read_text())  # type: ignore[no-any-return]


def run_config(run_one: RunOne, name: str, **members: Any) -> Executed:
    document = config(name)
    return run_one(base=document, level=document.get("levels", [1.0])[0], **members)


def stacks_of(name: str, directory: Path) -> str:
    """Of tasks of this name that were blocked: from /proc/PID/stack, unless its reader was caught too, and from sysrq."""
    file = directory / "evidence/stacks.txt"
    parts = re.split(r"^(?=\d+ \()", file.read_text() if file.exists() else "", flags=re.M)
    console = re.split(r"(?=task:)", (directory / "console.log").read_text(errors="replace"))
    return "\n".join(part for part in parts + console if re.match(rf"\d+ \({name}\) D|task:{name} +state:D", part))


def in_stack(function: str, stack: str) -> bool:
    """An emulated serial line sends a character twice now and then."""
    return re.search("".join(re.escape(letter) + "{1,2}" for letter in function), stack) is not None


# Where the pager waits, innermost last. Which of its allocations reclaims (its list of pages, or a page for the GPU) is chance.
PAGER_WAITS = {
    "traps/device-fault-reclaim": ["dmirror_fops_unlocked_ioctl", "try_to_free_pages", "shrink_slab", "trap_scan", "dma_fence_default_wait"],
    "traps/device-fault-invalidation": ["dmirror_migrate_to_device", "migrate_vma_setup", "__mmu_notifier_invalidate_range_start", "trap_invalidate",
                                        "dma_fence_default_wait"],
}


@pytest.mark.parametrize("name", PAGER_WAITS)
def test_pager_that_waits_for_a_fence_closes_the_circle(run_one: RunOne, name: str) -> None:
    done = run_config(run_one, name)
    assert done.fates == {"hung": 2}, done.story
    assert done.run.status is Status.PASS, done.story
    assert done.run.restored is True, done.story
    stacks = stacks_of("drmsq-client", done.directory)
    if in_stack("throttle_direct_reclaim", stacks):  # memory was so short that it waits for kswapd, and kswapd waits in its place
        stacks += stacks_of("kswapd0", done.directory)
    for function in PAGER_WAITS[name]:
        assert in_stack(function, stacks), f"{function} is not in {stacks}"


def test_timeout_of_the_driver_breaks_the_circle(run_one: RunOne) -> None:
    done = run_config(run_one, "traps/device-fault-timeout")
    assert done.fates == {"timed_out": 1, "completed": 1}, done.story
    assert done.run.status is Status.PASS, done.story


PREEMPTED = {"fault": "preempt_device_fault", "nth": 1, "count": -1}


def test_preempted_job_lets_the_other_form_through_as_well(run_one: RunOne) -> None:
    """The suite has the first form. The delay keeps the job behind unfinished until the pager comes."""
    stressor = {"kind": "device-fault", "form": "invalidation", "fault_mib": 1, "jobs": 3, "behind": 2}
    done = run_config(run_one, "traps/device-fault-invalidation", stressors=[stressor], deadline_ms=15000, expect={},
                      model_faults=[PREEMPTED, {"fault": "delay_job", "nth": 2, "count": -1, "value": 100_000}])
    assert done.fates == {"completed": 9}, done.story
    assert done.run.status is Status.PASS, done.story


def test_preempting_cores_is_in_vain_for_who_stands_in_the_same_queue(run_one: RunOne) -> None:
    stressor = {"kind": "device-fault", "form": "invalidation", "fault_mib": 1, "shared": "queue"}
    done = run_config(run_one, "traps/device-fault-invalidation", stressors=[stressor], model_faults=[PREEMPTED])
    assert done.fates == {"hung": 2}, done.story


def test_without_a_trap_all_complete_and_a_wrong_value_is_seen(run_one: RunOne) -> None:
    done = run_one(stressors=[{"kind": "device-fault", "fault_mib": 4, "jobs": 5, "behind": 3}],
                   model_faults=[{"fault": "corrupt_write", "nth": 3, "value": 1}])
    assert done.fates == {"corrupted": 1, "completed": 19}, done.story
    [report] = json.loads((done.directory / "stressors.json").read_text())
    assert report["counts"]["device faults served"] == 5
    assert report["counts"]["pages provided"] == 5 * 1024
