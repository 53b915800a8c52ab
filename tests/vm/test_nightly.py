# SPDX-License-Identifier: MIT
"""A night in the VM, as docs/nightly-lab.json describes it for its first kernel, killed with -9 in the middle and resumed."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from drmsqueeze_results.outcomes import load_run

from drmsqueeze import TOP
from drmsqueeze.execute import Lab
from drmsqueeze.machines import received
from drmsqueeze.night import Night


def test_a_night_that_is_killed_goes_on_where_it_stopped(lab: Lab, tmp_path: Path) -> None:
    lab.guest("lab")  # built beforehand: the kill is to hit a run
    file, nights = tmp_path / "lab.json", tmp_path / "nights"
    document = json.loads((TOP / "docs" / "nightly-lab.json").read_text())
    (board,) = document["boards"]
    board |= {"kernels": board["kernels"][:1], "scenarios": [str(TOP / "docs" / name) for name in board["scenarios"]]}
    file.write_text(json.dumps(document))
    command = [str(TOP / "drmsqueeze"), "nightly", str(file), "--out", str(nights)]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    records = None
    until = time.monotonic() + 300
    while not (records and records.stat().st_size) and first.poll() is None and time.monotonic() < until:
        records = next(nights.glob(f"*/runs/0001/{received.FILE}"), None)
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    resumed = subprocess.run([*command, "--resume"], capture_output=True, text=True, timeout=600)
    assert resumed.returncode == 0, resumed
    (directory,) = (path.parent for path in nights.glob("*/night.json"))
    night = Night(directory)
    assert [(attempt.directory, attempt.code) for attempt in night.state().attempts] == [
        ("0000", "ok"), ("0001", None), ("0001.2", "ok")], resumed
    cut = load_run(directory / "runs" / "0001")
    known = list(received.stored(directory / "runs" / "0001"))
    assert cut.verdict.reason_code == "harness-killed" and known
    assert cut.jobs.hung == 0 and cut.jobs.completed + cut.jobs.lost == cut.jobs.submitted == sum(record.kind == 2 for record in known)
    mail = " ".join((directory / "morning.md").read_text().split())
    assert "Nobody must act: all 2 runs came out as expected." in mail and "stopped in 1 run:" in mail, mail
    assert "Nothing failed in the last nights." in mail, "that the harness was killed is nobody's fault"
