# SPDX-License-Identifier: MIT
"""Injectors that take memory away: each bites, is counted, and is put back."""

import json
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze.execute import Lab

from whole_runs import KILLED, Executed, RunOne, fired, kill_midway, samples

CGROUP = "/sys/fs/cgroup/drmsqueeze-clients"
HEAPS = [{"kind": "tiler-heap", "heap_mib": 16, "jobs": 10, "heap": "persistent", "rate_hz": 5}]


def injection(done: Executed, kind: str) -> dict[str, Any]:
    """The entry of injections.json."""
    entries = json.loads((done.directory / "injections.json").read_text())
    return next(entry for entry in entries if entry["injector"] == kind)


def charged(done: Executed) -> dict[str, int]:
    """The first table of a memcg injection: KiB by what they were charged for."""
    return {what: kib for _, what, kib in injection(done, "memcg")["tables"][0]["rows"]}


def test_panfrost_heaps_are_charged_to_the_root(run_one: RunOne) -> None:
    """The IRQ thread allocates them: a limit far below the heap is not met, and the report says where the heap went."""
    done = run_one(stressors=HEAPS, injectors=[{"kind": "memcg", "max_mib": 8, "reclaim": [{"every_ms": 50, "mib": 1}]}])
    assert done.fates == {"completed": 10}, done.story
    assert max(samples(done, "memcg_shmem_kib")) < 1024
    assert charged(done)["of that not the clients'"] >= 16384
    assert (fired(done, "memcg") or 0) > 0 and done.run.restored is True, done.story


def test_a_limit_goes_down_until_clients_are_killed(run_one: RunOne) -> None:
    """Six clients have locked 390 KiB each of their own, which is charged to them: the cgroup's OOM killer makes room.

    One kill or two are needed. There may be more: who writes memory.max goes on killing until the usage is below it, and a victim no
    longer holds off the next kill once it is unmapped, which is before its pages are free (MMF_OOM_SKIP in exit_mmap(), mm/mmap.c). On a
    slow machine that takes a while; so there are many more clients than must die.
    """
    done = run_one(stressors=[{"kind": "tiler-heap", "heap_mib": 2, "jobs": 30, "rate_hz": 5, "contexts": 6}], injectors=[{
        "kind": "memcg", "schedule": [{"at_ms": 200, "over_ms": 500, "max_mib": 2}]}], expect={"lab": {"oom-kill-client": [1, 5]}})
    assert done.fates["completed"] >= 30, f"one client must survive: {done.story}"
    used = samples(done, "memcg_current_kib")
    assert max(used) > 2048 and used[-1] <= 2048, used
    writes = injection(done, "memcg")["tables"][1]["rows"][0]
    assert writes[1] > 5, f"a ramp is many writes: {writes}"
    assert done.run.restored is True, done.story


@pytest.mark.parametrize("of", ["clients", "root"])
def test_only_the_roots_reclaim_reaches_shrinkers(run_one: RunOne, of: str) -> None:
    """The trap's shrinker stands for a GPU driver's: it says whose reclaim it was called from."""
    done = run_one(stressors=[{"kind": "tiler-heap", "heap_mib": 64, "jobs": 40}], traps=[{"trap": "shrinker-waits-for-fence"}],
                   injectors=[{"kind": "memcg", "reclaim": [{"of": of, "every_ms": 1, "mib": 1}]}])
    assert done.fates == {"completed": 40}, done.story
    caught = "drmsq-memcg (pid" in (done.directory / "console.log").read_text()
    assert caught == (of == "root"), done.story


LONG = [{"kind": "tiler-heap", "heap_mib": 2, "jobs": 100000, "rate_hz": 20}]


@pytest.mark.parametrize("locked", [False, True], ids=["swappable", "locked"])
def test_hog_follows_the_phases(run_one: RunOne, locked: bool) -> None:
    """Up, held, given back at once, up again to half: MemAvailable follows, and the journal of phases says when.

    A phase does not wait for the hog. It is to hold no more than a slow machine can fault in meanwhile: 60 MiB, in 4 s of guest time.
    """
    done = run_one(level=0.6, stressors=LONG, injectors=[{"kind": "hog", "locked": locked}], phases=[
        {"kind": "ramp", "duration_ms": 500}, {"kind": "hold", "duration_ms": 500}, {"kind": "release", "duration_ms": 300},
        {"kind": "ramp", "to": 0.5, "duration_ms": 300}, {"kind": "hold", "duration_ms": 300}])
    assert set(done.fates) == {"completed"}, done.story
    idle = json.loads((done.directory / "environment.json").read_text())["idle_mem_available_kib"]
    begun = [phase["begun_s"] for phase in json.loads((done.directory / "facts.json").read_text())["phases"]]
    table = [json.loads(line) for line in (done.directory / "samples.jsonl").read_text().splitlines()]
    end = table[-1]["t_s"]

    def left_at_the_end(phase: int) -> float:
        until = [*begun, end][phase + 1]
        return next(s["mem_available_kib"] for s in reversed(table) if s["t_s"] < until) / idle

    assert 0.5 < left_at_the_end(1) < 0.7, "held: the level's share is left"
    assert left_at_the_end(2) > 0.88, "released"
    assert 0.72 < left_at_the_end(4) < 0.87, "half of 40 % is held"
    counts = injection(done, "hog")["counts"]
    assert counts["shrunk_kib"] > 0.3 * idle and counts["grown_kib"] > 0.5 * idle, counts
    assert done.run.restored is True, done.story


def test_hog_keeps_a_share_available(run_one: RunOne) -> None:
    done = run_one(stressors=[{"kind": "tiler-heap", "heap_mib": 16, "jobs": 60, "rate_hz": 20, "contexts": 2}],
                   injectors=[{"kind": "hog", "steer": {"mem_available": 0.3}}])
    assert done.fates == {"completed": 120}, done.story
    idle = json.loads((done.directory / "environment.json").read_text())["idle_mem_available_kib"]
    left = sorted(samples(done, "mem_available_kib")[5:-5])
    assert 0.2 < left[len(left) // 2] / idle < 0.4, left


def test_hog_keeps_pressure_up(run_one: RunOne) -> None:
    """PSI answers slowly and unevenly: what is asked is that there is pressure for most of the run, and that the hog went up and down.

    In a small guest, so that the hog has come to where there is pressure early in the run on a slow machine too.
    """
    done = run_one(machine={"ram_mib": 160}, stressors=[{"kind": "tiler-heap", "heap_mib": 8, "jobs": 100000, "rate_hz": 20}],
                   injectors=[{"kind": "hog", "access": "hot", "steer": {"psi_some_percent": 10}}],
                   phases=[{"kind": "ramp", "duration_ms": 1}, {"kind": "hold", "duration_ms": 4000}], expect={"lab": {"hung": [0, 0]}})
    waited = samples(done, "psi_some_total_us")
    half = waited[len(waited) // 2:]
    assert half[-1] - half[0] > 100_000, f"no pressure: {waited}"
    assert injection(done, "hog")["counts"]["shrunk_kib"] > 0, done.story


VM = {"kind": "stress-ng", "stressors": [{"name": "vm", "options": ["--vm-bytes", "32M", "--vm-keep"]}]}


@pytest.mark.parametrize("way", [VM, {"kind": "stress-ng", "args": ["--vm", "1", "--vm-bytes", "32M", "--vm-keep"]},
                                 {"kind": "stress-ng", "job_file": "vm 1\nvm-bytes 32M\nvm-keep"}], ids=["stressors", "args", "job_file"])
def test_stress_ng_works_and_its_metrics_are_kept(run_one: RunOne, way: dict[str, Any]) -> None:
    done = run_one(stressors=[{"kind": "tiler-heap", "heap_mib": 2, "jobs": 20, "rate_hz": 5}], injectors=[way])
    assert done.fates == {"completed": 20}, done.story
    ops = injection(done, "stress-ng")["counts"]["bogo_ops_vm"]
    assert ops > 0 and fired(done, "stress-ng") == ops, done.story
    assert f"bogo-ops: {ops}" in (done.directory / "stress-ng.yaml").read_text()
    assert "dispatching hogs" in (done.directory / "stress-ng.log").read_text()
    left = samples(done, "mem_available_kib")
    assert left[0] - min(left) > 24 * 1024, f"32 MiB were never taken: {left}"
    assert done.run.restored is True, done.story


def test_stress_ng_that_refuses_its_options_is_an_error(run_one: RunOne) -> None:
    done = run_one(injectors=[{"kind": "stress-ng", "args": ["--vm", "1", "--vm-method", "no-such-method"]}])
    assert done.run.status is Status.ERROR and "vm-method must be one of" in (done.directory / "console.log").read_text(), done.story
    assert done.run.jobs.submitted == 0


def test_stress_ng_is_stopped_while_phases_want_none(run_one: RunOne) -> None:
    """A stressor that takes and gives back all the time: while it is stopped, MemAvailable stands still."""
    done = run_one(stressors=LONG, injectors=[{"kind": "stress-ng", "stressors": [{"name": "vm", "options": ["--vm-bytes", "32M"]}]}],
                   phases=[{"kind": "release", "duration_ms": 500}, {"kind": "ramp", "duration_ms": 1}, {"kind": "hold", "duration_ms": 1500}])
    begun = [phase["begun_s"] for phase in json.loads((done.directory / "facts.json").read_text())["phases"]]
    table = [json.loads(line) for line in (done.directory / "samples.jsonl").read_text().splitlines()]
    idle = [s["mem_available_kib"] for s in table if begun[0] < s["t_s"] < begun[1]]
    loaded = [s["mem_available_kib"] for s in table if s["t_s"] > begun[2]]
    assert max(idle) - min(idle) < 16 * 1024 < max(loaded) - min(loaded), (idle, loaded)
    assert set(done.fates) == {"completed"} and (fired(done, "stress-ng") or 0) > 0, done.story


def test_nothing_of_stress_ng_is_left_after_sigkill_of_the_guardian(lab: Lab, tmp_path: Path) -> None:
    """Its stressors ask to be told when it dies, and it dies with the guardian."""
    read = "for i in 1 2 3 4 5 6 7 8 9 10; do pidof stress-ng stress-ng-vm >/dev/null || break; sleep 1; done; grep -lE '^stress-ng' /proc/[0-9]*/comm | wc -l"
    found, midway, left = kill_midway(lab, tmp_path, {"injectors": [VM]}, read, "grep -q dispatching /run/drmsqueeze/stress-ng/log",
                                      *KILLED["guardian"], tools=["stress-ng"])
    assert midway != found, "stress-ng was never there"
    assert left == found


@pytest.mark.parametrize(("killed", "then"), [KILLED["supervisor"], KILLED["all"]], ids=["supervisor", "all"])
def test_the_cgroup_is_gone_after_sigkill_of_the_agent(lab: Lab, tmp_path: Path, killed: str, then: str) -> None:
    injectors = [{"kind": "memcg", "max_mib": 64, "reclaim": [{"of": "root", "every_ms": 100, "mib": 1}]}]
    read = "find /sys/fs/cgroup | sort; cat /sys/fs/cgroup/cgroup.subtree_control"
    found, midway, left = kill_midway(lab, tmp_path, {"injectors": injectors}, read, f"grep -q 67108864 {CGROUP}/memory.max", killed, then)
    assert midway != found, "the cgroup was never made"
    assert left == found
