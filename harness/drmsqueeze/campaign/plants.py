# SPDX-License-Identifier: MIT
"""Faults that are planted after a night, one for each check: a check that has not been seen to fail is worth nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping

from drmsqueeze.campaign.harness_process import MARK
from drmsqueeze.campaign.night_files import NightFiles
from drmsqueeze.campaign.scene import Bench
from drmsqueeze.machines import received
from drmsqueeze.ring import RECORD_SIZE

Plant = Callable[[Bench, NightFiles], str]


def _lose_record(bench: Bench, files: NightFiles) -> str:
    there = bench.truth()
    assert there
    told = {attempt for attempt in there.attempts if len(attempt.told) > 3}
    file = next(run.path / received.FILE for run in files.runs() if run.records and told.intersection(there.owners(run.records)))
    data, at = file.read_bytes(), RECORD_SIZE
    file.write_bytes(data[:at] + data[at + RECORD_SIZE:])
    return f"planted: a record is taken out of {file}"


def _verdict(files: NightFiles, change: Callable[[dict[str, int]], None], status: str | None) -> str:
    run = next(run for run in files.runs() if (run.verdict or {"jobs": {"completed": 0}})["jobs"]["completed"])
    assert run.verdict
    document = run.verdict
    change(document["jobs"])
    if status:
        document["verdict"] |= {"status": status}
    (run.path / "run.json").write_text(json.dumps(document))
    return f"planted: another verdict in {run.path}"


def _wrong_verdict(bench: Bench, files: NightFiles) -> str:
    def change(jobs: dict[str, int]) -> None:
        jobs["completed"] -= 1
        jobs["hung"] += 1
    return _verdict(files, change, "fail")


def _wrong_account(bench: Bench, files: NightFiles) -> str:
    def change(jobs: dict[str, int]) -> None:
        jobs["completed"] -= 1
    return _verdict(files, change, None)


def _leave_knob(bench: Bench, files: NightFiles) -> str:
    name = next(iter(bench.knobs()))
    bench.turn(name, "7")
    return f"planted: {name} is turned"


def _repeat_run(bench: Bench, files: NightFiles) -> str:
    path = files.runs()[0].path / "run.json"
    path.write_bytes(path.read_bytes())
    return f"planted: {path} is written again"


def _half_file(bench: Bench, files: NightFiles) -> str:
    path = files.runs()[0].path / "facts.json"
    path.write_bytes(path.read_bytes()[:100])
    return f"planted: {path} is cut off"


def _no_verdict(bench: Bench, files: NightFiles) -> str:
    path = files.runs()[0].path / "run.json"
    path.unlink()
    return f"planted: {path} is gone"


def _leave_process(bench: Bench, files: NightFiles) -> str:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"], env=os.environ | {MARK: str(files.lab.parent)})
    return f"planted: process {left.pid} goes on"


def _other_record(bench: Bench, files: NightFiles) -> str:
    file = next(run.path / received.FILE for run in files.runs() if len(run.records) > 3)
    data = bytearray(file.read_bytes())
    data[2 * RECORD_SIZE + 40] ^= 1
    file.write_bytes(data)
    return f"planted: a record of {file} is another one"


def _taken_out(bench: Bench, files: NightFiles) -> str:
    note = files.lab.parent / "state" / "drmsqueeze" / "boards" / "board.json"
    note.write_text(json.dumps({"reason": "planted"}))
    return f"planted: {note}"


PLANTS: Mapping[str, tuple[Plant, str]] = {
    "lose-record": (_lose_record, "no record lost"), "other-record": (_other_record, "no record lost"),
    "wrong-verdict": (_wrong_verdict, "no wrong verdict"), "wrong-account": (_wrong_account, "accounts"),
    "leave-knob": (_leave_knob, "no knob left"), "repeat-run": (_repeat_run, "nothing repeated"), "half-file": (_half_file, "whole files"),
    "no-verdict": (_no_verdict, "verdicts there"), "leave-process": (_leave_process, "nothing left over"), "taken-out": (_taken_out, "in service"),
}
"""Each with the check that must find it."""
EACH = "each"
