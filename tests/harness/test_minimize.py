# SPDX-License-Identifier: MIT
"""Minimising with no VM: an oracle that knows the cause, and shows it with a probability, stands for the runs."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drmsqueeze_results import outcomes
from drmsqueeze_results.documents import validate
from drmsqueeze_results.errors import BadRunDirectory
from scipy import stats

from drmsqueeze import TOP, minimize, scenario, smaller
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.minimize import OutOfRuns, Plan, Result, Search, Trial, Trials, Until
from drmsqueeze.reduce import ddmin, least
from drmsqueeze.scenario import Scenario
from drmsqueeze.sequential import Rule

# As much as a tester throws together: what hangs it is failslab beside bo-churn with 20 jobs or more; nothing else.
LARGE: dict[str, Any] = {
    "schema": "drmsqueeze.scenario/1", "name": "large", "target": {"driver": "panfrost", "model": "mali-jm", "companions": ["vgem"]},
    "stressors": [{"kind": "tiler-heap", "threads": 4}, {"kind": "bo-churn", "jobs": 200, "contexts": 3, "policy": "mesa"},
                  {"kind": "sync-file", "exporters": ["panfrost", "vgem"]}, {"kind": "shrinker"}],
    "injectors": [{"kind": "hog", "access": "hot"}, {"kind": "memcg", "max_mib": 64}, {"kind": "failslab", "probability": 50},
                  {"kind": "fail-page-alloc"}],
    "levels": [0.5, 0.2, 0.05], "model_faults": [{"fault": "delay_job", "value": 100}],
    "phases": [{"kind": "ramp", "duration_ms": 500}, {"kind": "hold", "duration_ms": 500, "expect": {"completed": [1, None]}}],
    "expect": {"lab": {"hung": [0, 0]}},
}
HUNG = Until.parse("hung")


def parsed(document: dict[str, Any] = LARGE) -> Scenario:
    return scenario.parse(json.dumps(document), "large.json")


def causes(one: Scenario) -> bool:
    """The cause: both parts, and enough jobs."""
    churn = [stressor for stressor in one["stressors"] if stressor["kind"] == "bo-churn"]
    return any(stressor["jobs"] >= 20 for stressor in churn) and any(injector["kind"] == "failslab" for injector in one["injectors"])


def oracle(rate: float, seed: int, cause: Callable[[Scenario], bool] = causes) -> minimize.Execute:
    """Hangs with this probability where the cause is there, and never elsewhere."""
    chance = random.Random(seed)

    def execute(one: Scenario, number: int, place: Path) -> Trial:
        place.mkdir()
        assert scenario.parse(json.dumps(one.document), "candidate").sha256 == one.sha256, "every candidate is a scenario"
        hung = cause(one) and chance.random() < rate
        return Trial(hung, False, False, "fail" if hung else "pass", "x", {"submitted": 1, "hung" if hung else "completed": 1})

    return execute


def search(directory: Path, rate: float = 1.0, seed: int = 1, **members: Any) -> Result:
    directory.mkdir(parents=True, exist_ok=True)
    return Search(Plan(parsed(), HUNG, "lab", **members), directory, oracle(rate, seed)).run()


def test_ddmin_finds_the_parts_that_matter_and_no_other() -> None:
    asked = 0

    def happens(parts: Any) -> bool:
        nonlocal asked
        asked += 1
        return {3, 11} <= set(parts)

    assert sorted(ddmin(range(16), happens)) == [3, 11]
    assert asked < 60, asked
    assert ddmin(range(16), lambda parts: True) == []
    assert ddmin([7], lambda parts: 7 in parts) == [7]
    assert sorted(ddmin(range(5), lambda parts: len(parts) >= 3)).__len__() == 3, "1-minimal"


@pytest.mark.parametrize(("enough", "little", "unit", "true"), [(200, 1, 1, 20), (1000000, 1, 1, 17), (64, 2, 2, 30), (8, 1, 1, 8), (2, 1, 1, 2)])
def test_least_whole_number(enough: int, little: int, unit: int, true: int) -> None:
    found = least(enough, little, lambda number: number >= true, unit=unit)
    assert true <= found <= max(true + unit, true * 9 / 8 + 1) and found % unit == 0


def test_least_of_other_numbers() -> None:
    assert 0.3 >= least(0.03, 1.0, lambda level: level <= 0.3, unit=None, span=1) >= 0.3 - 1 / 8, "a level goes up"
    tried: list[float] = []
    least(0.5, 0.0, lambda share: tried.append(share) or False, unit=None, span=1)  # type: ignore[func-returns-value]
    assert len(tried) <= 3


@pytest.mark.parametrize("rate", [0.9, 0.5, 0.2])
def test_at_the_floor_false_acceptance_stays_below_alpha(rate: float) -> None:
    rule = Rule(rate, rate / 5, 24)
    chance = np.random.default_rng(7)

    def accepted(p: float, times: int = 20000) -> float:
        def one() -> bool:
            seen = missed = 0
            while (decision := rule.decide(seen, missed)) is None:
                happened = chance.random() < p
                seen, missed = seen + happened, missed + (not happened)
            return decision
        return sum(one() for _ in range(times)) / times

    slack = 3 * (rule.alpha * (1 - rule.alpha) / 20000) ** 0.5
    assert accepted(rule.floor) <= rule.alpha + slack
    assert accepted(rule.floor / 2) <= rule.alpha
    if rate >= 0.5:  # a rarer one may run out of trials
        assert accepted(rate) >= 1 - rule.beta - slack, "the control: what happens often enough is taken"


def test_a_sure_bug_costs_few_trials_and_every_search_ends() -> None:
    rule = Rule.after(6, 6, 24)
    assert [rule.decide(seen, 0) for seen in range(3)] == [None, None, True]
    assert [rule.decide(0, missed) for missed in range(3)] == [None, None, False]
    rare = Rule.after(1, 6, 24)
    for seen in range(25):
        assert rare.decide(seen, 24 - seen) is not None


def test_the_cause_is_found(tmp_path: Path) -> None:
    result = search(tmp_path)
    best = result.best
    assert result.state == "minimal" and causes(best)
    assert [s["kind"] for s in best["stressors"]] == ["bo-churn"] and [i["kind"] for i in best["injectors"]] == ["failslab"]
    assert best["levels"] == [1.0] and not best["model_faults"] and not best["phases"] and not best["target"]["companions"]
    churn = best["stressors"][0]
    assert 20 <= churn["jobs"] <= 24 and churn["contexts"] == 1 and churn["policy"] == "none" and churn["max_kib"] == 4
    assert best["injectors"][0]["probability"] == 1 and best["expect"] == {}
    assert result.after and (result.after.seen, result.after.runs) == (6, 6) and result.after.low == pytest.approx(0.541, abs=1e-3)
    written = scenario.load(tmp_path / "minimal.json")
    assert written.document | {"name": "large", "description": ""} == best.document
    assert "6 of 6 runs" in written["description"]
    state = json.loads((tmp_path / "minimize.json").read_text())
    validate(state, "minimize", "minimize.json", BadRunDirectory)
    assert state["runs"] == result.runs == len((tmp_path / "trials.jsonl").read_text().splitlines()) == len(list((tmp_path / "trials").iterdir()))
    assert sum(step["runs"] for step in state["steps"]) + 12 == result.runs, "the first and the last rate cost six runs each"
    assert "from 14 parts and" in result.sentence and "Clopper" in result.sentence


def test_the_cause_is_found_by_chance_too(tmp_path: Path) -> None:
    """With a bug that shows in three of four runs: what is left always has the cause, and nearly always nothing else."""
    whole = 0
    for seed in range(10):
        result = search(tmp_path / str(seed), rate=0.75, seed=seed, max_runs=400)
        assert result.state == "minimal" and causes(result.best), seed
        whole += len(smaller.parts(result.best.document)) == 2
    assert whole >= 8, whole


def test_noise_is_not_taken_for_the_cause(tmp_path: Path) -> None:
    """What shows now and then whatever is run, and often with the cause: the cause stays."""
    chance = random.Random(5)

    def noisy(one: Scenario) -> bool:
        return causes(one) or chance.random() < 0.05

    kept = 0
    for seed in range(8):
        directory = tmp_path / str(seed)
        directory.mkdir()
        kept += causes(Search(Plan(parsed(), HUNG, "lab"), directory, oracle(1.0, seed, noisy)).run().best)
    assert kept >= 7, kept


def test_what_does_not_reproduce_is_said_so(tmp_path: Path) -> None:
    result = search(tmp_path, rate=0.0)
    assert result.state == "not-reproduced" and result.runs == 18, "six runs at each of three levels"
    assert result.sentence == "large does not reproduce hung: 0 of 18 runs on lab, which bounds the rate of a run at 15 % (95 % confidence)."
    assert not (tmp_path / "minimal.json").exists()


def test_the_runs_are_limited_and_the_best_is_kept(tmp_path: Path) -> None:
    result = search(tmp_path, max_runs=20)
    assert result.state == "out-of-runs" and result.runs <= 20 and causes(result.best)
    assert result.after and result.after.runs == 6, "runs for the last rate were kept back"
    assert "may not be the smallest" in result.sentence
    assert scenario.load(tmp_path / "minimal.json")


def test_an_interrupted_search_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole", rate=0.8, seed=3, max_runs=400)
    plan, directory = Plan(parsed(), HUNG, "lab", max_runs=400), tmp_path / "torn"
    directory.mkdir()
    runs = oracle(0.8, 3)

    def interrupted(one: Scenario, number: int, place: Path) -> Trial:
        if number == 30 and not place.with_name("told").exists():
            place.with_name("told").touch()
            place.mkdir()  # what a run leaves that is killed in its middle
            raise KeyboardInterrupt
        return runs(one, number, place)

    with pytest.raises(KeyboardInterrupt):
        Search(plan, directory, interrupted).run()
    assert causes(scenario.load(directory / "minimal.json")) and minimize.resumable(directory, plan)
    with (directory / "trials.jsonl").open("a") as ledger:
        ledger.write('{"trial": "00')
    again = Search(plan, directory, interrupted).run()
    assert again.best == whole.best and again.runs == whole.runs and again.document() == whole.document()
    with pytest.raises(UsageError, match="something else"):
        minimize.resumable(directory, Plan(parsed(), HUNG, "lab+panfrost-nowait"))
    assert not minimize.resumable(tmp_path, plan)


def test_a_rate_that_fresh_runs_do_not_bear_out_is_taken_back(tmp_path: Path) -> None:
    """A step that was taken by luck: the trials of the search showed it, those after it never do."""
    lucky = parsed(LARGE | {"injectors": [{"kind": "failslab"}], "stressors": [{"kind": "bo-churn"}], "levels": [1.0], "phases": [], "model_faults": []})
    seen: dict[str, int] = {}

    def execute(one: Scenario, number: int, place: Path) -> Trial:
        seen[one.sha256] = seen.get(one.sha256, 0) + 1
        hung = bool(one["injectors"]) or seen[one.sha256] <= 2
        return Trial(hung, False, False, "fail", "x", {})

    result = Search(Plan(lucky, HUNG, "lab"), tmp_path, execute).run()
    assert result.taken_back and result.best["injectors"], result.sentence
    assert result.after and result.after.seen == result.after.runs
    assert "were taken back" in result.sentence


def test_a_scenario_that_the_target_refuses_costs_one_run(tmp_path: Path) -> None:
    def execute(one: Scenario, number: int, place: Path) -> Trial:
        return Trial(causes(one), not causes(one), False, "error", "agent-error", {})

    result = Search(Plan(parsed(), HUNG, "lab"), tmp_path, execute).run()
    assert {step["runs"] for step in result.steps if not step["taken"]} == {1} and causes(result.best)


def test_a_broken_lab_is_tried_again_and_then_told(tmp_path: Path) -> None:
    broken = iter([False, True, True] + [False] * 1000)

    def execute(one: Scenario, number: int, place: Path) -> Trial:
        return Trial(False, False, next(broken), "error", "infrastructure", {})

    trials = Trials(tmp_path, execute, 100, lambda _: None)
    assert not trials.trial(parsed(), "x").broken and not trials.trial(parsed(), "x").broken
    assert trials.runs == 4, "what broke is a run, too, and was tried again"
    broken = iter([True] * 10)
    with pytest.raises(InfrastructureError, match="in a row"):
        trials.trial(parsed(), "x")
    with pytest.raises(OutOfRuns):
        Trials(tmp_path / "other", execute, 0, lambda _: None).trial(parsed(), "x")


def test_until() -> None:
    assert Until.parse("hung|stalled").outcomes == (minimize.Outcome.HUNG, minimize.Outcome.STALLED)
    assert Until.parse("hung|finding:warn: panfrost_mmu").findings == ("warn: panfrost_mmu",)
    for bad in ("completed", "hang", "", "hung|", "finding:", "finding:nothing-of-the-kind", "hung:x"):
        with pytest.raises(UsageError, match="--until"):
            Until.parse(bad)


@pytest.mark.parametrize(("golden", "until", "seen"), [
    ("hung-live", "hung", True), ("hung-live", "failed|stalled", False), ("completed", "hung", False), ("failed", "failed", True),
    ("warn", "finding:warn", True), ("warn", "finding:hung-task", False), ("corrupted", "hung|corrupted", True)])
def test_until_on_golden_runs(golden: str, until: str, seen: bool) -> None:
    run = outcomes.consider(TOP / "tests/data/runs" / golden).run
    assert minimize.judged(run, Until.parse(until)).seen == seen
    for finding in run.findings:
        assert Until.parse(f"finding:{finding.signature}").met_by(run)


def test_broken_and_refused_runs_are_told_apart() -> None:
    def trial(golden: str) -> Trial:
        return minimize.judged(outcomes.consider(TOP / "tests/data/runs" / golden).run, HUNG)

    assert trial("infrastructure").broken and not trial("infrastructure").refused
    assert trial("agent-error").refused and not trial("agent-error").broken
    assert trial("skip-unsupported").refused
    assert not trial("completed").broken and not trial("hung-live").refused


@pytest.mark.parametrize("path", sorted(path for path in (TOP / "configs").rglob("*.json") if path != scenario.SCHEMA), ids=lambda p: p.stem)
def test_of_every_scenario_there_is_something_smaller_that_is_a_scenario(path: Path) -> None:
    whole = smaller.at_level(scenario.load(path), min(scenario.load(path)["levels"]))
    assert scenario.parse(json.dumps(smaller.brief(whole.document)), "brief").sha256 == whole.sha256
    for part in smaller.parts(whole.document) + smaller.inner_parts(whole.document):
        candidate = smaller.without(whole, [part])
        assert candidate is None or candidate.sha256 != whole.sha256
    found = smaller.values(whole.document)
    assert found
    for value in found:
        candidate = smaller.with_values(whole, {value.path: value.least})
        if candidate is not None and smaller.at(candidate.document, value.path[:1]) != smaller.at(whole.document, value.path[:1]):
            assert value.path not in {left.path for left in smaller.values(candidate.document)}


def test_lists_of_words_are_not_emptied() -> None:
    whole = parsed(LARGE | {"stressors": [{"kind": "sync-file", "exporters": ["panfrost", "vgem"]}]})
    inner = smaller.inner_parts(whole.document)
    assert [part.name for part in inner] == ["/stressors/0/exporters panfrost", "/stressors/0/exporters vgem"]
    assert smaller.without(whole, inner) is None
    assert smaller.without(whole, inner[:1])["stressors"][0]["exporters"] == ["vgem"]  # type: ignore[index]


def test_what_less_means_is_the_schemas_word() -> None:
    whole = smaller.at_level(parsed(), 0.05)
    least_of = {value.name: value.least for value in smaller.values(whole.document)}
    assert least_of["/levels/0"] == 1 and least_of["/injectors/1/max_mib"] is None and least_of["/injectors/0/access"] == "cold"
    assert least_of["/stressors/0/threads"] == 1 and least_of["/stressors/1/policy"] == "none"
    for stays in ("/deadline_ms", "/seed", "/machine/ram_mib", "/stressors/0/rate_hz", "/injectors/3/interval"):
        assert stays not in least_of


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    rate = minimize.Rate.of(3, 8)
    exact = stats.binomtest(3, 8).proportion_ci(method="exact")
    assert (rate.low, rate.high) == pytest.approx((exact.low, exact.high))
