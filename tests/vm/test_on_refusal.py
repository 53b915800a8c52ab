# SPDX-License-Identifier: MIT
"""What clients do about memory that their jobs were refused: planted refusals that pass are repaired, those that stay end in a bounded time.

The logic itself, and what a circle of waiting clients becomes: tests/cpp/on_refusal_test.cc.
"""

from typing import Any

import pytest

from whole_runs import Executed, RunOne, fired

# With its repairs: as panfrost comes, the job behind a refused one may time out (docs/case-study-panfrost-fault-path.md).
KERNEL = "lab+panfrost-errfix"
HEAP: dict[str, Any] = {"kind": "tiler-heap", "heap_mib": 4, "jobs": 6, "contexts": 2}
# Each page of a growth.
REFUSED: dict[str, Any] = {"kind": "fail-function", "function": "shmem_read_mapping_page_gfp", "retval": "-ENOMEM",
                           "scope": {"stack": "panfrost_mmu_irq_handler_thread"}}
# A growth takes 512 pages and a job two growths: by then each client has a heap.
SOME_PAGES_IN = 2600


def _counts(done: Executed) -> dict[str, Any]:
    return dict(done.run.stressors[0].counts)


def _lines_up(done: Executed) -> None:
    assert sum(done.fates.values()) == done.run.jobs.submitted, "each job has one fate: " + done.story


@pytest.mark.parametrize("policy", ["fail", "retry", "wait_for_peer", "evict_cache", "split_work"])
def test_a_refusal_that_passes_is_repaired(run_one: RunOne, policy: str) -> None:
    heap = HEAP | {"on_refusal": policy, "cache_mib": 4}
    done = run_one(kernel=KERNEL, stressors=[heap], injectors=[REFUSED | {"space": SOME_PAGES_IN, "times": 1}])
    _lines_up(done)
    assert fired(done, "fail-function") == 1 and _counts(done)["attempts refused"] == 1, done.story
    if policy == "fail":
        assert done.fates == {"completed": 11, "failed": 1}, done.story
    else:
        assert done.fates == {"completed": 12} and _counts(done)["jobs repaired"] == 1, done.story


@pytest.mark.parametrize("policy", ["retry", "wait_for_peer"])
def test_a_refusal_that_stays_ends(run_one: RunOne, policy: str) -> None:
    """All contexts are refused for ever, and may wait for each other for longer than the run may take."""
    heap = HEAP | {"jobs": 2, "on_refusal": policy, "refusal_tries": 2, "refusal_wait_ms": 20 if policy == "retry" else 3600000}
    done = run_one(kernel=KERNEL, stressors=[heap], injectors=[REFUSED])
    _lines_up(done)
    counts = _counts(done)
    assert done.fates == {"failed": 4} and not done.run.witnesses, done.story
    assert counts["jobs given up"] == 4 and counts["jobs repaired"] == 0, done.story
    in_vain = {name: counts[name] for name in ("tries used up", "remedies without means", "waits in a circle")}
    assert sum(in_vain.values()) == 4, f"each job says why it was given up: {counts}"
    if policy == "retry":
        assert (counts["tries used up"], counts["attempts refused"]) == (4, 12), done.story


# Heaps that are too small for their jobs, whatever memory there is.
TOO_SMALL: dict[str, dict[str, Any]] = {
    "lima": {"target": {"driver": "lima", "model": "mali-utgard"}, "heap": {"step_kib": 256, "chunk_kib": 1024, "max_chunks": 2}},
    "panthor": {"target": {"driver": "panthor", "model": "mali-csf"},
                "heap": {"step_kib": 256, "chunk_kib": 256, "initial_chunks": 2, "max_chunks": 4, "incremental": False}},
}


@pytest.mark.parametrize("driver", TOO_SMALL)
def test_what_is_too_much_is_repaired_by_splitting_it_only(run_one: RunOne, driver: str) -> None:
    """Beside each other: one client submits the same again and again, one makes smaller jobs of it."""
    heap = HEAP | TOO_SMALL[driver]["heap"] | {"jobs": 2, "contexts": 1, "refusal_wait_ms": 10}
    again, split = heap | {"on_refusal": "retry", "refusal_tries": 2}, heap | {"on_refusal": "split_work", "refusal_tries": 20}
    done = run_one(target=TOO_SMALL[driver]["target"], stressors=[again, split])
    _lines_up(done)
    assert done.fates == {"failed": 2, "completed": 2}, done.story
    retried, splitted = (report.counts for report in done.run.stressors)
    assert (retried["attempts refused"], retried["tries used up"], retried["jobs given up"]) == (6, 2, 2), done.story
    assert (splitted["jobs repaired"], splitted["jobs given up"]) == (2, 0), done.story
