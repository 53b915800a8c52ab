# SPDX-License-Identifier: MIT
"""Runs from snapshots against runs that boot, of one kernel, held against each other as two kernels are."""

from pathlib import Path
from typing import Any

from drmsqueeze_results import comparison
from drmsqueeze_results.comparison_model import Comparison
from drmsqueeze_results.outcomes import judge

from drmsqueeze import TOP, plan, scenario
from drmsqueeze.execute import Lab, execute

# Where panfrost-nowait fails none, some and most of its jobs.
LEVELS = [0.2, 0.05, 0.02]
NOWAIT = "lab+panfrost-nowait"
# What two kernels must differ by before anybody acts on it: shares of jobs, and latencies by their ratio.
SMALL = 0.15
RATIO = 1.5


def carried_out(lab: Lab, directory: Path, warm_kernel: str, cold_kernel: str, levels: list[float], runs: int) -> Comparison:
    """A comparison whose arm a starts from snapshots and whose arm b boots; its block pairs stand side by side in time."""
    document: dict[str, Any] = {**scenario.load(TOP / "configs/panfrost-heap.json").document, "levels": levels}
    planned = plan.make("compare", scenario.Scenario(document), [warm_kernel, cold_kernel], runs)
    planned.write(directory / "plan.json")
    for run in planned.order:
        place = directory / "runs" / run.directory
        execute(lab, planned.scenario, run, planned.arms[run.arm], place, warm=run.arm == "a")
        done = judge(place)
        assert (done.environment.snapshot is not None) == (run.arm == "a"), place
    return comparison.compare(directory)


def test_warm_and_cold_runs_agree(lab: Lab, tmp_path: Path) -> None:
    result = carried_out(lab, tmp_path / "agree", NOWAIT, NOWAIT, LEVELS, runs=8)
    told = [f"{test.outcome} {test.level} {test.method}: p {test.p}, effect {test.effect}" for test in result.tests]
    unlike = [test for test in result.tests if test.primary and test.p_adjusted is not None and test.p_adjusted < result.plan.alpha]
    assert not [test for test in unlike if abs(test.effect or 0) > SMALL], told
    assert any(0 < level.arms["b"].outcomes["failed"].share < 1 for level in result.levels), "or nothing could differ"  # type: ignore[operator]
    for level in result.levels:
        warm, cold = (level.arms[arm] for arm in "ab")
        for outcome in ("completed", "failed", "stalled", "hung"):
            difference = (warm.outcomes[outcome].share or 0) - (cold.outcomes[outcome].share or 0)
            print(f"{level.level:g} {outcome}: warm {warm.outcomes[outcome].share:.3f}, cold {cold.outcomes[outcome].share:.3f}")
            assert abs(difference) < 2 * SMALL, (level.level, outcome, difference, told)
        medians = [arm.latency_ns["p50"].median or 0 for arm in (warm, cold)]
        print(f"{level.level:g} latency: warm {medians[0] / 1e6:.1f} ms, cold {medians[1] / 1e6:.1f} ms")
        if min(medians):
            assert 1 / RATIO < medians[0] / medians[1] < RATIO, (level.level, medians)
    print("\n".join(told))


def test_a_difference_would_be_seen_between_warm_and_cold_runs(lab: Lab, tmp_path: Path) -> None:
    """The control: two kernels that differ, one warm and one cold, at the level where they do."""
    result = carried_out(lab, tmp_path / "differ", "lab", NOWAIT, LEVELS[-1:], runs=8)
    failed = [test for test in result.tests if test.outcome == "failed" and test.primary]
    assert failed and min(test.p_adjusted or 1 for test in failed) < result.plan.alpha, result.tests
