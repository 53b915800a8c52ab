# SPDX-License-Identifier: MIT
"""A recorded run comes out the same when it is replayed; tests/long has the deadlock, its stacks and several recordings."""

import json
from pathlib import Path

from drmsqueeze_results.outcomes import judge

from drmsqueeze import exact
from drmsqueeze.execute import Lab, execute
from drmsqueeze.plan import PlannedRun
from drmsqueeze.scenario import parse

from whole_runs import PLANTED, Executed

HUNG = {"model_faults": [{"fault": "never_finish", "nth": 3}], "deadline_ms": 500, "grace_ms": 250}


def test_a_recorded_hang_is_replayed_to_its_witness_and_to_its_end(tmp_path: Path) -> None:
    execute(Lab(record=True), parse(json.dumps(PLANTED | HUNG), "planted"), PlannedRun(0, 0, 1.0, "a", 1), "lab", tmp_path / "run")
    done = Executed(judge(tmp_path / "run"), tmp_path / "run")
    assert done.fates == {"completed": 2, "hung": 1}, done.story
    at = exact.load(done.directory).witnesses[0].instructions
    with exact.Replay(done.directory) as replay:
        replay.run_to(at)
        shown = exact.gdb(replay, ["drmsqueeze-tasks all", "info symbol panfrost_job_run"])
        assert replay.instructions >= at
        replay.run_to_end()
        assert replay.unlike() == [], replay.complaint()
    assert shown and "drmsqueeze-agen" in shown and "panfrost.ko" in shown, shown
