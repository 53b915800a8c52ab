# SPDX-License-Identifier: MIT
import json
from collections import Counter
from pathlib import Path

import pytest
from drmsqueeze_results.documents import validate
from drmsqueeze_results.errors import BadComparison

from drmsqueeze import plan, scenario
from drmsqueeze.errors import UsageError

ONE = scenario.parse(json.dumps({
    "schema": "drmsqueeze.scenario/1", "name": "x", "target": {"driver": "panfrost"}, "stressors": [{"kind": "tiler-heap"}],
    "levels": [1.0, 0.5, 0.1], "injectors": [{"kind": "hog"}], "runs": 4, "seed": 9}), "x.json")
KERNELS = ("lab", "lab+panfrost-nowait")


def test_every_cell_is_planned_once_in_every_block() -> None:
    made = plan.make("compare", ONE, KERNELS)
    assert len(made.order) == 4 * 3 * 2
    assert Counter((run.level, run.arm) for run in made.order) == {(level, arm): 4 for level in ONE["levels"] for arm in "ab"}
    blocks: dict[int, list[plan.PlannedRun]] = {}
    for run in made.order:
        blocks.setdefault(run.block, []).append(run)
    for runs in blocks.values():
        assert sorted(run.arm for run in runs) == ["a", "b"]
        assert len({(run.level, run.seed) for run in runs}) == 1, "runs of a block share level and seed"
        assert runs[1].index == runs[0].index + 1, "arms are interleaved"


def test_arms_do_not_always_come_in_the_same_order() -> None:
    first = [run.arm for run in plan.make("compare", ONE, KERNELS, runs=20).order][::2]
    assert set(first) == {"a", "b"}


def test_order_depends_on_the_seed_alone() -> None:
    assert plan.make("compare", ONE, KERNELS).order == plan.make("compare", ONE, KERNELS).order
    assert plan.make("compare", ONE, KERNELS, seed=10).order != plan.make("compare", ONE, KERNELS).order


def test_written_and_read_again(tmp_path: Path) -> None:
    made = plan.make("run", ONE, ["lab"], runs=2)
    made.write(tmp_path / "deep" / "plan.json")
    assert plan.Plan.load(tmp_path / "deep" / "plan.json") == made


def test_a_hog_that_steers_has_no_place_in_a_comparison() -> None:
    steers = scenario.Scenario(ONE.document | {"levels": [1.0], "injectors": [{"kind": "hog", "steer": {"mem_available": 0.2}}]})
    with pytest.raises(UsageError, match="steers"):
        plan.make("compare", steers, KERNELS)
    assert plan.make("run", steers, ["lab"]).order


def of_condition(made: plan.Plan, level: float, rate_hz: float | None = None) -> list[str]:
    """The arms of each block of a condition, as words: "ab"."""
    return ["".join(run.arm for run in runs) for runs in made.blocks().values() if (runs[0].level, runs[0].rate_hz) == (level, rate_hz)]


@pytest.mark.parametrize("kernels", [KERNELS, (*KERNELS, "lab+panfrost-noretry")])
def test_every_two_blocks_of_a_condition_are_a_mirror(kernels: tuple[str, ...]) -> None:
    """ABBA: what drifts evenly over a comparison favours no arm."""
    made = plan.make("compare", ONE, kernels, runs=8)
    for level in ONE["levels"]:
        words = of_condition(made, level)
        assert [word[::-1] for word in words[::2]] == words[1::2]
    assert len({word for level in ONE["levels"] for word in of_condition(made, level)[::2]}) > 1, "which comes first is drawn"


def test_a_plan_of_one_run_has_the_seed_of_the_plan() -> None:
    assert plan.make("run", ONE, ["lab"], runs=1, seed=77).order[0].seed == 77


RATES = scenario.parse(json.dumps(ONE.document | {"rates_hz": [0, 20], "levels": [1.0, 0.1]}), "rates.json")


def test_demand_rates_are_a_second_sweep() -> None:
    made = plan.make("compare", RATES, KERNELS, runs=3)
    assert Counter((run.level, run.rate_hz, run.arm) for run in made.order) == {
        (level, rate, arm): 3 for level in (1.0, 0.1) for rate in (0, 20) for arm in "ab"}
    assert RATES.at_rate(20)["stressors"][0]["rate_hz"] == 20 and "rates_hz" not in RATES.at_rate(20).document
    assert RATES["stressors"][0]["rate_hz"] == 0, "the scenario itself stays"
    assert plan.make("compare", ONE, KERNELS).rates_hz == [None]


def test_demand_rates_need_a_stressor_that_has_one() -> None:
    document = {"schema": "drmsqueeze.scenario/1", "name": "x", "target": {"driver": "panfrost", "model": "mali-jm"},
                "stressors": [{"kind": "error-sweep"}], "rates_hz": [1, 2]}
    with pytest.raises(UsageError, match='/rates_hz: found demand rates and no stressor that has "rate_hz"'):
        scenario.parse(json.dumps(document), "x.json")


@pytest.mark.parametrize("runs, clusters", [(1, 3), (4, 12), (5, 15), (40, 12)])
def test_a_fixed_plan_has_twelve_clusters_where_it_can(runs: int, clusters: int) -> None:
    made = plan.make("compare", ONE, KERNELS, runs=runs)
    assert len({run.cluster for run in made.order}) == clusters
    assert all(len({run.cluster for run in block}) == 1 for block in made.blocks().values())
    cold = plan.make("compare", ONE, KERNELS, runs=runs, cold=True)
    assert all(run.cluster == run.block for run in cold.order)


def test_a_sequential_plan_has_rounds_for_clusters() -> None:
    made = plan.make_sequential(RATES, KERNELS, most_runs=10, margin=0.1)
    assert (made.design, made.runs) == (plan.Design("sequential", False, 10, 0.1), 2)
    for cluster in range(2):
        assert Counter((run.level, run.rate_hz) for run in made.order if run.cluster == cluster and run.arm == "a") == {
            (level, rate): 1 for level in (1.0, 0.1) for rate in (0, 20)}
    with pytest.raises(UsageError, match="less than one at each of 2 levels and 2 demand rates"):
        plan.make_sequential(RATES, KERNELS, most_runs=3)
    with pytest.raises(UsageError, match="margin"):
        plan.make_sequential(RATES, KERNELS, margin=1)


def test_a_lost_block_is_planned_again_at_the_end() -> None:
    made = plan.make("compare", ONE, KERNELS)
    again = made.with_repeats({5: "boot-timeout", 2: "boot-timeout"})
    assert again.order[:len(made.order)] == made.order
    new = again.order[len(made.order):]
    lost = made.blocks()
    assert [run.index for run in new] == [24, 25, 26, 27] and [run.block for run in new] == [12, 12, 13, 13]
    for run in new:
        was = lost[run.repeats][0]  # type: ignore[index]
        assert (run.level, run.rate_hz, run.cluster) == (was.level, was.rate_hz, was.cluster) and run.seed != was.seed
    assert again.repeated_blocks == (plan.RepeatedBlock(5, 12, "boot-timeout"), plan.RepeatedBlock(2, 13, "boot-timeout"))
    assert made.with_repeats({5: "x"}).order == made.with_repeats({5: "x"}).order


def test_plans_from_before_there_were_clusters_are_read(tmp_path: Path) -> None:
    made = plan.make("compare", ONE, KERNELS)
    document = made.to_json()
    for member in ("design", "rates_hz", "repeated_blocks"):
        del document[member]
    for run in document["order"]:
        for member in ("rate_hz", "cluster", "repeats"):
            del run[member]
    (tmp_path / "plan.json").write_text(json.dumps(document))
    old = plan.Plan.load(tmp_path / "plan.json")
    assert [run.cluster for run in old.order] == [run.block for run in made.order]
    assert old.design == plan.Design() and old.rates_hz == [None]


def test_what_is_written_is_what_the_schema_says(tmp_path: Path) -> None:
    for made in (plan.make("compare", ONE, KERNELS).with_repeats({1: "x"}), plan.make_sequential(RATES, KERNELS)):
        made.write(tmp_path / "plan.json")
        validate(json.loads((tmp_path / "plan.json").read_text()), "plan", "plan.json", BadComparison)
        assert plan.Plan.load(tmp_path / "plan.json") == made
