# SPDX-License-Identifier: MIT
"""Processors that never come back: what Linux says of them, in its turn, and what is seen from outside."""

import json

from drmsqueeze import TOP

from whole_runs import PROVOKE, RunOne, seen_at

# One for each virtual CPU.
BOTH = "$bb sleep 5\nfor cpu in 0 1; do echo {crash} >{file} & done\n"
BUSY = {"stressors": [{"kind": "tiler-heap", "heap_mib": 4, "jobs": 100000}], "deadline_ms": 1500, "expect": {"lab": {"hung": [0, None], "lost": [0, None]}}}


def test_kernel_side_witnesses_come_one_after_the_other(run_one: RunOne) -> None:
    """Two CPUs that spin in the kernel with interrupts on: user space is gone, and Linux still watches."""
    done = run_one(**BUSY, provoke=BOTH.format(crash="SOFTLOCKUP", file=PROVOKE))
    kinds = [kind for kind in seen_at(done) if kind in ("soft-lockup", "rcu-stall", "heartbeat-lost", "console-silent")]
    assert kinds == ["soft-lockup", "rcu-stall", "heartbeat-lost"], done.story
    assert done.run.first_witness == "soft-lockup", done.story
    assert done.run.jobs.hung >= 1 and not done.run.jobs.lost, done.story


def test_with_interrupts_off_only_the_outside_sees_it(run_one: RunOne) -> None:
    done = run_one(**BUSY, provoke=BOTH.format(crash="HARDLOCKUP", file=PROVOKE))
    assert list(seen_at(done)) == ["heartbeat-lost", "console-silent"], done.story
    assert done.run.jobs.lost >= 1 and not done.run.jobs.hung, "nobody has witnessed a hang: " + done.story


def test_a_silent_console_is_not_seen_where_it_answers(run_one: RunOne) -> None:
    done = run_one(stressors=[{"kind": "tiler-heap", "heap_mib": 4, "jobs": 5}], provoke="$bb sleep 1")
    assert not done.run.witnesses, done.story


def test_a_workqueue_that_stands_still_is_seen_while_jobs_go_on(run_one: RunOne) -> None:
    scenario = json.loads((TOP / "configs/traps/workqueue-stall.json").read_text())
    done = run_one(base=scenario)
    assert done.run.verdict.status == "pass" and list(seen_at(done)) == ["workqueue-stall"], done.story
    clean = run_one(base=scenario | {"traps": [], "expect": {"lab": {"completed": [45, 45]}}})
    assert clean.run.verdict.status == "pass" and not clean.run.witnesses, clean.story
