# SPDX-License-Identifier: MIT
"""Arms of a comparison that differ in what the scenario's stressors do."""

import copy
import json
from pathlib import Path

import pytest

from drmsqueeze import plan
from drmsqueeze.arms import Arm
from drmsqueeze.cli import main
from drmsqueeze.errors import UsageError
from drmsqueeze.scenario import Scenario, parse

from whole_runs import SMALL


def small() -> Scenario:
    document = copy.deepcopy(SMALL)
    document["stressors"].append({"kind": "sync-file"})
    return parse(json.dumps(document), "small")


def test_a_kernel_alone_changes_nothing() -> None:
    one = small()
    arm = Arm.parse("lab+panfrost-nowait")
    assert (arm.kernel, arm.of(one)) == ("lab+panfrost-nowait", one)


def test_options_go_into_the_stressors_that_know_them() -> None:
    one = small()
    arm = Arm.parse("lab+panfrost-nowait:on_refusal=retry,refusal_wait_ms=20")
    changed = arm.of(one)
    assert arm.kernel == "lab+panfrost-nowait"
    assert [changed["stressors"][0][name] for name in ("on_refusal", "refusal_wait_ms", "jobs")] == ["retry", 20, 4]
    assert changed["stressors"][1] == one["stressors"][1] and one["stressors"][0]["on_refusal"] == "fail", "the plan's own stays as it is"


@pytest.mark.parametrize(("label", "told"), [
    ("lab:", "OPTION=VALUE"), ("lab:on_refusal", "OPTION=VALUE"), ("lab:=retry", "OPTION=VALUE"), ("lab:on_refusal=", "OPTION=VALUE"),
    ("lab:hope=1", "no stressor of small"), ("lab:kind=ttm", "no stressor of small"),
    ("lab:on_refusal=hope", "/stressors/0/on_refusal: found \"hope\""), ("lab:heap_mib=-4", "/stressors/0/heap_mib"),
])
def test_what_is_no_arm_is_refused(label: str, told: str) -> None:
    with pytest.raises(UsageError, match="arm `lab") as caught:
        Arm.parse(label).of(small())
    assert told in str(caught.value)


def test_a_plan_has_kernel_and_scenario_of_each_arm(tmp_path: Path) -> None:
    labels = ["lab", "lab:on_refusal=split_work"]
    plan.make("compare", small(), labels).write(tmp_path / "plan.json")
    planned = plan.Plan.load(tmp_path / "plan.json")
    assert planned.arms == dict(zip("ab", labels, strict=True))
    assert [(kernel, one["stressors"][0]["on_refusal"]) for kernel, one in planned.of_each_arm] == [("lab", "fail"), ("lab", "split_work")]
    assert {planned.arm_of(run).kernel for run in planned.order} == {"lab"}
    assert all(len({run.seed for run in runs}) == 1 for runs in planned.blocks().values()), "the arms of a block have one seed"


def test_compare_checks_its_arms_before_anything_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "small.json"
    config.write_text(json.dumps(SMALL))
    assert main(["compare", str(config), "--a", "lab", "--b", "lab:on_refusal=hope", "--out", str(tmp_path / "out")]) == 2
    assert "on_refusal" in capsys.readouterr().err and not (tmp_path / "out").exists()
