# SPDX-License-Identifier: MIT
"""TTM: what is evicted and swapped out holds what it held, limits bite, and the page pool fills and is drained."""

import json
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze import TOP
from drmsqueeze.execute import Lab

from whole_runs import KILLED, Executed, RunOne, fired, kill_midway

SUITE = TOP / "configs" / "suite"


def suite(name: str) -> dict[str, Any]:
    return json.loads((SUITE / f"{name}.json").read_text())  # type: ignore[no-any-return]


def counts(done: Executed, stressor: int = 0) -> dict[str, int]:
    """What a stressor counted."""
    return json.loads((done.directory / "stressors.json").read_text())[stressor]["counts"]  # type: ignore[no-any-return]


def memory(done: Executed, stressor: int = 0) -> dict[str, list[int]]:
    """TTM's memory: before, at its most, after."""
    table = json.loads((done.directory / "stressors.json").read_text())[stressor]["tables"][0]
    return {what: numbers for what, *numbers in table["rows"]}


def test_the_page_limit_swaps_out_and_without_it_nothing_does(run_one: RunOne) -> None:
    """64 MiB of BOs, 12 of them in VRAM, under a limit of 16 and under the kernel's own, which is half the memory."""
    limited = run_one(base=suite("ttm-limit"))
    free = run_one(base=suite("ttm-limit"), injectors=[])
    for done in limited, free:
        assert done.fates == {"completed": 60}, done.story
        assert counts(done)["bos_verified"] > 30 and counts(done)["bos_evicted_from_vram"] > 10, done.story
        assert counts(done)["bos_left_behind"] == 0, done.story
    assert counts(limited)["most_kib_in_shmem"] > 24 << 10, limited.story
    assert counts(free)["most_kib_in_shmem"] < 1 << 10, free.story
    assert limited.run.restored is True, limited.story


def test_swap_out_finds_populated_bos_and_only_those(run_one: RunOne) -> None:
    """Two BOs that never leave VRAM are nothing to swap out."""
    base = suite("ttm-swap")
    done = run_one(base=base)
    assert done.fates == {"completed": 80}, done.story
    assert counts(done)["pages_swapped_out_by_tt_shrink"] == 512 * counts(done)["bos_swapped_out_by_tt_shrink"] > 0, done.story
    in_vram = run_one(base=base, stressors=[{"kind": "ttm", "bo_kib": 2048, "bos": 2, "jobs": 10, "swap_outs": 1}])
    assert counts(in_vram)["bos_swapped_out_by_tt_shrink"] == 0, in_vram.story
    assert counts(in_vram)["tt_shrink_found_nothing"] == 10, in_vram.story


def test_a_bo_that_cannot_be_populated_is_a_failed_job_and_not_a_dead_client(run_one: RunOne) -> None:
    """bochs populates in the page fault: SIGBUS. A swap-in that failed must leave the contents for the next try.

    TTM tries one order after the other, so 40 failures, after 1500 pages that were had, are some six populates.
    """
    done = run_one(base=suite("ttm-bochs"), expect={"lab": {"completed": [1, None], "failed": [1, None], "corrupted": [0, 0], "lost": [0, 0]}},
                   stressors=[{"kind": "ttm", "bo_kib": 256, "bos": 8, "jobs": 80, "swap_outs": 1, "replace": 0.1}],
                   injectors=[{"kind": "fail-page-alloc", "scope": {"stack": "ttm_tt_populate"}, "space": 1500, "times": 40}])
    assert done.run.status is Status.PASS, done.story
    assert counts(done)["sigbus"] == done.fates["failed"], done.story
    assert counts(done)["bos_verified"] > 0, done.story


def test_over_commit_kills_the_client_and_leaves_nothing_behind(run_one: RunOne) -> None:
    done = run_one(base=suite("ttm-overcommit"))
    assert done.run.status is Status.PASS, done.story
    assert done.fates["lost"] == 1, done.story
    kinds = {finding.kind for finding in done.run.findings}
    assert "oom-kill-client" in kinds, done.story
    before, most, after = memory(done)["buffer objects"]
    assert before == after < most, done.story
    # TTM's own limit is half the memory; what it swapped out for the other half had nowhere to go.
    assert counts(done)["most_kib_in_shmem"] > 32 << 10, done.story


def test_two_devices_wait_for_each_other_in_a_swap_out(run_one: RunOne) -> None:
    done = run_one(base=suite("ttm-two-devices"))
    assert done.fates == {"completed": 120}, done.story
    assert counts(done, 0)["bos_corrupted"] == counts(done, 1)["bos_corrupted"] == 0, done.story
    assert counts(done, 0)["bos_swapped_out_by_tt_shrink"] > 0, done.story


def test_the_page_pool_fills_and_reclaim_drains_it(run_one: RunOne) -> None:
    """A hot hog wants its pages back; with nothing taken away the pool keeps what it has."""
    idle, squeezed = (run_one(base=suite("ttm-pool"), level=level) for level in (1.0, 0.1))
    for done in idle, squeezed:
        assert done.fates == {"completed": 76}, done.story
    before, most, kept = memory(idle, 1)["page pool, pages"]
    assert before == 0 and kept >= most >= 11000, idle.story
    before, most, left = memory(squeezed, 1)["page pool, pages"]
    assert before == 0 and most > 2000 and left < kept / 2, squeezed.story


def test_the_page_pool_is_drained_by_its_shrinker_alone(run_one: RunOne) -> None:
    done = run_one(base=suite("ttm-pool-scan"))
    assert done.fates == {"completed": 76}, done.story
    assert memory(done, 1)["page pool, pages"][2] == 0, done.story
    scan = next(i for i in done.run.injections if i.injector == "shrinker-scan")
    assert scan.counts["freed_pages"] >= 11000, f"what the client left: {scan.counts}\n{done.story}"


def test_the_other_limits_bite_too(run_one: RunOne) -> None:
    """bochs reaches only 4 GiB, so its BOs count as DMA32 pages; a page pool of 512 pages holds no chunk of 1024."""
    bochs = run_one(base=suite("ttm-bochs"))
    assert bochs.fates == {"completed": 40} and counts(bochs)["most_kib_in_shmem"] > 8 << 10, bochs.story
    pool = run_one(base=suite("ttm-pool"), levels=[1.0], injectors=[{"kind": "ttm-limits", "page_pool_size": 512}])
    assert pool.fates == {"completed": 76} and memory(pool, 1)["page pool, pages"][2] <= 512, pool.story


# What the count after the run finds of it: GEM objects and open files, for qxl's BOs have a shmem file, and vmwgfx's have none.
LEFT_AFTER = {"qxl": [2, 2]}


@pytest.mark.parametrize(("driver", "leaks"), [("qxl", True), ("vmwgfx", True), ("bochs-drm", False)])
def test_a_handle_that_cannot_be_made(run_one: RunOne, driver: str, leaks: bool) -> None:
    """docs/case-study-ttm.md: qxl and vmwgfx 6.12 forget the BO. Where this fails, the kernel has been repaired."""
    done = run_one(base=suite("ttm-limit"), target={"driver": driver},
                   expect={"lab": {"failed": [10, 10], "corrupted": [0, 0], "leak": LEFT_AFTER.get(driver, [0, 0])}},
                   stressors=[{"kind": "ttm", "bo_kib": 64, "bos": 16, "jobs": 40, "replace": 0.1}],
                   injectors=[{"kind": "failslab", "scope": {"stack": "drm_vma_node_allow"}, "times": 10}])
    assert done.run.status is Status.PASS, done.story
    assert fired(done, "failslab") == counts(done)["bos_not_made"] == 10, done.story
    assert counts(done)["bos_left_behind"] == (10 if leaks else 0), done.story


@pytest.mark.parametrize(("killed", "then"), [KILLED["supervisor"], KILLED["all"]], ids=["supervisor", "all"])
def test_limits_are_as_before_after_sigkill_of_the_agent(lab: Lab, tmp_path: Path, killed: str, then: str) -> None:
    """With qxl's module the limits are there, device or not."""
    members = {"target": {"driver": "panfrost", "model": "mali-jm", "companions": ["qxl"]},
               "injectors": [{"kind": "ttm-limits", "pages_limit": 4321, "dma32_pages_limit": 4321, "page_pool_size": 77}]}
    found, midway, left = kill_midway(lab, tmp_path, members, "grep . /sys/module/ttm/parameters/*",
                                      "grep -q 77 /sys/module/ttm/parameters/page_pool_size", killed, then)
    assert midway != found, "the limits were never turned"
    assert left == found
