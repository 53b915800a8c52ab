# SPDX-License-Identifier: MIT
"""Comparisons of made-up runs: the whole table, the verdicts, and what becomes of planned runs without data."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import comparisons
from comparisons import make
from golden_data import edit
from drmsqueeze_results.comparison import compare, load_comparison
from drmsqueeze_results.comparison_model import Comparison
from drmsqueeze_results.errors import BadComparison
from drmsqueeze_results.tables import comparison_grid, markdown_table

IDLE = [{"completed": 20, "p50_ms": 30}] * 6
BLOCKING = [{"completed": 20, "p50_ms": ms} for ms in (150, 140, 160, 155, 150, 149)]
NOWAIT = [{"completed": 20 - n, "failed": n, "p50_ms": 40, "status": "fail", "reason_code": "unexpected-outcome"}
          for n in (16, 15, 18, 14, 17, 15)]
DEAD = {"lost": 1, "status": "error", "reason_code": "hog-killed"}


def hung(runs: int, of: int) -> list[dict[str, Any]]:
    return [{"completed": 5, "hung": 1}] * runs + [{"completed": 20, "p50_ms": 30}] * (of - runs)


def test_whole_table(tmp_path: Path) -> None:
    result = compare(make(tmp_path / "c", {1.0: {"a": IDLE, "b": IDLE}, 0.02: {"a": BLOCKING, "b": NOWAIT}}))
    assert markdown_table(comparison_grid(result)) == """\
| left  | kernel              | runs | jobs |        completed |           failed | stalled | hung |    p50 |    p99 | least memory | stalled time |
| ----- | ------------------- | ---: | ---: | ---------------: | ---------------: | ------: | ---: | -----: | -----: | -----------: | -----------: |
| 100 % | lab                 |    6 |  120 |      120 (100 %) |                0 |       0 |    0 |  30 ms |  90 ms |       10 MiB |            - |
| 100 % | lab+panfrost-nowait |    6 |  120 |      120 (100 %) |                0 |       0 |    0 |  30 ms |  90 ms |       10 MiB |            - |
| 2 %   | lab                 |    6 |  120 |      120 (100 %) |                0 |       0 |    0 | 150 ms | 450 ms |       10 MiB |            - |
| 2 %   | lab+panfrost-nowait |    6 |  120 | 25 (21 %; 15–26) | 95 (79 %; 74–85) |       0 |    0 |  40 ms | 120 ms |       10 MiB |            - |"""
    assert result.verdict.code == "differ"
    assert result.verdict.sentence == (
        "At 2 % of memory left, lab completed 120 of 120 jobs (median 150 ms); lab+panfrost-nowait failed 95 of 120 "
        "jobs (79 %, 95 % interval 74 to 85 %) and completed 25 jobs (median 40 ms); neither hung in 6 runs, which "
        "bounds the true rate at 39 % (95 % confidence). Over all levels the difference is beyond chance in failed jobs (p = 0.031).")
    assert result.verdict.notes == ()
    assert result.carried_out


def test_document_is_read_back_as_written(tmp_path: Path) -> None:
    directory = make(tmp_path / "c", {0.02: {"a": BLOCKING, "b": NOWAIT}})
    result = compare(directory)
    assert load_comparison(directory) == result
    document = json.loads((directory / "compare.json").read_text())
    assert set(document) == set(Comparison.__dataclass_fields__) | {"schema"}
    plan = json.loads((directory / "plan.json").read_text())
    assert document["plan"]["order"] == plan["order"]
    edit(directory / "compare.json", mood="good")
    with pytest.raises(BadComparison, match="mood"):
        load_comparison(directory)


def verdict(tmp_path: Path, a: Any, b: Any, **more: Any) -> tuple[str, str]:
    found = compare(make(tmp_path / "c", {0.02: {"a": a, "b": b}}, **more)).verdict
    return found.code, found.sentence


def test_too_few_runs_cannot_decide_whatever_they_show(tmp_path: Path) -> None:
    code, sentence = verdict(tmp_path, BLOCKING[:3], NOWAIT[:3])
    assert code == "undecided"
    assert "cannot be decided with so few runs" in sentence
    assert sentence.endswith("the smallest p that 3 blocks could reach is 0.25, at alpha 0.05.")


def test_enough_runs_but_too_few_that_differ(tmp_path: Path) -> None:
    code, sentence = verdict(tmp_path, IDLE, hung(2, 6))
    assert code == "undecided"
    assert "lab+panfrost-nowait hung in 2 of 6 runs" in sentence
    assert "lab did not hang in 6 runs, which bounds the true rate at 39 % (95 % confidence)" in sentence
    assert "they differ in only 2 of 6 blocks" in sentence


def test_nothing_differs(tmp_path: Path) -> None:
    code, sentence = verdict(tmp_path, IDLE, IDLE)
    assert code == "no-difference-seen"
    assert "neither hung in 6 runs, which bounds the true rate at 39 %" in sentence
    assert sentence.endswith("In none of 6 blocks did the kernels differ in failed jobs or hangs.")


def test_differences_both_ways_are_no_difference(tmp_path: Path) -> None:
    mixed = [{"completed": 20 - n, "failed": n} for n in (1, 5, 2, 4, 1, 5)]
    code, sentence = verdict(tmp_path, mixed, mixed[::-1])
    assert code == "no-difference-seen"
    assert "that does not show that there is none" in sentence


def test_hangs_decide_by_runs_and_not_by_jobs(tmp_path: Path) -> None:
    """Ten runs with one hung job each: few jobs of many, and every run."""
    code, sentence = verdict(tmp_path, hung(10, 10), hung(0, 10))
    assert code == "differ"
    assert "lab hung in 10 of 10 runs" in sentence
    assert "hangs (p = 0.002)" in sentence


@pytest.mark.parametrize("injector", ["fail-page-alloc", "failslab", "fail-function", "fail-nth"])
def test_injected_failures_are_no_verdict_on_flags(tmp_path: Path, injector: str) -> None:
    injected = [cell | {"injector": injector} for cell in NOWAIT]
    found = compare(make(tmp_path / "c", {0.02: {"a": BLOCKING, "b": injected}}))
    assert found.verdict.code == "injected-differ"
    assert any("cannot say which GFP flags are better" in note for note in found.verdict.notes)
    assert found.exposure["b"].injections_fired == {injector: 42}
    assert "GFP" not in found.verdict.sentence

    injected = [cell | {"injector": injector} for cell in IDLE]
    assert compare(make(tmp_path / "none", {0.02: {"a": IDLE, "b": injected}})).verdict.code.startswith("injected-")


def test_every_planned_run_ends_in_one_status(tmp_path: Path) -> None:
    directory = make(tmp_path / "c", {0.02: {"a": [*BLOCKING[:3], DEAD, None, {"status": "skip"}], "b": NOWAIT}})
    (directory / "runs" / "0001" / "run.json").write_text("{")
    result = compare(directory)
    assert [cell.status for cell in result.cells if cell.arm == "a"] == ["pass"] * 3 + ["error", "missing", "skip"]
    assert [(cell.status, cell.reason_code) for cell in result.cells if cell.arm == "b"][0] == ("error", "unreadable")
    assert not result.carried_out
    assert (result.arms["a"].runs, result.arms["a"].planned) == (3, 6)
    assert result.levels[0].arms["a"].submitted == 60, "an error's jobs were counted"
    assert result.tests[0].n == 2, "only blocks with both arms are pairs"
    assert result.verdict.notes == (
        "4 of 12 planned runs gave no data: error (hog-killed), error (unreadable), missing, skip (ok). Their "
        "blocks are not tested.",)


def test_an_arm_without_data_is_not_comparable(tmp_path: Path) -> None:
    code, sentence = verdict(tmp_path, IDLE, [None] * 6)
    assert code == "not-comparable"
    assert sentence == "There is nothing to compare: no run of lab+panfrost-nowait gave data."


def test_single_levels_are_never_more_certain_than_the_whole(tmp_path: Path) -> None:
    result = compare(make(tmp_path / "c", {level: {"a": BLOCKING, "b": NOWAIT} for level in (0.1, 0.05, 0.02)}))
    whole = {t.outcome: t.p_adjusted for t in result.tests if t.level is None}
    single = [t for t in result.tests if t.level is not None and t.p_adjusted is not None]
    assert single and all((t.p_adjusted or 0) >= (whole[t.outcome] or 1) for t in single)


def test_more_than_two_arms_are_held_against_the_first(tmp_path: Path) -> None:
    kernels = comparisons.KERNELS | {"c": "lab+panfrost-noretry"}
    result = compare(make(tmp_path / "c", {0.02: {"a": BLOCKING, "b": NOWAIT, "c": BLOCKING}}, kernels))
    assert {t.arms for t in result.tests} == {("a", "b"), ("a", "c")}
    assert "none hung" in result.verdict.sentence


def test_bounds_are_for_what_was_never_seen_only(tmp_path: Path) -> None:
    result = compare(make(tmp_path / "c", {0.02: {"a": hung(1, 6), "b": NOWAIT}}))
    bounded = {(b.arm, b.outcome) for b in result.bounds}
    assert ("b", "hung") in bounded and ("a", "hung") not in bounded and ("b", "failed") not in bounded


@pytest.mark.parametrize("change, message", [
    ({"index": 99}, "not the one that the plan has as number 99"),
    ({"arm": "b"}, "not the one that the plan has as number 0"),
    ({"level": 0.5}, "not the one that the plan has as number 0"),
])
def test_a_run_that_is_not_the_planned_one_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    directory = make(tmp_path / "c", {0.02: {"a": IDLE, "b": IDLE}})
    edit(directory / "runs" / "0000" / "run.json", **change)
    with pytest.raises(BadComparison, match=message):
        compare(directory)


def test_plan_is_validated(tmp_path: Path) -> None:
    directory = make(tmp_path / "c", {0.02: {"a": IDLE, "b": IDLE}})
    edit(directory / "plan.json", alpha=7)
    with pytest.raises(BadComparison, match="plan.json: /alpha: 7 is greater"):
        compare(directory)
    with pytest.raises(BadComparison, match="plan.json: No such file"):
        compare(tmp_path)


def test_false_alarms_of_the_verdict_stay_below_alpha(tmp_path: Path) -> None:
    """Same kernel on both arms, many times: `differ` comes up no more often than alpha allows."""
    rng = np.random.default_rng(3)
    alarms = 0
    for trial in range(24):
        def cell() -> dict[str, int]:
            failed = int(rng.binomial(20, rng.beta(1, 4)))
            return {"completed": 19 - min(failed, 19), "failed": min(failed, 19), "hung": int(rng.random() < 0.3)}
        cells = {arm: [cell() for _ in range(6)] for arm in "ab"}
        found = compare(make(tmp_path / str(trial), {0.02: cells}))
        alarms += found.verdict.code == "differ"
    assert alarms <= 4  # P(more than 4 of 24 at 5 %) is 0.6 %; the seed is fixed
