# SPDX-License-Identifier: MIT
import json
from collections import Counter
from pathlib import Path

import pytest

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
