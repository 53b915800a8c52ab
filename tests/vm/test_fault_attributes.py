# SPDX-License-Identifier: MIT
"""fail-page-alloc, failslab and fail-function: each bites where it is told to, and nowhere else, and is put back."""

from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze.execute import Lab

from whole_runs import KILLED, Executed, RunOne, fired, kill_midway

# One job a second: after a failed one panfrost 6.12 masks the next job's fault until the GPU has slept.
SPACED = [{"kind": "tiler-heap", "heap_mib": 4, "jobs": 3, "rate_hz": 1}]
NO_HEAP_PAGE = {"kind": "fail-function", "function": "shmem_read_mapping_page_gfp", "retval": "-ENOMEM"}


def settings(done: Executed) -> dict[str, Any]:
    return dict(done.run.injections[0].settings)


def test_failslab_reaches_every_thread_of_a_client(run_one: RunOne) -> None:
    """Both threads exist when the client is marked, and no job of either gets its struct panfrost_gem_object (of kmalloc-512)."""
    done = run_one(stressors=[{"kind": "tiler-heap", "heap_mib": 4, "jobs": 5, "threads": 2}],
                   injectors=[{"kind": "failslab", "scope": {"thread": "drmsq-client"}, "caches": ["kmalloc-512"]}])
    assert done.fates == {"failed": 10}, done.story
    assert (fired(done, "failslab") or 0) >= 10, done.story
    assert settings(done)["cache-filter"] == "Y"
    assert len(settings(done)["scope"]["matched"]) == 2, done.story
    assert done.run.restored is True, done.story


def test_failslab_stops_and_begins_with_the_phases(run_one: RunOne) -> None:
    phases = [{"kind": kind, "duration_ms": 500} for kind in ("ramp", "release", "ramp")]
    done = run_one(injectors=[{"kind": "failslab", "scope": {"stack": "panfrost_ioctl_submit"}}], phases=phases,
                   stressors=[{"kind": "tiler-heap", "heap_mib": 4, "jobs": 100000, "rate_hz": 20}])
    assert set(done.fates) == {"completed", "failed"}, done.story
    assert fired(done, "failslab") == done.fates["failed"], done.story


def test_heap_that_gets_no_page(run_one: RunOne) -> None:
    """A function of shmem, failed only where panfrost's fault handler asks: its static functions have no entry of their own."""
    done = run_one(stressors=SPACED, injectors=[NO_HEAP_PAGE | {"scope": {"stack": "panfrost_mmu_irq_handler_thread"}}])
    assert done.fates == {"failed": 3}, done.story
    assert fired(done, "fail-function") == 3, done.story
    assert done.run.restored is True, done.story


def test_direct_caller_is_not_on_the_stack_that_fail_function_sees(run_one: RunOne) -> None:
    """The probe hits before the function has a frame: what the docs say of `stack`, and an error, for nothing fired."""
    done = run_one(injectors=[NO_HEAP_PAGE | {"scope": {"stack": "panfrost_mmu_map_fault_addr"}}])
    assert done.fates == {"completed": 5}, done.story
    assert done.run.status is Status.ERROR, done.story


@pytest.mark.parametrize(("injector", "complaint"), [
    ({"kind": "fail-function", "function": "panfrost_job_pusch"}, "nearest there: panfrost_job_push"),
    ({"kind": "fail-function", "function": "panfrost_job_push", "scope": {"thread": "*"}}, "CONFIG_KPROBES_ON_FTRACE"),
    ({"kind": "failslab", "caches": ["drm_sched_fence"]}, "boot with slab_nomerge"),
], ids=["unlisted", "thread", "merged"])
def test_what_the_kernel_cannot_do_is_refused_in_words(run_one: RunOne, injector: dict[str, Any], complaint: str) -> None:
    done = run_one(injectors=[injector])
    assert done.run.status is Status.SKIP, done.story
    assert complaint in " ".join(done.run.verdict.reasons), done.story
    assert done.run.jobs.submitted == 0


# Somebody else's process: it is marked, and so is all that it clones; kmalloc-8k is not what a clone takes.
CLONING = ("pidof busybox-marked >/dev/null || { cp /bin/busybox /tmp/busybox-marked; "
           "/tmp/busybox-marked sh -c 'while :; do sleep 1000 & sleep 0.5; done' </dev/null >/dev/null 2>&1 & sleep 1; }")
READ = (f"{CLONING}; cd /sys/kernel/debug; grep -r . fail_page_alloc failslab fail_function | sort; "
        "grep -H . /sys/kernel/slab/kmalloc-8k/failslab; grep -h . /proc/[0-9]*/task/*/make-it-fail 2>/dev/null | sort -u")


@pytest.mark.parametrize(("killed", "then"), [KILLED[who] for who in ("supervisor", "guardian", "all")], ids=["supervisor", "guardian", "all"])
def test_all_three_are_as_before_after_sigkill(lab: Lab, tmp_path: Path, killed: str, then: str) -> None:
    injectors = [
        {"kind": "failslab", "caches": ["kmalloc-8k"], "scope": {"thread": "busybox-marked"}},
        {"kind": "fail-page-alloc", "scope": {"stack": "panfrost_job_timedout"}},
        {"kind": "fail-function", "function": "panfrost_gem_prime_import_sg_table"},
    ]
    armed = "grep -q 100 /sys/kernel/debug/fail_function/probability"
    found, midway, left = kill_midway(lab, tmp_path, {"injectors": injectors}, READ, armed, killed, then)
    assert midway != found, "nothing was armed"
    assert left == found
