# SPDX-License-Identifier: MIT
"""A scenario with much in it, minimised on the VM to the one fault and the one stressor that make its hang."""

import json
import subprocess
from pathlib import Path
from typing import Any

from drmsqueeze import TOP, scenario, smaller

MANY: dict[str, Any] = {
    "schema": "drmsqueeze.scenario/1", "name": "many-parts",
    "description": "Three stressors, two injectors, two planted faults; one of them, and one stressor, make the hang.",
    "target": {"driver": "panfrost", "model": "mali-jm"},
    "stressors": [{"kind": "tiler-heap", "heap_mib": 4, "jobs": 6, "contexts": 2}, {"kind": "bo-churn", "jobs": 40},
                  {"kind": "shrinker", "jobs": 20, "buffers": 8, "busy": 0}],
    "injectors": [{"kind": "hog"}, {"kind": "memcg", "max_mib": 96}],
    "levels": [0.7],
    "model_faults": [{"fault": "delay_job", "nth": 1, "value": 1000}, {"fault": "never_finish", "nth": 3}],
    "deadline_ms": 2000, "grace_ms": 500, "driver_timeout_ms": 60000, "time_scale": 4,
}


def test_the_planted_fault_is_what_is_left(tmp_path: Path) -> None:
    (tmp_path / "many.json").write_text(json.dumps(MANY))
    done = subprocess.run([TOP / "drmsqueeze", "minimize", tmp_path / "many.json", "--until", "hung", "--trials", "4", "--out", tmp_path / "out"],
                          capture_output=True, text=True, cwd=TOP)
    assert done.returncode == 0, done.stdout + done.stderr
    left = scenario.load(tmp_path / "out/minimal.json")
    assert [part.name for part in smaller.parts(left.document)] == ["stressors tiler-heap", "model_faults never_finish"], done.stdout
    assert left["stressors"][0]["jobs"] <= 3 and left["levels"] == [1.0]
    state = json.loads((tmp_path / "out/minimize.json").read_text())
    assert state["state"] == "minimal" and state["after"]["seen"] == state["after"]["runs"] == 4
    again = subprocess.run([TOP / "drmsqueeze", "run", tmp_path / "out/minimal.json", "--out", tmp_path / "again"], capture_output=True, text=True)
    assert again.returncode == 1, "while the bug is there, the minimal scenario fails"
