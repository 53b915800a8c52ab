# SPDX-License-Identifier: MIT
"""The kernel lab-debug: what lockdep and KASAN say of panfrost and panthor, of what is planted and of what is clean; leaks; locks that are held."""

import json
from typing import Any

import pytest
from whole_runs import Executed, RunOne

from drmsqueeze import TOP
from drmsqueeze_results import lockdep
from drmsqueeze_results.kernel_log import read_lines
from drmsqueeze_results.model import Status


def scenario(name: str) -> dict[str, Any]:
    return dict(json.loads((TOP / "configs" / f"{name}.json").read_text()))


def only_cycle(done: Executed) -> tuple[str | None, list[tuple[str, str | None]]]:
    """The explanation of the one cycle that lockdep reported, and its locks with the functions that take them."""
    assert done.run.lockdep and done.run.lockdep.checked, done.story
    [cycle] = done.run.lockdep.cycles
    return cycle.explanation, [(edge.lock, edge.function) for edge in cycle.edges]


def silent(done: Executed) -> bool:
    """Whether lockdep looked on to the end and had nothing to say."""
    said = done.run.lockdep
    return bool(said and said.checked and not said.cycles and said.stopped_s is None)


HANDLER = "panfrost_mmu_map_fault_addr"
# What lockdep finds first with each annotation, with blocking and with non-blocking allocations in the fault handler.
ANNOTATED = [
    ("panfrost-annotated", ("fs_reclaim", HANDLER)),
    ("panfrost-annotated+panfrost-nowait", None),
    ("panfrost-annotated-resv+panfrost-nowait", ("reservation_ww_class_mutex", HANDLER)),
    ("panfrost-annotated-run-job+panfrost-nowait", ("fs_reclaim", "panfrost_job_run")),
]


@pytest.mark.parametrize(("variants", "found"), ANNOTATED)
def test_what_lockdep_says_of_panfrost(run_one: RunOne, variants: str, found: tuple[str, str] | None) -> None:
    done = run_one(base=scenario("lockdep-fault-path"), kernel=f"lab-debug+{variants}")
    assert done.run.status is Status.PASS, done.story
    if found is None:
        assert silent(done), done.story
    else:
        explanation, edges = only_cycle(done)
        assert explanation and found[1] in explanation, explanation
        assert edges[0] == found and edges[-1][0] == "dma_fence_map", edges


def test_two_orders_of_two_locks_are_seen_before_they_meet(run_one: RunOne) -> None:
    done = run_one(base=scenario("traps/ab-ba"), kernel="lab-debug")
    assert done.run.status is Status.PASS, done.story
    explanation, edges = only_cycle(done)
    assert edges == [("trap_lock_a", "trap_take_b_then_a"), ("trap_lock_b", "trap_take_a_then_b")]
    assert explanation and "AB-BA" in explanation, explanation


@pytest.mark.parametrize("name", ["ab-ba", "leak", "shrinker-takes-lock"])
def test_the_plain_kernel_says_nothing_of_them(run_one: RunOne, name: str) -> None:
    done = run_one(base=scenario(f"traps/{name}"))
    assert done.run.status is Status.PASS, done.story
    assert done.run.lockdep and done.run.lockdep.checked is False and not done.run.lockdep.cycles, done.story
    assert not (done.directory / "evidence/kmemleak.txt").exists(), done.story


@pytest.mark.parametrize("method", ["inside-reclaim", "drop-caches"])
def test_a_shrinker_that_takes_a_lock_is_seen_only_inside_reclaim(run_one: RunOne, method: str) -> None:
    base = scenario("traps/shrinker-takes-lock")
    base["injectors"][0]["method"] = method
    base["expect"] = {"lab-debug": {"lockdep": [1, 1] if method == "inside-reclaim" else [0, 0], "completed": [4, 4]}}
    done = run_one(base=base, kernel="lab-debug")
    assert done.run.status is Status.PASS, done.story
    if method == "drop-caches":
        assert silent(done), done.story
        return
    explanation, edges = only_cycle(done)
    assert {lock for lock, _ in edges} == {"fs_reclaim", "trap_lock"}, edges
    assert explanation and "trap_scan" in explanation and "trap_allocate_under_lock" in explanation, explanation


def test_every_shrinker_inside_reclaim_is_clean(run_one: RunOne) -> None:
    """Also the negative control of kmemleak."""
    done = run_one(base=scenario("suite/shrinker-scan-inside-reclaim"), kernel="lab-debug")
    assert done.run.status is Status.PASS and silent(done), done.story
    assert not [finding for finding in done.run.findings if not finding.expected], done.story
    assert (done.directory / "evidence/kmemleak.txt").read_text() == "no unreferenced objects\n"


def test_memory_that_is_forgotten_is_found(run_one: RunOne) -> None:
    done = run_one(base=scenario("traps/leak"), kernel="lab-debug")
    assert done.run.status is Status.PASS, done.story
    [finding] = [finding for finding in done.run.findings if finding.kind == "kmemleak"]
    assert finding.signature == "kmemleak: trap_forget_memory", finding


def test_locks_held_by_who_is_stuck_are_evidence(run_one: RunOne) -> None:
    base = scenario("traps/shrinker-waits-for-fence")
    done = run_one(base=base, kernel="lab-debug", level=base["levels"][0])
    assert done.fates.get("hung"), done.story
    console = read_lines((done.directory / "console.log").read_text(errors="replace"))
    holders = {holder.name: [lock.name for lock in holder.locks] for holder in lockdep.held_locks(console)}
    handler = next(locks for name, locks in holders.items() if name.startswith("irq/"))
    assert handler[:1] == ["reservation_ww_class_mutex"] and "fs_reclaim" in handler, holders


@pytest.mark.parametrize("traps", [["slow-growth", "slow-chunk-return"], ["slow-growth"]], ids=["returned late", "returned at once"])
def test_a_pool_of_heaps_is_read_after_it_was_freed(run_one: RunOne, traps: list[str]) -> None:
    """panthor_heap_return_chunk() looks into the pool's buffer before it takes the pool's lock."""
    base = scenario("panthor-lifetimes/freed-pool")
    done = run_one(base=base, kernel="lab-debug", traps=[{"trap": trap} for trap in traps], expect={})
    told = [finding.signature for finding in done.run.findings if finding.kind == "kasan"]
    assert bool(told) == ("slow-chunk-return" in traps), done.story
    assert all("panthor_heap_return_chunk" in text for text in told), told
