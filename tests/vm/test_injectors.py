# SPDX-License-Identifier: MIT
"""Each injector bites, is counted, and is put back; without it, or without its reach, nothing happens."""

import json
import time
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze.execute import Lab, modules_for
from drmsqueeze.machines.vm import Hardware, Vm
from drmsqueeze.ring import Ring

from conftest import PLANTED, Executed, RunOne

FAULT_PATH = {"kind": "fail-page-alloc", "scope": {"stack": "panfrost_mmu_map_fault_addr"}}
KNOBS = "/sys/kernel/debug/fail_page_alloc"


def fired(done: Executed, injector: str) -> int | None:
    return next(i.fired for i in done.run.injections if i.injector == injector)


def samples(done: Executed, name: str) -> list[int]:
    lines = (done.directory / "samples.jsonl").read_text().splitlines()
    return [sample[name] for sample in map(json.loads, lines) if name in sample]


def test_every_job_that_must_allocate_fails_under_fail_page_alloc(run_one: RunOne) -> None:
    done = run_one(injectors=[FAULT_PATH])
    assert done.fates == {"failed": 5}, done.story
    assert (fired(done, "fail-page-alloc") or 0) > 0, done.story
    assert done.run.restored is True, done.story


def test_scope_by_module_reaches_the_fault_path_too(run_one: RunOne) -> None:
    done = run_one(injectors=[FAULT_PATH | {"scope": {"module": "panfrost"}}])
    assert "completed" not in done.fates, done.story
    assert (fired(done, "fail-page-alloc") or 0) > 0, done.story


def test_scope_by_thread_reaches_the_irq_thread(run_one: RunOne) -> None:
    done = run_one(injectors=[FAULT_PATH | {"scope": {"thread": "irq/*panfrost*"}}])
    assert done.fates == {"failed": 5}, done.story


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


def test_knobs_are_as_before_after_sigkill_of_the_agent(lab: Lab, tmp_path: Any) -> None:
    """The guest's own shell reads every knob, kills the supervisor in the middle of a run, and reads them again."""
    scenario = json.loads(json.dumps(PLANTED)) | {
        "machine": {}, "injectors": [FAULT_PATH | {"scope": {"stack": "panfrost_ioctl_wait_bo"}, "probability": 100, "interval": 1,
                                                   "times": 1000, "space": 0, "min_order": 0, "ignore_gfp_wait": False,
                                                   "ignore_gfp_highmem": False}],
        "traps": [], "seed": 1, "levels": [1.0], "runs": 1, "expect": {},
        "model_faults": [{"fault": "never_finish", "nth": 1, "count": -1, "value": 0}],
        "stressors": [{"kind": "tiler-heap", "heap_mib": 2, "step_kib": 2048, "jobs": 5, "rate_hz": 0, "in_flight": 1,
                       "contexts": 1, "threads": 1, "heap": "fresh"}]}
    request = {"schema": "drmsqueeze.request/1", "scenario": scenario, "level": 1.0, "seed": 1, "time_scale": 4,
               "deadline_ms": 600000, "grace_ms": 5000, "driver_timeout_ms": 600000}
    ring = Ring(tmp_path / "ring", request)
    log = tmp_path / "console.log"
    modules = modules_for(scenario["target"], [], 600000)
    with Vm(lab.guest("lab"), lab.accelerator.name, Hardware(), modules, log, mode="shell", ring=tmp_path / "ring") as vm:
        vm.wait_up()

        def shell(command: str, marker: str) -> str:
            """Type a command; what it printed, up to the marker (which the echo of the command does not hold as one word)."""
            before = len(vm.console())
            vm.type(f"{command}; echo {marker[:2]}''{marker[2:]}\n")
            limit = time.monotonic() + 120
            while f"\n{marker}" not in vm.console()[before:].replace("\r", ""):
                assert time.monotonic() < limit and vm.exit_status is None, vm.complaint()
                time.sleep(0.1)
            return vm.console()[before:].replace("\r", "").split("\n", 1)[1].split(f"\n{marker}")[0]

        faults = "/sys/kernel/debug/drmsqueeze/mali-jm/faults"
        read = f"grep -r . {KNOBS} {faults} | sort"
        as_found = shell(read, "READ1")
        shell("drmsqueeze-agent >/dev/null 2>&1 & while ! grep -q 100 "
              f"{KNOBS}/probability; do sleep 0.2; done; sleep 1", "ARMED")
        assert shell(read, "READ2") != as_found, "the injection was never armed"
        # The guardian is the oldest process of the agent, and the supervisor is its child.
        shell("kill -9 $(pgrep -P $(pgrep -of drmsqueeze-agent)); wait", "KILLED")
        assert shell(read, "READ3") == as_found
    ring.close()
