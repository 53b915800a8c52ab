# SPDX-License-Identifier: MIT
"""Runs that are not independent: clusters of blocks, machines, repeated blocks. And tests that describe and never decide."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import comparisons
from comparisons import make
from drmsqueeze_results import incidence, statistics
from drmsqueeze_results.arm_tests import PERMUTATION
from drmsqueeze_results.comparison import compare
from drmsqueeze_results.comparison_model import Comparison, Test
from drmsqueeze_results.observations import Differences


def fails(share: float, of: int = 20) -> dict[str, Any]:
    failed = round(share * of)
    return {"completed": of - failed, "failed": failed}


def overall(result: Comparison, outcome: str, measure: str = "share") -> Test:
    found, = (t for t in result.tests if (t.outcome, t.level, t.measure) == (outcome, None, measure))
    return found


def test_labels_of_whole_clusters_are_swapped(tmp_path: Path) -> None:
    """Twelve blocks that all differ one way: for themselves p = 2/4096, in four clusters of three it can be no less than 2/16."""
    arms = {"a": [fails(0.1)] * 12, "b": [fails(0.5)] * 12}
    alone = overall(compare(make(tmp_path / "alone", {0.02: arms})), "failed")
    together = overall(compare(make(tmp_path / "together", {0.02: arms}, blocks_per_cluster=3)), "failed")
    assert (alone.n, alone.differing, alone.p) == (12, 12, pytest.approx(2 / 4096))
    assert (together.n, together.differing, together.p, together.p_attainable) == (4, 4, pytest.approx(2 / 16), 2 / 16)
    assert alone.effect == together.effect == pytest.approx(0.4)


def test_permutation_by_cluster_by_hand(tmp_path: Path) -> None:
    """Sums of the clusters' differences: 0.6, 0.4, -0.1. Of 8 sign patterns 2 reach 0.9 and 4 more do not; p = 2 * 2/8 (0.9 is second)."""
    a = [fails(0.0), fails(0.0), fails(0.0), fails(0.0), fails(0.1), fails(0.1)]
    b = [fails(0.3), fails(0.3), fails(0.2), fails(0.2), fails(0.1), fails(0.0)]
    test = overall(compare(make(tmp_path / "c", {0.02: {"a": a, "b": b}}, blocks_per_cluster=2)), "failed")
    assert (test.n, test.differing, test.effect) == (3, 3, pytest.approx(0.15))
    assert test.p == pytest.approx(0.5)


def test_a_cluster_in_which_differences_cancel_does_not_differ(tmp_path: Path) -> None:
    """Also where sums of shares do not cancel to the last bit."""
    a, b = [fails(0.1), fails(0.2), fails(0.3)] * 6, [fails(0.3), fails(0.2), fails(0.1)] * 6
    result = compare(make(tmp_path / "c", {0.02: {"a": a, "b": b}}, blocks_per_cluster=3))
    assert (overall(result, "failed").n, overall(result, "failed").differing) == (6, 0)
    assert result.verdict.code == "no-difference-seen"
    assert "In none of 6 clusters of blocks did the kernels differ" in result.verdict.sentence


def test_too_few_clusters_cannot_decide_however_many_runs_there_are(tmp_path: Path) -> None:
    arms = {"a": [fails(0.0)] * 40, "b": [fails(0.9)] * 40}
    verdict = compare(make(tmp_path / "c", {0.02: arms}, blocks_per_cluster=10)).verdict
    assert verdict.code == "undecided"
    assert "the smallest p that 4 clusters of blocks could reach is 0.12, at alpha 0.05." in verdict.sentence


def test_hangs_of_one_snapshot_are_one_observation(tmp_path: Path) -> None:
    """Ten hangs, all from one snapshot: exact tests, intervals and bounds count snapshots."""
    hung, fine = {"completed": 10, "hung": 1}, {"completed": 20}
    arms = {"a": [fine] * 60, "b": [hung] * 10 + [fine] * 50}
    alone = compare(make(tmp_path / "alone", {0.02: arms}))
    result = compare(make(tmp_path / "c", {0.02: arms}, blocks_per_cluster=10))
    exact = {(name, t.method): t for name, r in (("alone", alone), ("c", result)) for t in r.tests if t.outcome == "hung" and t.level}
    assert (exact["alone", "boschloo"].n, exact["c", "boschloo"].n) == (120, 12)
    assert (exact["alone", "boschloo"].p or 1) < 0.01 < 0.5 < (exact["c", "boschloo"].p or 0)
    assert result.verdict.code == "undecided" and alone.verdict.code == "differ"
    assert "lab did not hang in 60 runs from 6 snapshots, which bounds the true rate at 39 %" in result.verdict.sentence
    assert {b.runs for b in result.bounds if b.outcome == "hung"} == {6}


def test_interval_resamples_clusters(tmp_path: Path) -> None:
    """Runs of a cluster are all alike: six observations of three runs each, whose interval is wider than that of eighteen."""
    shares = [fails(s) for s in (0.1, 0.5, 0.2, 0.6, 0.3, 0.4) for _ in range(3)]
    arms = {"a": shares, "b": shares}
    low, high = compare(make(tmp_path / "c", {0.02: arms}, blocks_per_cluster=3)).levels[0].arms["a"].outcomes["failed"].interval or ()
    narrow_low, narrow_high = compare(make(tmp_path / "n", {0.02: arms})).levels[0].arms["a"].outcomes["failed"].interval or ()
    assert high - low > 1.4 * (narrow_high - narrow_low)


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """For simulations: fewer draws make each answer rougher, and none of them wrong."""
    monkeypatch.setattr(statistics, "PERMUTATIONS", 2500)
    monkeypatch.setattr(statistics, "BOOTSTRAP_RESAMPLES", 100)
    monkeypatch.setattr(incidence, "RESAMPLES", 2)


@pytest.mark.usefixtures("few_draws")
@pytest.mark.parametrize("planted, trials, least, most", [(0.0, 24, 0, 4), (0.25, 10, 8, 10)])
def test_false_alarms_and_power_of_the_whole_verdict_with_clusters(tmp_path: Path, planted: float, trials: int, least: int, most: int) -> None:
    """Clusters differ much, the same way on both arms or not, and jobs of a run go together."""
    rng = np.random.default_rng(7)
    found = 0
    for trial in range(trials):
        cells: dict[str, list[dict[str, Any]]] = {"a": [], "b": []}
        for _ in range(10):
            own = {arm: rng.normal(0, 0.08) for arm in cells}  # of the arm's snapshot
            for _ in range(3):
                for arm, runs in cells.items():
                    mean = float(np.clip(0.3 + own[arm] + planted * (arm == "b"), 0.02, 0.98))
                    runs.append(fails(rng.beta(8 * mean, 8 * (1 - mean))) | {"hung": int(rng.random() < 0.05)})
        found += compare(make(tmp_path / str(trial), {0.02: cells}, blocks_per_cluster=3)).verdict.code == "differ"
    assert least <= found <= most  # P(more than 4 of 24 at 5 %) is 0.6 %


@pytest.mark.usefixtures("few_draws")
def test_blocks_for_clusters_would_give_false_alarms() -> None:
    """The negative control: each block taken for independent, the same made-up clusters alarm far more often than one time in twenty."""
    rng = np.random.default_rng(8)
    wrong = right = 0
    for trial in range(100):
        own = rng.normal(0, 0.11, 12)
        blocks = np.repeat(own, 4) + rng.normal(0, 0.05, 48)
        wrong += (statistics.sign_flip_p(list(blocks), trial) or 1) <= 0.05
        right += (statistics.sign_flip_p(list(blocks.reshape(12, 4).sum(axis=1)), trial) or 1) <= 0.05
    assert right <= 11 and wrong >= 25


def test_latency_is_told_as_a_ratio_and_decides_nothing(tmp_path: Path) -> None:
    a = [{"completed": 20, "p50_ms": 50 + n} for n in range(8)]
    b = [{"completed": 20, "p50_ms": 3 * (50 + n)} for n in range(8)]
    result = compare(make(tmp_path / "c", {1.0: {"a": a, "b": b}, 0.02: {"a": a, "b": [{"failed": 20, "p50_ms": None}] * 8}}))
    test = overall(result, "completed", "latency")
    assert (test.effect_kind, test.primary, test.p_adjusted, test.method) == ("ratio", False, None, PERMUTATION)
    assert (test.n, test.effect, test.p) == (8, pytest.approx(3), pytest.approx(2 / 256)), "blocks where nothing completed have no latency"
    assert test.interval == (pytest.approx(3), pytest.approx(3))
    only = compare(make(tmp_path / "only", {1.0: {"a": a, "b": b}}))
    assert only.verdict.code == "no-difference-seen"


def test_secondary_outcomes_are_no_part_of_the_family(tmp_path: Path) -> None:
    a, b = [fails(0.0)] * 8, [{"completed": 10, "failed": 0, "timed_out": 10}] * 8
    result = compare(make(tmp_path / "c", {0.02: {"a": a, "b": b}}))
    secondary = overall(result, "timed_out")
    assert (secondary.primary, secondary.p, secondary.p_adjusted) == (False, pytest.approx(2 / 256), None)
    assert result.verdict.code == "no-difference-seen"
    assert {t.outcome for t in result.tests if t.primary} == {"failed", "hung"}


def test_holm_runs_over_arms_as_well(tmp_path: Path) -> None:
    """Three pairs of arms with the same difference: what one pair would make significant, a family of three does not."""
    kernels = {"a": "lab", "b": "lab+one", "c": "lab+two", "d": "lab+three"}
    less, more = [fails(0.1)] * 6, [fails(0.6)] * 6
    pair = compare(make(tmp_path / "p", {0.02: {"a": less, "b": more}}))
    family = compare(make(tmp_path / "f", {0.02: {"a": less, "b": more, "c": more, "d": more}}, kernels))
    assert (pair.verdict.code, family.verdict.code) == ("differ", "no-difference-seen")
    assert overall(pair, "failed").p_adjusted == pytest.approx(2 / 64)
    assert [t.p_adjusted for t in family.tests if t.outcome == "failed" and t.level is None] == [pytest.approx(6 / 64)] * 3
    enough = compare(make(tmp_path / "e", {0.02: {"a": less * 2, "b": more * 2, "c": less * 2}}, {k: kernels[k] for k in "abc"}))
    assert "failed jobs of lab+one (p = " in enough.verdict.sentence and "of lab+two" not in enough.verdict.sentence


def test_rates_are_settings_of_their_own(tmp_path: Path) -> None:
    a, b = [fails(0.0), fails(0.0)] * 6, [fails(0.0), fails(0.8)] * 6
    result = compare(make(tmp_path / "c", {1.0: {"a": a, "b": a}, 0.02: {"a": a, "b": b}}, rates=(5.0, 50.0)))
    assert [(level.level, level.rate_hz, level.arms["b"].runs) for level in result.levels] == [
        (1.0, 5.0, 6), (1.0, 50.0, 6), (0.02, 5.0, 6), (0.02, 50.0, 6)]
    effects = {(t.level, t.rate_hz): t.effect for t in result.tests if t.outcome == "failed"}
    assert effects == {(None, None): pytest.approx(0.2), (1.0, 5.0): 0, (1.0, 50.0): 0, (0.02, 5.0): 0, (0.02, 50.0): pytest.approx(0.8)}
    assert result.verdict.sentence.startswith("At 2 % of memory left and 50 jobs/s, lab completed")
    assert "Over all levels and demand rates" in result.verdict.sentence
    assert {(d.arm, d.rate_hz) for d in result.dose_response} == {(arm, rate) for arm in "ab" for rate in (5.0, 50.0)}


def test_machines_are_strata(tmp_path: Path) -> None:
    """One machine fails more whichever kernel: kernels are compared within it. Counts of runs are, too (Mantel and Haenszel)."""
    def on(machine: str, cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [cell | {"machine": machine} for cell in cells]
    a = on("board-1", [fails(0.1)] * 6) + on("board-2", [fails(0.5)] * 6)
    b = on("board-1", [fails(0.2)] * 6) + on("board-2", [fails(0.9)] * 6)
    result = compare(make(tmp_path / "c", {0.02: {"a": a, "b": b}}))
    assert {(s.machine, s.outcome): (s.effect, s.n) for s in result.strata if s.outcome == "failed"} == {
        ("board-1", "failed"): (pytest.approx(0.1), 6), ("board-2", "failed"): (pytest.approx(0.4), 6)}
    assert {t.method for t in result.tests if t.outcome == "hung" and t.level} == {"mantel-haenszel"}
    assert any("Runs were on 2 machines (board-1, board-2)" in note for note in result.verdict.notes)

    apart = compare(make(tmp_path / "apart", {0.02: {"a": on("board-1", [fails(0.1)] * 6), "b": on("board-2", [fails(0.9)] * 6)}}))
    assert apart.verdict.code == "undecided"
    assert any("the machines cannot be told from the kernels" in note for note in apart.verdict.notes)


def test_a_repeated_block_counts_once(tmp_path: Path) -> None:
    """Its first try lost one arm; the other arm of that try must not weigh double."""
    lost = {"lost": 1, "status": "error", "reason_code": "boot-timeout"}
    directory = make(tmp_path / "c", {0.02: {"a": [fails(0.9), *[fails(0.1)] * 6], "b": [lost, *[fails(0.5)] * 6]}})
    plan = json.loads((directory / "plan.json").read_text())
    first = plan["order"][0]["block"]
    last = plan["order"][-1]["block"]
    for cell in plan["order"]:
        if cell["block"] == last:
            cell["repeats"] = first
    plan["repeated_blocks"] = [{"block": first, "repeated_by": last, "reason": "lab+panfrost-nowait: boot-timeout"}]
    (directory / "plan.json").write_text(json.dumps(plan))
    result = compare(directory)
    assert (result.arms["a"].runs, result.arms["b"].runs) == (6, 6)
    assert result.levels[0].arms["a"].outcomes["failed"].share == pytest.approx(0.1)
    assert result.repeated_blocks[0].repeated_by == last
    assert result.verdict.notes == ("1 block that lost a run to the machine or the lab was carried out again; what was left of the first "
                                    "try does not count.",)


def test_differences_have_a_mean_over_blocks_and_parts_by_machine() -> None:
    found = Differences((0.6, 0.0), (3, 1), ("x", "y"))
    assert found.mean == pytest.approx(0.15) and found.differing == 1
    assert (found.on("x").mean, found.on("y").mean, Differences().mean) == (pytest.approx(0.2), 0, None)


def test_the_same_runs_give_the_same_document(tmp_path: Path) -> None:
    directory = make(tmp_path / "c", {1.0: {"a": [fails(0.1)] * 6, "b": [fails(0.3)] * 6}, 0.02: {"a": [fails(0.4)] * 6, "b": [fails(0.8)] * 6}},
                     comparisons.KERNELS)
    compare(directory)
    first = (directory / "compare.json").read_text()
    compare(directory)
    assert (directory / "compare.json").read_text() == first
