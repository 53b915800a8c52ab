# SPDX-License-Identifier: MIT
"""Tiler heaps of panthor that grow slowly (traps of trap_slow_growth) while what they stand on goes away, or who shares them grows them too."""

import json

import pytest

from drmsqueeze import TOP

from whole_runs import Executed, RunOne

LIFETIMES = json.loads((TOP / "configs/panthor-lifetimes/parts.json").read_text())


def _cases(done: Executed) -> dict[str, dict[str, str]]:
    """What the table says, by the part that went away."""
    told = json.loads((done.directory / "stressors.json").read_text())
    table = next(one for stressor in told for one in stressor["tables"])
    return {row[0]: dict(zip(table["columns"], row, strict=True)) for row in table["rows"]}


def test_what_a_growth_stands_on_goes_away(run_one: RunOne) -> None:
    """Nobody hangs, and the client behind can work; of the jobs only those fail whose heap or group went."""
    parts = ["nothing", "heap", "group", "process"]
    done = run_one(base=LIFETIMES, stressors=[LIFETIMES["stressors"][0] | {"parts": parts, "jobs": len(parts)}])
    assert done.fates == {"completed": len(parts)}, done.story
    cases = _cases(done)
    assert list(cases) == parts
    assert all(case["growth seen"] == "yes" and case["client behind"] == "0" and case["of them failed"] == "0" for case in cases.values())
    assert cases["nothing"]["fence"] == "0" and cases["group"]["fence"] == "ECANCELED", done.story
    assert cases["heap"]["fence"] in ("0", "EINVAL"), "the job may be through before its chunks are gone: " + done.story



def test_a_growth_that_is_stuck_runs_into_the_timeout_of_the_driver(run_one: RunOne) -> None:
    done = run_one(base=LIFETIMES, stressors=[LIFETIMES["stressors"][0] | {"parts": ["nothing"], "jobs": 1}], traps=[{"trap": "stuck-growth"}],
                   time_scale=4, driver_timeout_ms=1000)
    case = _cases(done)["nothing"]
    assert case["growth seen"] == "yes" and case["fence"] == "ETIMEDOUT" and case["client behind"] == "0", done.story


SHARED = json.loads((TOP / "configs/panthor-lifetimes/shared-heap.json").read_text())


@pytest.mark.parametrize("traps", [SHARED["traps"], []], ids=["as both wait to answer", "without a trap"])
def test_two_groups_that_share_a_heap_get_one_chunk(run_one: RunOne, traps: list[dict[str, str]]) -> None:
    """Both answer with the chunk that came last; whether one writes over what the other still needs depends on who is first."""
    done = run_one(base=SHARED, traps=traps, expect={})
    (told,) = json.loads((done.directory / "stressors.json").read_text())
    assert bool(told["counts"]["chunks given twice"]) == bool(traps), done.story
    assert traps or done.fates == {"completed": 6}, done.story
