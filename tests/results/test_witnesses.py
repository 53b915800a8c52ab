# SPDX-License-Identifier: MIT
"""Who saw what first, and what was settled later: golden runs with a witness changed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drmsqueeze_results.model import Run
from drmsqueeze_results.outcomes import judge, load_run
from drmsqueeze_results.report import write_report
from golden_data import edit

Golden = Callable[[str], Path]


def seen(kind: str, first_s: float | None, text: str = "", **members: Any) -> dict[str, Any]:
    """A witness as facts.json has it."""
    return {"kind": kind, "first_s": first_s, "count": 1, "job": None, "text": text} | members


def with_witnesses(directory: Path, *witnesses: dict[str, Any]) -> Run:
    """Judge a golden run that has these witnesses."""
    edit(directory / "facts.json", witnesses=list(witnesses))
    return judge(directory)


def last_completed(directory: Path, last_intent_s: float) -> None:
    """Say when the last completed job of a golden run was begun."""
    path = directory / "jobs.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if "completed" in line:
            line["completed"]["last_intent_s"] = last_intent_s
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def ended(directory: Path, how: str) -> None:
    """Change how the machine of a golden run ended."""
    facts = json.loads((directory / "facts.json").read_text())
    edit(directory / "facts.json", machine=facts["machine"] | {"ended": how})


def test_the_first_is_named_and_all_are_kept_with_their_times(golden: Golden) -> None:
    directory = golden("stalled")
    run = with_witnesses(directory, seen("d-state", 7.0, "irq/25-panfrost"), seen("d-state", 6.5, "kworker/u4:2", last_s=9.0, count=3),
                         seen("late-fence", 5.0), seen("taint", 1.0, "O"))
    assert run.first_witness == "late-fence"
    assert [(w.kind, w.first_s, w.last_s, w.count, w.text) for w in run.witnesses] == [
        ("taint", 1.0, 1.0, 1, "O"), ("late-fence", 5.0, 5.0, 1, ""), ("d-state", 6.5, 9.0, 4, "kworker/u4:2, irq/25-panfrost")]
    assert load_run(directory) == run
    text = write_report(directory).read_text()
    assert "<strong>First witness:</strong> late-fence" in text and "kworker/u4:2, irq/25-panfrost" in text


def test_without_a_sign_of_a_hang_there_is_no_first_witness(golden: Golden) -> None:
    assert with_witnesses(golden("completed"), seen("probe-ok", 4.0), seen("taint", 1.0, "O")).first_witness is None


def test_a_late_look_at_a_fence_in_time_is_settled(golden: Golden) -> None:
    for in_time, fate in ((True, "lost"), (False, "hung")):
        directory = golden("lost-silent")
        run = with_witnesses(directory, seen("late-fence", 3.0, in_time=in_time))
        assert run.witnesses[0].settled is in_time
        assert getattr(run.jobs, fate) == 1, "whether it hung when the machine fell silent"
        directory.rename(directory.with_name(f"judged-{in_time}"))


@pytest.mark.parametrize("later", [True, False])
def test_a_job_that_completed_later_shows_that_the_gpu_works(golden: Golden, later: bool) -> None:
    """Whatever the probe at the end says, which speaks for a hang that may have come after."""
    directory = golden("timed-out-probe-failed")
    timed_out = next(job for job in map(json.loads, (directory / "jobs.jsonl").read_text().splitlines()) if "completed" not in job)
    last_completed(directory, timed_out["end_s"] + (0.1 if later else -0.1))
    facts = json.loads((directory / "facts.json").read_text())
    run = with_witnesses(directory, *facts["witnesses"], seen("devcoredump", timed_out["end_s"] + 1.0, "devcd1 panfrost"))
    assert next(w for w in run.witnesses if w.kind == "devcoredump").settled is later, "it is found later than it was made"
    assert (run.jobs.timed_out, run.jobs.hung) == ((1, 0) if later else (0, 1))
    assert next(w for w in run.witnesses if w.kind == "driver-timeout").settled is later


@pytest.mark.parametrize("later", [True, False])
def test_a_timeout_that_was_got_over_is_no_witness_of_a_later_hang(golden: Golden, later: bool) -> None:
    directory = golden("timed-out-witness")
    path = directory / "jobs.jsonl"
    in_flight = json.loads(path.read_text().splitlines()[-1]) | {"job": 6, "intent_s": 3.5, "end_s": None, "fate": None, "errno": 0}
    path.write_text(path.read_text() + json.dumps(in_flight) + "\n")
    last_completed(directory, 3.0 if later else 1.0)
    facts = json.loads((directory / "facts.json").read_text())
    edit(directory / "facts.json", jobs={"intents": 6, "ended": 5}, bye=None, release=None,
         witnesses=[w for w in facts["witnesses"] if w["kind"] != "probe-ok"])
    ended(directory, "silent")
    run = judge(directory)
    assert (run.jobs.lost, run.jobs.hung) == ((1, 0) if later else (0, 2))


def test_a_stall_carries_how_long_after_the_release_it_completed(golden: Golden) -> None:
    run = judge(golden("stalled"))
    (stall,) = run.stalls
    assert (stall.job, stall.latency_s, stall.after_release_s) == (3, 3.4, 1.2)
    assert judge(golden("completed")).stalls == ()


@pytest.mark.parametrize("golden_run, letters, finding", [
    ("completed", "W", True), ("warn", "W", False), ("completed", "OE", False), ("completed", "OL", True)])
def test_taint_that_no_report_accounts_for_is_a_finding(golden: Golden, golden_run: str, letters: str, finding: bool) -> None:
    run = with_witnesses(golden(golden_run), seen("taint", 3.0, letters))
    assert [f.expected for f in run.findings if f.kind == "taint"] == ([False] if finding else [])
    if finding:
        assert run.status.value == "fail"


def test_lockdep_that_turned_itself_off_is_a_witness_where_it_was_there(golden: Golden) -> None:
    for debug_locks, kinds in ((0, ["lockdep-off"]), (1, []), (None, [])):
        directory = golden("completed")
        edit(directory / "environment.json", debug_locks=debug_locks)
        run = judge(directory)
        assert [w.kind for w in run.witnesses] == kinds and run.first_witness is None
        directory.rename(directory.with_name(f"judged-{debug_locks}"))


def test_who_saw_the_silence_is_asked_when_they_saw_it(golden: Golden) -> None:
    """The harness says when it lost the heartbeat; records of earlier versions have the last beat only."""
    directory = golden("hung-silent-sysrq")
    run = with_witnesses(directory, seen("heartbeat-lost", 12.0), seen("console-silent", 13.0))
    assert [w.kind for w in run.witnesses] == ["driver-timeout", "hung-task", "heartbeat-lost", "console-silent", "blocked-tasks"]


def test_stacks_that_were_asked_for_because_a_job_is_late_come_after_that(golden: Golden) -> None:
    """By the kernel's clock the answer may seem to be some milliseconds before the question."""
    directory = golden("hung-silent-sysrq")
    for late_s, kinds in ((14.3, ["late-fence", "blocked-tasks"]), (20.0, ["blocked-tasks", "late-fence"])):
        run = with_witnesses(directory, seen("late-fence", late_s))
        assert [w.kind for w in run.witnesses if w.kind in kinds] == kinds
