# SPDX-License-Identifier: MIT
"""Shrinkers that break a rule are named with the rule, and those that keep all are not."""

import json
from typing import Any

from drmsqueeze_results.model import Status

from drmsqueeze import TOP
from whole_runs import Executed, RunOne

SCENARIO: dict[str, Any] = json.loads((TOP / "configs" / "traps" / "shrinker-rules.json").read_text())
PLANTED_RULES = {
    "shrinker-counts-nothing: trap_counts_nothing_count [trap_bad_shrinker]",
    "shrinker-blocks: locks-resv: trap_locks_resv_scan [trap_bad_shrinker]",
    "shrinker-blocks: waits-for-lock: trap_waits_for_lock_scan [trap_bad_shrinker]",
    "shrinker-goes-on: trap_goes_on_scan [trap_bad_shrinker]",
    "shrinker-never-ends: lies: trap_lies_scan [trap_bad_shrinker]",
    "shrinker-never-ends: stands-still: trap_stands_still_scan [trap_bad_shrinker]",
}


def table(done: Executed) -> dict[str, list[str]]:
    """The probe's table of shrinkers, by the scan function and its module."""
    lines = (done.directory / "evidence" / "shrinker-rules.txt").read_text().splitlines()
    return {line.split("]")[0] + "]": line.split("]")[1].split() for line in lines if "]" in line}


def test_each_planted_rule_breaker_is_named_once_and_nobody_else(run_one: RunOne) -> None:
    done = run_one(base=SCENARIO)
    assert done.run.status is Status.PASS, done.story
    found = {finding.signature for finding in done.run.findings if finding.kind.startswith("shrinker-")}
    # What panfrost's own shrinker does is in docs/reading-a-report.md: its count tries a lock.
    assert {signature for signature in found if "panfrost" not in signature} == PLANTED_RULES, done.story
    seen = table(done)
    assert int(seen["panfrost_gem_shrinker_scan [panfrost]"][0]) > 0, "the driver's shrinker was called and watched"


def test_nothing_is_said_of_shrinkers_that_keep_the_rules(run_one: RunOne) -> None:
    """The same modules loaded, nothing armed: the shrinkers are called as often."""
    done = run_one(base=SCENARIO, traps=[], expect={"lab": {"completed": [100, 100]}})
    assert done.run.status is Status.PASS, done.story
    assert not [f for f in done.run.findings if f.kind in ("shrinker-blocks", "shrinker-never-ends", "shrinker-waits")], done.story
