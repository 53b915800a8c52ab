# SPDX-License-Identifier: MIT
"""The judge over golden run directories: one for each outcome and for each way in which a run can end."""

import errno
import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any, Callable

import pytest

from golden_data import DATA, edit
from drmsqueeze_results.documents import from_plain
from drmsqueeze_results.errors import BadRunDirectory
from drmsqueeze_results.facts import Facts, read_facts
from drmsqueeze_results.model import Outcome, Run, Status
from drmsqueeze_results.outcomes import consider, judge, load_run, psi_percent
from drmsqueeze_results.run_tables import run_grids

Golden = Callable[[str], Path]


def _row(name: str, *expected: Any) -> Any:
    return pytest.param(name, *expected, id=name)


# Name, status, reason code, counts by fate (others zero), witnesses, findings ("!": not expected).
GOLDEN = [
    _row("agent-died", "error", "agent-died", dict(completed=2), [], []),
    _row("agent-died-in-job", "error", "agent-died", dict(completed=2, lost=1), [], []),
    _row("agent-error", "error", "agent-error", dict(completed=2), [], []),
    _row("agent-killed", "error", "agent-killed", dict(completed=5), [], ["oom-kill-agent!"]),
    _row("agent-silence", "error", "records-incomplete", dict(completed=2, lost=1), [], []),
    _row("boot-timeout", "error", "boot-timeout", dict(), [], ["panic!"]),
    _row("completed", "pass", "ok", dict(completed=5), [], []),
    _row("corrupted", "pass", "ok", dict(completed=4, corrupted=1), [], []),
    _row("count-not-met", "fail", "unexpected-count", dict(completed=2), [], []),
    _row("expectation-unknown", "error", "expectation-unknown", dict(completed=2), [], []),
    _row("failed", "fail", "unexpected-outcome", dict(completed=3, failed=2), [], []),
    _row("failed-errno-alone", "pass", "ok", dict(completed=4, failed=1), [], []),
    _row("failed-expected", "pass", "ok", dict(completed=2, failed=3), [], []),
    _row("failed-said-timeout", "pass", "ok", dict(completed=4, failed=1), ["driver-timeout"], ["driver-timeout"]),
    _row("failed-victim", "pass", "ok", dict(completed=3, failed=1, timed_out=1),
         ["driver-timeout"], ["driver-timeout"]),
    _row("hog-killed", "error", "hog-killed", dict(completed=5), [], ["oom-kill-hog!", "hog-killed!"]),
    _row("hog-killed-expected", "pass", "ok", dict(completed=5), [], ["oom-kill-hog"]),
    _row("hung-in-flight", "pass", "ok", dict(completed=2, failed=1, hung=2),
         ["late-fence", "heartbeat-lost"], ["machine-silent"]),
    _row("hung-live", "pass", "ok", dict(completed=2, hung=1), ["late-fence", "no-progress"], []),
    _row("hung-panic", "pass", "ok", dict(completed=2, hung=1),
         ["hung-task", "panic-hung"], ["hung-task", "panic-hung"]),
    _row("hung-rebooted", "pass", "ok", dict(completed=2, failed=1, hung=2), ["late-fence"], []),
    _row("hung-silent-sysrq", "pass", "ok", dict(hung=1),
         ["driver-timeout", "heartbeat-lost", "hung-task", "blocked-tasks"],
         ["trap", "driver-timeout", "machine-silent", "hung-task"]),
    _row("hung-time-limit", "pass", "ok", dict(completed=2, hung=1), ["late-fence"], []),
    _row("infrastructure", "error", "infrastructure", dict(), [], []),
    _row("injected", "pass", "ok", dict(failed=3), [], ["gpu-page-fault"]),
    _row("injection-not-fired", "error", "never-fired", dict(completed=3), [], []),
    _row("injection-unreported", "error", "injection-unreported", dict(completed=3), [], []),
    _row("injector-killed", "error", "injector-killed", dict(completed=5), [], ["injector-killed!"]),
    _row("leak", "fail", "unexpected-finding", dict(completed=5), [], ["leak!", "leak!"]),
    _row("leak-board", "pass", "ok", dict(completed=5), [], ["leak!", "leak!"]),
    _row("leak-expected", "pass", "ok", dict(completed=5), [], ["leak", "leak"]),
    _row("leak-none", "pass", "ok", dict(completed=5), [], []),
    _row("lost-client", "pass", "ok", dict(completed=2, lost=1), [], ["oom-kill-client", "client-killed"]),
    _row("lost-client-gone", "fail", "unexpected-finding", dict(completed=2, lost=1), [], ["client-gone!"]),
    _row("lost-client-no-end", "pass", "ok", dict(completed=2, lost=1), [], ["client-killed"]),
    _row("lost-harness", "error", "harness-killed", dict(completed=2, lost=1), [], []),
    _row("lost-link", "error", "link-lost", dict(completed=2, lost=1), [], []),
    _row("lost-rebooted", "error", "machine-rebooted", dict(completed=2, lost=1), [], []),
    _row("lost-killed", "error", "machine-killed", dict(completed=2, lost=2), [], []),
    _row("lost-killed-after-timeout", "error", "machine-killed", dict(completed=4, lost=1),
         ["driver-timeout"], ["driver-timeout"]),
    _row("lost-killed-late", "pass", "ok", dict(completed=2, lost=1), ["late-fence"], []),
    _row("lost-record", "error", "records-inconsistent", dict(completed=3, lost=2), [], []),
    _row("lost-silent", "fail", "unexpected-finding", dict(completed=2, lost=1),
         ["heartbeat-lost"], ["machine-silent!"]),
    _row("no-jobs", "error", "no-jobs", dict(), [], []),
    _row("panic", "fail", "unexpected-finding", dict(completed=2, lost=1), [], ["panic!"]),
    _row("records-damaged", "error", "records-damaged", dict(completed=5), [], []),
    _row("records-too-many", "error", "records-inconsistent", dict(completed=4), [], []),
    _row("recorded-ring-full", "error", "infrastructure", dict(completed=2, lost=1), [], []),
    _row("restored-false", "fail", "unexpected-finding", dict(completed=5), [], ["not-restored!"]),
    _row("skip-level-out-of-reach", "skip", "level-out-of-reach", dict(), [], []),
    _row("skip-target-missing", "skip", "target-missing", dict(), [], []),
    _row("skip-unsupported", "skip", "unsupported", dict(), [], []),
    _row("stalled", "pass", "ok", dict(completed=2, stalled=1), ["late-fence"], []),
    _row("time-limit", "error", "time-limit", dict(completed=2, lost=1), [], []),
    _row("timed-out", "pass", "ok", dict(completed=4, timed_out=1), ["driver-timeout"], ["driver-timeout"]),
    _row("timed-out-elsewhere", "pass", "ok", dict(completed=4, failed=1), ["driver-timeout"], ["driver-timeout"]),
    _row("timed-out-later-completed", "pass", "ok", dict(completed=4, timed_out=1), ["driver-timeout"], ["driver-timeout"]),
    _row("timed-out-no-probe", "fail", "unexpected-outcome", dict(completed=4, hung=1),
         ["driver-timeout"], ["driver-timeout"]),
    _row("timed-out-probe-failed", "fail", "unexpected-outcome", dict(completed=4, hung=1),
         ["driver-timeout", "probe-failed"], ["driver-timeout"]),
    _row("timed-out-witness", "pass", "ok", dict(completed=4, timed_out=1), ["driver-timeout"], []),
    _row("trap-hung-otherwise", "error", "never-fired", dict(hung=1),
         ["heartbeat-lost", "hung-task"], ["machine-silent", "hung-task"]),
    _row("trap-lives", "pass", "ok", dict(failed=1), [], ["trap"]),
    _row("trap-not-fired", "error", "never-fired", dict(completed=1), [], []),
    _row("warn", "fail", "unexpected-finding", dict(completed=5), [], ["warn!"]),
    _row("warn-expected", "pass", "ok", dict(completed=5), [], ["warn"]),
    _row("warn-expected-not-seen", "fail", "unexpected-finding", dict(completed=5), [], []),
]


@pytest.mark.parametrize("name, status, code, counts, witnesses, findings", GOLDEN)
def test_golden_run(golden: Golden, name: str, status: str, code: str, counts: dict[str, int], witnesses: list[str],
                    findings: list[str]) -> None:
    run = judge(golden(name))
    assert (run.status.value, run.verdict.reason_code) == (status, code), run.verdict.reasons
    assert {o.value: run.jobs.of(o) for o in Outcome if run.jobs.of(o)} == counts
    assert [w.kind for w in run.witnesses] == witnesses
    assert [f.kind + ("" if f.expected else "!") for f in run.findings] == findings
    assert run.verdict.reasons or status == "pass"


@pytest.mark.parametrize("expect, code", [
    ({"shrinker_evicted_pages": [40, 40]}, "ok"),
    ({"shrinker_evicted_pages": [41, None]}, "unexpected-count"),
    ({"shrinker_evicted_pages": [0, 0]}, "unexpected-count"),
    ({"swapped_in_pages": [1, None]}, "unexpected-count"),
    ({"shrinker_evicted_pages": [40, None], "completed": [6, 6]}, "unexpected-outcome"),
])
def test_what_reclaim_took_can_be_expected(golden: Golden, expect: dict[str, list[int | None]], code: str) -> None:
    """Two stressors that saw the same; nobody saw that anything came back."""
    directory = golden("completed")
    edit(directory / "facts.json", expect=expect)
    (directory / "stressors.json").write_text(json.dumps(
        [{"stressor": "shrinker", "counts": {"shrinker_evicted_pages": count}} for count in (39, 40)] + [{"stressor": "bo-churn"}]))
    assert judge(directory).verdict.reason_code == code


def test_table_is_complete() -> None:
    assert sorted(row.id for row in GOLDEN) == sorted(d.name for d in (DATA / "runs").iterdir())
    assert {outcome for row in GOLDEN for outcome in row.values[3]} == {o.value for o in Outcome}
    assert {row.values[1] for row in GOLDEN} == {"pass", "fail", "error", "skip"}


@pytest.mark.parametrize("name", [row.id for row in GOLDEN])
def test_fates_sum_to_intents_and_judging_again_changes_nothing(golden: Golden, name: str) -> None:
    directory = golden(name)
    run = judge(directory)
    written = (directory / "run.json").read_bytes()
    intents = json.loads((directory / "facts.json").read_text())["jobs"]["intents"]
    assert run.jobs.submitted == max(intents, run.jobs.completed)
    assert load_run(directory) == run
    judge(directory)
    assert (directory / "run.json").read_bytes() == written


@pytest.mark.parametrize("name", ["completed", "hung-silent-sysrq"])
def test_whole_document(golden: Golden, name: str) -> None:
    directory = golden(name)
    judge(directory)
    assert json.loads((directory / "run.json").read_text()) == json.loads((DATA / f"run-{name}.json").read_text())


def test_blocked_tasks_are_kept_as_evidence(golden: Golden) -> None:
    directory = golden("hung-silent-sysrq")
    judge(directory)
    tasks = json.loads((directory / "evidence" / "blocked-tasks.json").read_text())["tasks"]
    assert [task["name"] for task in tasks] == ["irq/25-panfrost", "kworker/u4:2"]
    assert "panfrost_mmu_map_fault_addr" in tasks[0]["frames"]
    assert "__alloc_pages_noprof" in tasks[0]["frames"]
    assert tasks[0]["frames"].count("__alloc_pages_noprof") == 1, "a guessed frame was taken for a real one"


@pytest.mark.parametrize("cut", ["facts.json", "jobs.jsonl", "samples.jsonl", "injections.json", "environment.json",
                                 "console.log", "scenario.json"])
def test_any_file_may_be_cut_short(golden: Golden, cut: str) -> None:
    """A dead machine leaves half files: a verdict or a clear error, and the sum holds; never a pass in silence."""
    directory = golden("failed-expected")
    path = directory / cut
    path.write_bytes(path.read_bytes()[:-20])
    if cut == "facts.json":
        with pytest.raises(BadRunDirectory, match="facts.json: not JSON"):
            judge(directory)
        return
    run = judge(directory)
    assert run.jobs.submitted == 5
    assert cut == "console.log" or run.status.value == "error"


@pytest.mark.parametrize("name, text, message", [
    ("injections.json", "[{}]", "entries without member injector"),
    ("injections.json", "{}", "is no list"),
    ("environment.json", "[]", "is no dict"),
    ("samples.jsonl", "7", "not an object"),
])
def test_odd_files_of_a_run_that_ended_well_are_an_error(golden: Golden, name: str, text: str, message: str) -> None:
    directory = golden("completed")
    (directory / name).write_text(text)
    run = judge(directory)
    assert run.verdict.reason_code == "records-damaged"
    assert message in run.verdict.reasons[0]


def test_unknown_fate_is_no_fate(golden: Golden) -> None:
    directory = golden("failed")
    path = directory / "jobs.jsonl"
    path.write_text(path.read_text().replace('"failed"', '"exploded"'))
    with pytest.raises(BadRunDirectory, match="'exploded' is not a valid Outcome"):
        judge(directory)


def test_missing_facts(tmp_path: Path) -> None:
    with pytest.raises(BadRunDirectory, match="facts.json: No such file"):
        judge(tmp_path)


@pytest.mark.parametrize("member, value, message", [
    ("colour", "blue", "'colour' was unexpected"),
    ("level", 7, "/level: 7 is greater than the maximum"),
    ("machine", {}, "/machine: 'kind' is a required property"),
])
def test_bad_facts_name_file_pointer_and_value(golden: Golden, member: str, value: Any, message: str) -> None:
    directory = golden("completed")
    edit(directory / "facts.json", **{member: value})
    with pytest.raises(BadRunDirectory) as caught:
        judge(directory)
    assert message in str(caught.value) and "facts.json: /" in str(caught.value)


def test_run_json_with_unknown_member_is_refused(golden: Golden) -> None:
    directory = golden("completed")
    judge(directory)
    edit(directory / "run.json", mood="good")
    with pytest.raises(BadRunDirectory, match="mood"):
        load_run(directory)


@pytest.mark.parametrize("kind, text, named", [
    ("d-state kworker/0", "1", ("d-state", "kworker/0 1")), ("probe-failed no fence", "", ("probe-failed", "no fence")),
    ("late-fence", None, ("late-fence", None))])
def test_details_behind_a_witness_are_no_part_of_its_kind(golden: Golden, kind: str, text: str | None,
                                                          named: tuple[str, str | None]) -> None:
    directory = golden("completed")
    edit(directory / "facts.json", witnesses=[{"kind": kind, "first_s": 1.0, "count": 1, "job": None, "text": text}])
    witness, = read_facts(directory).witnesses
    assert (witness.kind, witness.text) == named
    assert [w.kind for w in judge(directory).witnesses] == [named[0]]


def test_expectation_not_met_fails(golden: Golden) -> None:
    """The negative control of every golden run that passes with an expectation: ask for what did not happen."""
    for name in ("corrupted", "failed-expected", "timed-out", "stalled", "hung-live", "hung-silent-sysrq"):
        directory = golden(name)
        edit(directory / "facts.json", expect={"completed": [99, None]})
        run = judge(directory)
        assert (run.status.value, run.verdict.reason_code) == ("fail", "unexpected-outcome"), name


def test_planted_hang_is_not_expected_without_an_entry(golden: Golden) -> None:
    directory = golden("hung-silent-sysrq")
    edit(directory / "facts.json", expect=None)
    run = judge(directory)
    assert run.status.value == "fail"
    assert {f.kind for f in run.findings if not f.expected} == {"hung-task", "machine-silent"}


def test_counts_that_do_not_sum_cannot_be_made() -> None:
    run = load_golden_run()
    with pytest.raises(ValueError, match="sum to 5"):
        type(run.jobs)(submitted=4, completed=5)


def load_golden_run() -> Run:
    return from_plain(Run, json.loads((DATA / "run-completed.json").read_text()))


def test_dataclasses_and_schemas_have_the_same_members() -> None:
    schemas = Path(__file__).parents[2] / "results" / "drmsqueeze_results" / "schemas"
    for members, name in ((fields(Run), "run"), (fields(Facts), "facts")):
        properties = set(json.loads((schemas / f"{name}.schema.json").read_text())["properties"])
        assert properties - {"schema"} == {member.name for member in members} - {"schema"}


def test_pressure_is_the_time_stalled_and_not_the_slow_average() -> None:
    """Seen in a run of 2.5 s: the kernel's own average still said 0 while tasks had waited a sixth of the time."""
    samples = [{"t_s": 1.0, "psi_some_total_us": 5000, "psi_some_avg10": 0}, {"t_s": 2.0, "psi_some_total_us": 5000},
               {"t_s": 3.5, "psi_some_total_us": 380000, "psi_some_avg10": 0}]
    assert psi_percent(samples) == pytest.approx(15.0)
    assert psi_percent(samples[:1]) is None
    assert psi_percent([{"t_s": 1.0}, {"t_s": 2.0}]) is None


@pytest.mark.parametrize(("model", "status"), [(None, "skip"), ("mali-jm", "error")])
def test_a_driver_missing_behind_our_own_model_is_our_fault(tmp_path: Path, model: str | None, status: str) -> None:
    directory = tmp_path / "run"
    shutil.copytree(DATA / "runs" / "skip-unsupported", directory)
    facts = json.loads((directory / "facts.json").read_text())
    facts["bye"]["code"] = errno.ENODEV
    facts["driver"]["model"] = model
    (directory / "facts.json").write_text(json.dumps(facts))
    assert judge(directory).status.value == status


def test_phases_are_counted_and_judged_by_themselves(golden: Golden) -> None:
    """Jobs belong to the phase in which they were begun; what a phase expects is held against its own jobs only."""
    directory = golden("failed-expected")
    jobs = [json.loads(line) for line in (directory / "jobs.jsonl").read_text().splitlines()]
    for job in jobs:
        (job["completed"] if "completed" in job else job)["phase"] = 1 if "completed" in job else 0
    (directory / "jobs.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs))
    edit(directory / "facts.json", phases=[{"index": 0, "kind": "ramp", "begun_s": 3.0}, {"index": 1, "kind": "release", "begun_s": 4.0}])
    phases: list[dict[str, Any]] = [{"kind": "ramp", "duration_ms": 1000},
                                    {"kind": "release", "duration_ms": 1000, "expect": {"failed": [0, 0], "completed": [1, None]}}]
    edit(directory / "scenario.json", phases=phases)
    run = judge(directory)
    assert run.status is Status.PASS, run.verdict
    assert [(phase.kind, phase.jobs.failed, phase.jobs.completed) for phase in run.phases] == [("ramp", 3, 0), ("release", 0, 2)]
    assert run.phases[0].latency_ns.p50 is None and run.phases[1].latency_ns.p50 is not None
    phases[0]["expect"] = {"failed": [0, 2]}
    edit(directory / "scenario.json", phases=phases)
    assert judge(directory).verdict.reasons == ("Phase 1 (ramp): failed: 3 seen, 0 to 2 expected.",)


def test_what_stressors_and_injectors_tell_is_kept_and_shown(golden: Golden) -> None:
    directory = golden("completed")
    told = {"counts": {"purged": 3}, "tables": [{"title": "Rungs", "columns": ["rung", "served", "good"],
                                                 "rows": [["cache", 1234, True], ["evict", None, False]]}]}
    (directory / "stressors.json").write_text(json.dumps([{"stressor": "bo-churn"} | told, {"no": "stressor"}]))
    edit_list = json.loads((directory / "injections.json").read_text())
    edit_list[0] |= {"counts": {"freed": 7}}
    (directory / "injections.json").write_text(json.dumps(edit_list))
    judge(directory)
    run = load_run(directory)
    assert run.stressors[0].counts == {"purged": 3} and run.injections[0].counts == {"freed": 7}
    grids = {grid.title: grid for grid in run_grids(run)}
    assert grids["Rungs"].rows == (("cache", "1,234", "yes"), ("evict", "-", "no"))
    assert grids["Rungs"].numeric == (False, True, False)
    assert grids["Injections"].rows[0][:2] == ("hog", "freed: 7")
    assert grids["bo-churn: counts"].rows == (("purged", "3"),)


def test_a_stall_says_how_long_after_the_release_it_completed(golden: Golden) -> None:
    (stalled,) = consider(golden("stalled")).fates.others
    assert stalled.reason == "completed 1.2 s after all was given back"


def test_a_run_that_lost_an_injector_is_an_error(golden: Golden) -> None:
    directory = golden("completed")
    edit(directory / "facts.json", witnesses=[{"kind": "injector-killed", "first_s": 3.0, "count": 1, "job": None, "text": "memcg"}])
    assert judge(directory).verdict.reason_code == "injector-killed"


@pytest.mark.parametrize(("old", "new", "message"), [
    ('"434": 1', '"434": 7', "do not add up"), ('"434": 1', '"9999999": 1', "out of range"), ('"buckets_per_octave": 16', '"buckets_per_octave": 0', "below 0"),
    ('"count": 5', '"count": "5"', 'expected int'), ('"counts": {', '"counts": [{', "")])
def test_a_histogram_that_cannot_be_is_refused(golden: Golden, old: str, new: str, message: str) -> None:
    directory = golden("completed")
    path = directory / "jobs.jsonl"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    if not message:  # no JSON at all
        assert judge(directory).verdict.status is Status.ERROR
        return
    with pytest.raises(BadRunDirectory, match=message):
        judge(directory)
