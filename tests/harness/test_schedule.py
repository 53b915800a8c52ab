# SPDX-License-Identifier: MIT
"""How plans are carried out, with runs that are made up: what is repeated, when a sequential comparison stops, and what it says then."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from drmsqueeze_results import comparison
from drmsqueeze_results.comparison_model import Comparison
from drmsqueeze_results.model import Outcome, Run
from drmsqueeze_results.outcomes import load_run

from drmsqueeze import plan, run_items, scenario, schedule

TEMPLATE = json.loads((Path(__file__).parents[1] / "data" / "run-completed.json").read_text())
ONE = scenario.parse(json.dumps({
    "schema": "drmsqueeze.scenario/1", "name": "x", "target": {"driver": "panfrost"}, "stressors": [{"kind": "tiler-heap"}],
    "levels": [1.0, 0.1], "injectors": [{"kind": "hog"}], "runs": 6}), "x.json")
KERNELS = ("lab", "lab+panfrost-nowait")
LOST = {"status": "error", "reason_code": "boot-timeout"}

# What a run comes to: counts by fate, and "status" and "reason_code"; None: it leaves no verdict.
Fate = Mapping[str, Any] | None
Fates = Callable[[plan.PlannedRun], Fate]


def write_run(directory: Path, planned: plan.PlannedRun, kernel: str, fate: Mapping[str, Any]) -> Run:
    jobs = {outcome.value: fate.get(outcome.value, 0) for outcome in Outcome}
    document = TEMPLATE | {
        "verdict": {"status": fate.get("status", "pass"), "reason_code": fate.get("reason_code", "ok"), "reasons": []},
        "level": planned.level, "arm": planned.arm, "index": planned.index, "block": planned.block,
        "jobs": {"submitted": sum(jobs.values()), **jobs},
        "environment": TEMPLATE["environment"] | {"kernel": TEMPLATE["environment"]["kernel"] | {"variant": kernel}}}
    directory.mkdir(parents=True)
    (directory / "run.json").write_text(json.dumps(document))
    return load_run(directory)


def carry_out(directory: Path, made: plan.Plan, fates: Fates, most: int = 10_000) -> tuple[plan.Plan, list[plan.PlannedRun]]:
    """Carry a plan out; returns it as it then is, and the runs in their order. `most`: it is interrupted after so many."""
    made.write(directory / "plan.json")
    going, order = schedule.Schedule(directory / "plan.json"), []
    while batch := going.batch():
        on_disk = plan.Plan.load(directory / "plan.json")
        assert set(batch) <= set(on_disk.order), "a run is planned on disk before it is started"
        for planned in batch:
            if len(order) == most or going.broken:
                return on_disk, order
            fate = fates(planned)
            run = write_run(directory / "runs" / planned.directory, planned, made.arms[planned.arm], fate) if fate else None
            order.append(planned)
            going.took(planned, run)
    return plan.Plan.load(directory / "plan.json"), order


def nothing_differs(planned: plan.PlannedRun) -> Fate:
    return {"completed": 20}


def differs(planned: plan.PlannedRun) -> Fate:
    """Six to eight of twenty fail on the second kernel where memory is short."""
    failed = 6 + planned.seed % 3 if planned.arm == "b" and planned.level < 1 else 0
    return {"completed": 20 - failed, "failed": failed}


def lost_once(where: Callable[[plan.PlannedRun], bool], fates: Fates = differs) -> Fates:
    return lambda planned: LOST if where(planned) and planned.repeats is None else fates(planned)


def test_a_plan_that_loses_nothing_is_carried_out_as_it_is(tmp_path: Path) -> None:
    made = plan.make("compare", ONE, KERNELS)
    after, order = carry_out(tmp_path, made, differs)
    assert after == made and tuple(order) == made.order
    assert comparison.compare(tmp_path).carried_out


def test_a_block_that_lost_an_arm_is_run_again_as_a_whole(tmp_path: Path) -> None:
    made = plan.make("compare", ONE, KERNELS)
    after, order = carry_out(tmp_path, made, lost_once(lambda planned: planned.block in (2, 5) and planned.arm == "b"))
    assert [(again.block, again.repeated_by) for again in after.repeated_blocks] == [(2, 12), (5, 13)]
    assert after.repeated_blocks[0].reason == "lab+panfrost-nowait: boot-timeout"
    assert Counter((run.block, run.arm) for run in order[24:]) == {(12, "a"): 1, (12, "b"): 1, (13, "a"): 1, (13, "b"): 1}
    found = comparison.compare(tmp_path)
    assert found.carried_out
    assert {cell.index for cell in found.cells if cell.status == "repeated"} == {run.index for run in made.order if run.block in (2, 5)}
    assert (found.arms["a"].runs, found.arms["a"].planned) == (12, 12), "the arm that was not lost counts once, too"
    assert [(entry.block, entry.repeated_by) for entry in found.repeated_blocks] == [(2, 12), (5, 13)]
    assert found.verdict.notes[0].startswith("2 blocks that lost a run to the machine or the lab were carried out again")
    whole = next(test for test in found.tests if test.outcome == "failed" and test.level is None)
    assert whole.n == 12


def test_a_block_is_given_up_after_three_tries_and_not_in_silence(tmp_path: Path) -> None:
    made = plan.make("compare", ONE, KERNELS)
    cursed = made.order[6]
    again: set[int] = {cursed.block}

    def fates(planned: plan.PlannedRun) -> Fate:
        if planned.block in again or planned.repeats in again:
            again.add(planned.block)
            return LOST if planned.arm == "b" else differs(planned)
        return differs(planned)

    after, order = carry_out(tmp_path, made, fates)
    assert len(after.repeated_blocks) == schedule.TRIES - 1 and len(order) == 24 + 2 * 2
    found = comparison.compare(tmp_path)
    assert not found.carried_out
    assert found.repeated_blocks[-1].repeated_by is None, "what was given up is listed"
    assert "1 of 28 planned runs gave no data" in found.verdict.notes[0]


def test_what_the_kernel_may_have_done_itself_is_not_tried_until_it_does_not_happen(tmp_path: Path) -> None:
    killed = {"completed": 3, "status": "error", "reason_code": "hog-killed"}
    made = plan.make("compare", ONE, KERNELS)
    after, _ = carry_out(tmp_path, made, lambda planned: killed if planned.index == 3 else differs(planned))
    assert after == made
    assert not comparison.compare(tmp_path).carried_out


def test_a_run_without_a_verdict_is_lost_too(tmp_path: Path) -> None:
    after, _ = carry_out(tmp_path, plan.make("compare", ONE, KERNELS),
                         lambda planned: None if planned.index == 3 else differs(planned))
    assert after.repeated_blocks[0].reason.endswith(": no verdict")
    assert comparison.compare(tmp_path).carried_out


def test_a_broken_lab_ends_it(tmp_path: Path) -> None:
    after, order = carry_out(tmp_path, plan.make("compare", ONE, KERNELS), lambda planned: LOST)
    assert len(order) == schedule.BROKEN_AFTER and not after.repeated_blocks
    found = comparison.compare(tmp_path)
    assert not found.carried_out and found.verdict.code == "not-comparable"


def test_runs_of_one_kernel_are_not_repeated(tmp_path: Path) -> None:
    """There the fate of each run is the result."""
    made = plan.make("run", ONE, ["lab"])
    after, order = carry_out(tmp_path, made, lambda planned: LOST)
    assert after == made and len(order) == 12


def sequential(tmp_path: Path, fates: Fates, most_runs: int = 60, margin: float = 0.2, most: int = 10_000) -> tuple[Comparison, int]:
    """The comparison of a sequential plan, and how many runs were carried out."""
    made = plan.make_sequential(ONE, KERNELS, most_runs=most_runs, margin=margin)
    _, order = carry_out(tmp_path, made, fates, most)
    return comparison.compare(tmp_path), len(order)


def test_stops_when_the_difference_is_clear(tmp_path: Path) -> None:
    found, runs = sequential(tmp_path, differs)
    assert found.sequential and (found.sequential.stopped, found.sequential.decision) == ("answered", "differ")
    assert runs == 4 * found.sequential.units < 4 * 20
    assert found.carried_out, "what was not needed is not missing"
    assert Counter(cell.status for cell in found.cells) == {"pass": runs, "not-needed": 120 - runs}
    assert found.verdict.code == "differ"
    assert f"After {found.sequential.units} rounds the question was answered" in found.verdict.sentence
    assert "the difference is beyond chance in failed jobs" in found.verdict.sentence
    assert "Not decided when that was clear: runs with a hang" in found.verdict.sentence
    assert all(test.p_adjusted is None for test in found.tests), "tests for a fixed number of runs describe only"
    again = comparison.compare(tmp_path)
    assert again == found, "judged again from the run directories: the same"
    assert comparison.load_comparison(tmp_path) == found


def test_stops_at_the_margin(tmp_path: Path) -> None:
    found, runs = sequential(tmp_path, nothing_differs)
    assert found.sequential and found.sequential.decision == "within-margin" and runs == 4 * found.sequential.units < 100
    assert found.verdict.code == "no-difference-that-matters"
    assert "differ by no more than the 20 percentage points" in found.verdict.sentence


def test_cannot_be_decided_with_so_few(tmp_path: Path) -> None:
    """Most runs come before an answer: then it says so, and what it would take."""
    found, runs = sequential(tmp_path, nothing_differs, most_runs=20, margin=0.05)
    assert found.sequential and (found.sequential.stopped, found.sequential.decision) == ("most-runs", "undecided")
    assert runs == 40 and found.carried_out and found.verdict.code == "undecided"
    assert "cannot be decided with so few runs. Its 10 rounds are over." in found.verdict.sentence
    assert "To show a difference of less than 5 percentage points takes 80 rounds at the least." in found.verdict.sentence


def test_an_interruption_is_a_stop_like_any_other(tmp_path: Path) -> None:
    """What was run of the round that was not complete does not count, whichever arm it was; and what is missing is missing."""
    found, _ = sequential(tmp_path / "in", differs, most=4 * 3 + 3)
    assert found.sequential and (found.sequential.units, found.sequential.stopped) == (3, "not-finished")
    assert not found.carried_out and {cell.status for cell in found.cells} == {"pass", "missing"}
    assert "It ended after 3 rounds of 30 at the most, before its question was answered" in found.verdict.sentence
    complete, _ = sequential(tmp_path / "complete", differs, most=4 * 3)
    assert complete.sequential == found.sequential


def test_a_round_waits_for_what_it_lost(tmp_path: Path) -> None:
    """Its repeated blocks belong to the round, and come before the next one."""
    found, runs = sequential(tmp_path, lost_once(lambda planned: planned.block == 3 and planned.arm == "a"))
    planned = plan.Plan.load(tmp_path / "plan.json")
    new = [run for run in planned.order if run.repeats == 3]
    assert {run.cluster for run in new} == {1} and found.carried_out and found.sequential
    assert runs == 4 * found.sequential.units + 2
    without, _ = sequential(tmp_path / "lost-nothing", differs)
    assert without.sequential and without.sequential.units == found.sequential.units


def test_a_round_that_cannot_be_completed_ends_it(tmp_path: Path) -> None:
    found, runs = sequential(tmp_path, lambda planned: None if planned.cluster == 1 and planned.arm == "a" else differs(planned))
    assert found.sequential and (found.sequential.units, found.sequential.stopped) == (1, "not-finished")
    assert runs < 20


def test_a_target_that_lacks_something_is_not_asked_200_times(tmp_path: Path) -> None:
    _, runs = sequential(tmp_path, lambda planned: {"status": "skip", "reason_code": "unsupported"})
    assert runs == 4


def test_repeats_become_items_of_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through pytest, as on the command line; its report has each run once."""
    made = plan.make("compare", ONE, KERNELS, runs=1)
    made.write(tmp_path / "plan.json")

    def execute(lab: object, of: object, planned: plan.PlannedRun, kernel: str, directory: Path, **_: object) -> None:
        fate = LOST if planned.index == 0 else differs(planned)
        assert fate
        write_run(directory, planned, kernel, fate)

    monkeypatch.setattr(run_items, "execute", execute)
    monkeypatch.setattr(run_items, "conclude", lambda directory: SimpleNamespace(run=load_run(directory), chains=(), blocked=()))
    junit = tmp_path / "junit.xml"
    status = pytest.main(["-p", "drmsqueeze.pytest_plugin", "-p", "no:terminal", "-p", "no:labgrid", "-p", "no:cacheprovider", "-c", "/dev/null",
                          f"--rootdir={tmp_path}", f"--junitxml={junit}", str(tmp_path / "plan.json")])
    assert status == pytest.ExitCode.TESTS_FAILED
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [f"{index:04d}" for index in range(6)]
    assert 'errors="1"' in junit.read_text() and 'tests="6"' in junit.read_text()
    assert comparison.compare(tmp_path).carried_out
