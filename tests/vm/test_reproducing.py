# SPDX-License-Identifier: MIT
"""Minimise, bundle and replay from end to end, on one small planted fault."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from drmsqueeze import TOP, scenario

# What matters is the second fault and that there is a second job; the times are those of a fault that ends at once.
CORRUPTED: dict[str, Any] = {
    "schema": "drmsqueeze.scenario/1", "name": "corrupted", "description": "A planted wrong write.", "time_scale": 4,
    "target": {"driver": "panfrost", "model": "mali-jm"}, "stressors": [{"kind": "tiler-heap", "heap_mib": 4, "jobs": 3}],
    "model_faults": [{"fault": "corrupt_write", "nth": 1, "value": 1}],
}


def drmsqueeze(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOP / "drmsqueeze", *map(str, arguments)], capture_output=True, text=True, cwd=TOP)


def test_minimised_bundled_and_replayed(tmp_path: Path) -> None:
    (tmp_path / "corrupted.json").write_text(json.dumps(CORRUPTED))
    made = drmsqueeze("minimize", tmp_path / "corrupted.json", "--until", "corrupted", "--trials", 2, "--out", tmp_path / "min")
    assert made.returncode == 0, made.stdout + made.stderr
    minimal = scenario.load(tmp_path / "min/minimal.json")
    assert (minimal["stressors"][0]["jobs"], minimal["stressors"][0]["heap_mib"], minimal["machine"]["vcpus"]) == (1, 2, 1)
    assert minimal["model_faults"] and "2 of 2 runs" in minimal["description"], "without the fault nothing is corrupted"
    assert json.loads((tmp_path / "min/minimize.json").read_text())["state"] == "minimal"

    recorded = tmp_path / "min/trials/0000"
    assert drmsqueeze("bundle", recorded, "--out", tmp_path / "mailed.tar.zst").returncode == 0
    again = drmsqueeze("replay", tmp_path / "mailed.tar.zst", "--out", tmp_path / "again")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Reproduced: 1 of 1 runs" in again.stdout
    assert json.loads((tmp_path / "again/replay.json").read_text())["same"] == 1

    # The control: the same record, whose scenario no longer has the fault. What comes out is not what was recorded.
    shutil.copytree(recorded, tmp_path / "other")
    document = json.loads((recorded / "scenario.json").read_text())
    (tmp_path / "other/scenario.json").write_text(json.dumps(document | {"model_faults": []}))
    other = drmsqueeze("replay", tmp_path / "other", "--out", tmp_path / "differs")
    assert other.returncode == 1, other.stdout + other.stderr
    assert "no job corrupted" in other.stdout
