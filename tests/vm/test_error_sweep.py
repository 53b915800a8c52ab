# SPDX-License-Identifier: MIT
"""The error-path sweep finds what is planted for it and nothing else; its gates are put back."""

import json
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze.execute import Lab

from whole_runs import KILLED, PLANTED, Executed, RunOne, fired, kill_midway

SWEEP: dict[str, Any] = PLANTED | {"target": {"driver": "vgem"}, "injectors": [{"kind": "fail-nth"}], "deadline_ms": 60000}
KNOBS = "/sys/kernel/debug/failslab /sys/kernel/debug/fail_page_alloc"

WRONG = {
    "control/leak": "1.0 slab kmalloc-64",  # struct eventfd_ctx, fs/eventfd.c
    "control/leak-pages": "pages other",
    "control/wrong-errno": "wrong errno EBADF",
    "control/not-reported": "success was reported, but: eventfd",
    "control/retry-fails": "the same once more, with no failure",
    "control/second-client": "second client: refused on purpose",
}


def table(done: Executed) -> list[list[Any]]:
    """The rows of the sweep: operation, n, allocation, errno, fired, left behind, verdict."""
    (report,) = json.loads((done.directory / "stressors.json").read_text())
    rows: list[list[Any]] = report["tables"][0]["rows"]
    return rows


def test_everything_planted_is_found_and_nothing_else(run_one: RunOne) -> None:
    stressor = {"kind": "error-sweep", "operations": ["control/clean", *WRONG], "repeats": 8}
    done = run_one(base=SWEEP, stressors=[stressor])
    rows = table(done)
    assert done.run.restored is True, done.story
    assert (fired(done, "fail-nth") or 0) > 100, done.story
    clean = [row for row in rows if row[0] == "control/clean"]
    assert [row[1] for row in clean] == [0, 1, 2, 3], rows
    assert all(row[6].startswith("clean") and row[5] == "nothing" for row in clean), rows
    # The first allocation is that of the eventfd itself, and the stack says so.
    assert "do_eventfd" in clean[1][2] and clean[1][3] == "ENOMEM", rows
    for name, words in WRONG.items():
        # What leaks fills slabs: now and then one round has a fourth allocation, of the next slab's page.
        hit = [row for row in rows if row[0] == name and row[1] > 0 and not row[4].startswith("1 of")]
        assert len(hit) == 3 and all(words in row[6] for row in hit), (name, hit)


def test_an_object_that_hangs_ends_the_sweep(run_one: RunOne) -> None:
    """Of its three allocations only the first is reached: what hangs cannot be taken back."""
    stressor = {"kind": "error-sweep", "operations": ["control/hang"], "repeats": 2, "patience_ms": 500}
    done = run_one(base=SWEEP, stressors=[stressor])
    assert done.fates == {"completed": 1, "failed": 1}, done.story
    assert "second thread does not come back" in table(done)[-1][6], table(done)


def test_a_client_whose_first_thread_is_gone_is_no_client_any_more(run_one: RunOne) -> None:
    """Its other threads wait for the first for good; the run is not to wait for them."""
    stressor = {"kind": "error-sweep", "operations": ["control/dies"], "repeats": 2}
    done = run_one(base=SWEEP, stressors=[stressor])
    assert done.run.status is Status.FAIL and "client-gone" in [finding.kind for finding in done.run.findings], done.story
    assert table(done)[-1][:2] == ["control/dies", 1] and "its client was gone" in table(done)[-1][6], table(done)


@pytest.mark.parametrize(("killed", "then"), [KILLED["supervisor"], KILLED["all"]], ids=["supervisor", "all"])
def test_gates_are_as_before_after_sigkill_of_the_agent(lab: Lab, tmp_path: Path, killed: str, then: str) -> None:
    """The thread that answers the GPU's page faults is armed by hand here, as a client does that is killed before it could disarm it."""
    threads = "$(grep -l irq/.*panfrost /proc/[0-9]*/task/*/comm | sed s/comm/fail-nth/)"
    read = f"grep -r . {KNOBS} /sys/module/panfrost/parameters {threads} | sort"
    under_way = f"{{ grep -q Y /sys/module/panfrost/parameters/unstable_ioctls && for t in {threads}; do echo 500000 >$t; done; }}"
    injectors = [{"kind": "fail-nth", "unstable_ioctls": True}]
    found, armed, left = kill_midway(lab, tmp_path, {"injectors": injectors}, read,
                                     under_way, killed, then)
    assert armed != found, "the gates were never opened"
    assert left == found, "a gate is open, or a thread is armed"
