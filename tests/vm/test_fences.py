# SPDX-License-Identifier: MIT
"""sync-file and fence-wait: clean runs, and each kind of wrong that they must find."""

import json
import re
from typing import Any

from drmsqueeze_results.outcomes import consider
from drmsqueeze_results.wait_chain import LOST
from whole_runs import Executed, RunOne

from drmsqueeze import TOP

SYNC: dict[str, Any] = {
    "schema": "drmsqueeze.scenario/1", "name": "sync", "description": "Planted by a test.",
    "target": {"driver": "vgem", "companions": ["panfrost", "virtio_gpu"], "model": "mali-jm"},
    "stressors": [{"kind": "sync-file", "exporters": ["vgem", "udmabuf", "dma-heap", "panfrost"], "jobs": 84}],
    "deadline_ms": 10000, "grace_ms": 5000, "time_scale": 4,
}


def cases(done: Executed) -> dict[str, list[Any]]:
    """The rows of sync-file's table by the name of the case."""
    [report] = json.loads((done.directory / "stressors.json").read_text())
    return {row[0]: row[1:] for row in report["tables"][0]["rows"]}


def test_every_rule_is_kept_and_every_check_finds_it_broken(run_one: RunOne) -> None:
    """With `mutated` each case breaks its own rule before the kernel's eyes: a case that still says "kept" could never fail."""
    clean = run_one(base=SYNC)
    assert clean.fates == {"completed": 84}, clean.story
    assert all(executed > 0 and violated == failed == 0 for executed, violated, failed, _ in cases(clean).values()), cases(clean)

    [report] = json.loads((clean.directory / "stressors.json").read_text())
    # Known, and explained in docs/stressors.md: a merged file that nobody waited for. Gone once the kernel mends it.
    assert report["counts"]["merged_files_whose_status_hides_an_error"] == cases(clean)["error"][0], report["counts"]

    broken = run_one(base=SYNC, stressors=[SYNC["stressors"][0] | {"mutated": True}])
    assert broken.fates == {"corrupted": 84}, broken.story
    assert all(executed == violated > 0 for executed, violated, _, _ in cases(broken).values()), cases(broken)
    assert set(cases(broken)) == set(cases(clean))
    reasons = (broken.directory / "jobs.jsonl").read_text()
    assert re.search(r"snapshot: a later fence is in the snapshot", reasons)


WAIT: dict[str, Any] = SYNC | {"name": "wait", "deadline_ms": 4000, "grace_ms": 1000}


def test_fates_of_waits_whose_fences_are_planted(run_one: RunOne) -> None:
    """Signals that come too late, as an error, or before the waiters are told: each has a fate of its own."""
    def wait(signal: str, **members: Any) -> Executed:
        return run_one(base=WAIT, stressors=[{"kind": "fence-wait", "waiters": 9, "jobs": 5, "signal": signal}], **members)

    closed, early = wait("close"), wait("unannounced")
    assert closed.fates == {"failed": 45}, closed.story
    assert closed.run.errnos == {"ENOENT": 45}, closed.story
    assert early.fates == {"corrupted": 45}, early.story

    # The first missed deadline ends the run: one round of nine waits. Where the fences signal once all is given back, all wake.
    stalled, hung = wait("at-release", deadline_ms=1000), wait("never", deadline_ms=1000)
    assert stalled.fates == {"stalled": 9}, stalled.story
    assert hung.fates == {"hung": 9}, hung.story
    assert "fence active" in (hung.directory / "evidence/sync-info.txt").read_text(), hung.story


def test_interruptions_and_time_outs_lose_no_wake_up(run_one: RunOne) -> None:
    interrupted = {"kind": "fence-wait", "waiters": 9, "jobs": 20, "interrupt_hz": 500, "timeout_ms": 1, "max_delay_ms": 10}
    done = run_one(base=WAIT, stressors=[interrupted])
    assert done.fates == {"completed": 180}, done.story
    [report] = json.loads((done.directory / "stressors.json").read_text())
    rows = {row[0]: dict(zip(report["tables"][0]["columns"], row, strict=True)) for row in report["tables"][0]["rows"]}
    assert len(rows) == 9 and all(row["waits"] == row["woken without error"] == 20 for row in rows.values()), rows
    assert sum(row["EINTR"] for row in rows.values()) > 0 and sum(row["timed out"] for row in rows.values()) > 0, rows


def test_lost_wake_up_is_a_hang_of_the_one_who_was_forgotten(run_one: RunOne) -> None:
    """The fence has signalled, in the evidence too; only the waiter does not know."""
    done = run_one(base=json.loads((TOP / "configs/traps/lost-wakeup.json").read_text()))
    assert done.fates.get("hung") == 1, done.story
    assert done.run.restored is True, done.story
    evidence = (done.directory / "evidence/sync-info.txt").read_text()
    assert "drmsq-client: 1" in evidence and "fence active" not in evidence, evidence
    assert next(i.fired for i in done.run.injections if i.injector == "trap") == 1, done.story
    (chain,) = consider(done.directory).chains
    # Which of the waiters is forgotten is the first whose callback runs.
    assert not chain.closed and re.fullmatch(r"the client of job \d+ \(fence-wait\)", chain.boxes[0]), done.story
    assert chain.boxes[1:] == ("waits for its fence, which has signalled", LOST), done.story
