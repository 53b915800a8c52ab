# SPDX-License-Identifier: MIT
"""Each witness sees what it is there for, in its turn, and nothing else; the clean runs of the other tests have none."""

import json

from drmsqueeze.journal import Journal
from drmsqueeze.machines.vm import Vm

from test_fates import FAULTS
from whole_runs import PROVOKE, RunOne, seen_at

# A task that sleeps for good, a warning, and a debugfs file that nobody can read: the bind mount of a pipe without a writer.
STUCK = f"""
$bb mkfifo /run/pipe && $bb mount -o bind /run/pipe /sys/kernel/debug/sync/info
$bb sleep 5
echo WARNING >{PROVOKE}
echo HUNG_TASK >{PROVOKE}
"""


def test_a_hang_is_seen_by_all_in_their_turn(run_one: RunOne) -> None:
    done = run_one(**FAULTS["hung"] | {"grace_ms": 1500}, provoke=STUCK)
    seen = seen_at(done)
    assert done.fates == {"completed": 2, "hung": 1} and done.run.first_witness == "late-fence", done.story
    order = [kind for kind in seen if kind in ("late-fence", "debugfs-blocked", "no-progress", "d-state", "hung-task")]
    assert order[0] == "late-fence" and order.index("no-progress") < order.index("d-state") < order.index("hung-task"), done.story
    assert "taint" in seen and "probe-failed" in seen, done.story
    evidence = done.directory / "evidence"
    blocked = next(w for w in done.run.witnesses if w.kind == "debugfs-blocked")
    assert blocked.text == "/sys/kernel/debug/sync/info" and blocked.count == 1, "and no other read: " + done.story
    assert "fifo_open" in (evidence / "blocked-reads.txt").read_text(), "where its reader waits"
    assert "panfrost" in (evidence / "dri-0-name.txt").read_text(), "read after the one that blocked"
    assert (evidence / "dma-buf-bufinfo.txt").exists() and "drm-driver:\tpanfrost" in (evidence / "fdinfo.txt").read_text()
    stacks = [path.read_text() for path in evidence.glob("d-state-*.txt")]
    assert any("lkdtm_HUNG_TASK" in stack for stack in stacks), done.story
    assert not [f for f in done.run.findings if f.kind == "taint"], "the log accounts for it: " + done.story


def test_a_panic_is_heard_of_without_the_console(run_one: RunOne) -> None:
    def crash(vm: Vm, journal: Journal) -> None:
        if journal.intents >= 3:
            vm.sysrq("c")

    done = run_one(watch=crash, model_faults=[{"fault": "never_finish", "nth": 3}])
    assert json.loads((done.directory / "facts.json").read_text())["machine"]["ended"] == "panic", done.story
    assert list(seen_at(done)) == ["guest-panic"], done.story
    assert done.fates == {"completed": 2, "lost": 1}, "a death is no hang: " + done.story
