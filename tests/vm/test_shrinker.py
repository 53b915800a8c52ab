# SPDX-License-Identifier: MIT
"""shrinker-scan makes panfrost's shrinker run, and what the stressor `shrinker` sees of it is the truth; nothing of it outlives a run."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze import targets
from drmsqueeze.execute import Lab
from drmsqueeze.machines.vm import Hardware, Vm
from drmsqueeze.ring import Ring
from drmsqueeze.scenario import parse

from whole_runs import PLANTED, Executed, RunOne

SCAN = {"kind": "shrinker-scan", "shrinker": "drm-panfrost-*", "nr_to_scan": 64}
PAGE_KIB = 4


def injected(done: Executed) -> dict[str, Any]:
    entries = json.loads((done.directory / "injections.json").read_text())
    return next(entry for entry in entries if entry["injector"] == "shrinker-scan")


def counts(done: Executed) -> dict[str, int]:
    return json.loads((done.directory / "stressors.json").read_text())[0]["counts"]  # type: ignore[no-any-return]


def samples(done: Executed, name: str) -> list[int]:
    lines = (done.directory / "samples.jsonl").read_text().splitlines()
    return [sample[name] for sample in map(json.loads, lines) if name in sample]


# Forty MiB, each BO used once and given up.
FORTY_MIB = {"kind": "shrinker", "buffers": 160, "busy": 0, "bo_kib": 256, "jobs": 320, "rate_hz": 80}


@pytest.mark.parametrize("mapped", [False, True], ids=["unmapped", "mapped"])
def test_what_is_given_up_is_purged_and_free_once_it_is_unmapped(run_one: RunOne, mapped: bool) -> None:
    """drm_gem_shmem_purge() lets go of its own reference to the pages only: a CPU's mapping holds another one."""
    done = run_one(stressors=[FORTY_MIB | {"mapped": mapped}], injectors=[SCAN | {"every_ms": 1}])
    assert done.fates == {"completed": 320}, done.story
    said, seen = injected(done), counts(done)
    assert said["fired"] > 100 and said["counts"]["errors"] == 0, said
    assert said["counts"]["freed_pages"] > 0, said
    # In the second round most BOs come back without their contents.
    assert seen["purged"] > 80 and seen["purged"] + seen["retained"] == 160, seen
    # The injector's count is a lower bound: others give up BOs while it scans, and a count that finds the lock taken is 0.
    assert said["counts"]["freed_pages"] * PAGE_KIB <= 320 * 256
    assert seen["stale_mappings_refused"] == (seen["purged"] if mapped else 0), seen
    free = samples(done, "mem_free_kib")
    lost_kib = max(free) - min(free)
    assert (lost_kib > 30 << 10) == mapped, (lost_kib, done.story)
    assert max(samples(done, "shmem_kib")) < 20 << 10, "purged pages are no longer shmem's, mapped or not"
    # The GEM state over time: nothing purgeable is left lying, and what is mapped still counts as resident.
    resident = max(samples(done, "gem_resident_kib.0"))
    assert (resident > 30 << 10) == mapped, (resident, done.story)
    assert done.run.restored is True


def test_with_nothing_to_purge_nothing_is_freed(run_one: RunOne) -> None:
    """The pace of the jobs gives the scans a second, also where they hardly get a CPU beside a job."""
    done = run_one(stressors=[{"kind": "tiler-heap", "heap_mib": 4, "jobs": 5, "rate_hz": 5}],
                   injectors=[SCAN | {"threads": 2, "every_ms": 1, "read_debugfs": True}])
    assert done.fates == {"completed": 5}, done.story
    said = injected(done)
    assert said["fired"] > 10 and said["counts"]["freed_pages"] == 0, said
    assert said["counts"]["debugfs_reads"] > 10 and said["counts"]["debugfs_reads_blocked"] == 0, said


def test_without_scans_nothing_is_purged_and_a_wrong_value_is_seen(run_one: RunOne) -> None:
    done = run_one(stressors=[{"kind": "shrinker", "buffers": 4, "busy": 2, "bo_kib": 64, "jobs": 60}],
                   model_faults=[{"fault": "corrupt_write", "nth": 40, "value": 4096}])
    assert done.fates == {"completed": 59, "corrupted": 1}, done.story
    jobs = [json.loads(line) for line in (done.directory / "jobs.jsonl").read_text().splitlines()]
    assert re.search(r"retained, and GPU value \d+ of 16 of job \d+ is wrong", "".join(job.get("reason", "") for job in jobs)), jobs
    seen = counts(done)
    assert seen["purged"] == 0 and seen["retained"] > 60 and seen["verified"] == seen["retained"], seen


def test_scans_pause_where_phases_want_none(run_one: RunOne) -> None:
    """And an injector that has done nothing in a whole run makes it an error."""
    done = run_one(stressors=[{"kind": "shrinker", "buffers": 4, "busy": 0, "bo_kib": 64, "jobs": 1000000, "rate_hz": 50}],
                   injectors=[SCAN], phases=[{"kind": "release", "duration_ms": 250}])
    assert injected(done)["fired"] == 0 and counts(done)["purged"] == 0, done.story
    assert done.run.status is Status.ERROR, done.story


def test_nothing_scans_after_sigkill_of_the_guardian(lab: Lab, tmp_path: Path) -> None:
    scenario = parse(json.dumps(PLANTED | {
        "injectors": [SCAN | {"threads": 4, "read_debugfs": True}], "deadline_ms": 600000,
        "stressors": [{"kind": "shrinker", "jobs": 1000000, "rate_hz": 10}]}), "sigkill").scaled(1)
    request = {"schema": "drmsqueeze.request/1", "scenario": scenario, "level": 1.0, "seed": 1, "time_scale": 4}
    ring = Ring(tmp_path / "ring", request | {name: scenario[name] for name in ("deadline_ms", "grace_ms", "driver_timeout_ms")})
    with Vm(lab.guest("lab"), lab.accelerator.name, Hardware(), targets.modules(scenario["target"], []), tmp_path / "console.log",
            mode="shell", ring=tmp_path / "ring") as vm:
        vm.wait_up()

        def shell(command: str) -> str:
            """Type a command, wait for its end; what it printed."""
            before = len(vm.console())
            vm.type(f"{command}; echo EN''D\n")
            limit = time.monotonic() + 120
            while "\nEND" not in vm.console()[before:].replace("\r", ""):
                assert time.monotonic() < limit and vm.exit_status is None, vm.complaint()
                for _ in ring.read():
                    pass
                time.sleep(0.1)
            return vm.console()[before:]

        shell("(drmsqueeze-agent >/dev/null 2>&1 &)")
        shell("while ! pidof drmsq-scan || ! pidof drmsq-reader; do sleep 0.2; done; sleep 1")
        shell("kill -9 $(pidof drmsq-guardian)")
        assert "NO''BODY".replace("''", "") in shell(
            "sleep 3; pidof drmsq-scan drmsq-reader drmsq-client || echo NO''BODY")
    ring.close()
