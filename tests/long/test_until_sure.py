# SPDX-License-Identifier: MIT
"""A comparison that goes on until it is sure, on the command line: it ends by itself, at both demand rates, and says why."""

import json
import subprocess
from pathlib import Path

from drmsqueeze import TOP

SMALL = {"schema": "drmsqueeze.scenario/1", "name": "small", "target": {"driver": "panfrost", "model": "mali-jm"}, "time_scale": 4,
         "stressors": [{"kind": "tiler-heap", "heap_mib": 2, "jobs": 2}], "rates_hz": [0, 50]}


def test_ends_when_nothing_differs_by_more_than_the_margin(tmp_path: Path) -> None:
    file = tmp_path / "small.json"
    file.write_text(json.dumps(SMALL))
    done = subprocess.run([TOP / "drmsqueeze", "compare", file, "--a", "lab", "--b", "lab+panfrost-nowait", "--until-sure", "--most-runs", "40",
                           "--margin", "0.6", "--out", tmp_path / "out"], capture_output=True, text=True, cwd=TOP)
    assert done.returncode == 0, done.stdout + done.stderr
    compared = json.loads((tmp_path / "out/compare.json").read_text())
    assert compared["verdict"]["code"] == "no-difference-that-matters"
    assert len(list((tmp_path / "out/runs").glob("*/run.json"))) == 4 * compared["sequential"]["units"] < 80
    rates = [json.loads(path.read_text())["stressors"][0]["rate_hz"] for path in (tmp_path / "out/runs").glob("*/scenario.json")]
    assert sorted(set(rates)) == [0, 50] and rates.count(0) == rates.count(50)
