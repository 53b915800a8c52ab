# SPDX-License-Identifier: MIT
"""Tiler heaps of panthor that grow slowly (trap slow-growth) while what they stand on goes away."""

import json

from drmsqueeze import TOP

from whole_runs import Executed, RunOne

LIFETIMES = json.loads((TOP / "configs/panthor-lifetimes.json").read_text())


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

