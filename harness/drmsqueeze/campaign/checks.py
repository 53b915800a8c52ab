# SPDX-License-Identifier: MIT
"""What must be true after a night in which something was killed. Each check yields what it finds wrong, as sentences."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from drmsqueeze import night as night_files
from drmsqueeze.campaign import truth
from drmsqueeze.campaign.truth import Attempt, Truth
from drmsqueeze.campaign.workload import Workload
from drmsqueeze.machines import received
from drmsqueeze.ring import FATES, RECORD_SIZE, Record

DECIDED = ("completed", "corrupted", "failed")
"""Fates that a record decides alone, whatever else is known."""
UNHEARD = ("lost", "hung")


@dataclass(frozen=True)
class RunDirectory:
    """A run as the harness left it."""

    path: Path

    @cached_property
    def records(self) -> list[Record]:
        file = self.path / received.FILE
        return list(truth.records(file.read_bytes())) if file.exists() else []

    @cached_property
    def verdict(self) -> dict[str, Any] | None:
        file = self.path / "run.json"
        return json.loads(file.read_text()) if file.exists() else None  # type: ignore[no-any-return]

    @cached_property
    def facts(self) -> dict[str, Any]:
        file = self.path / "facts.json"
        return json.loads(file.read_text()) if file.exists() else {}  # type: ignore[no-any-return]

    def digest(self) -> str:
        """Of the names and contents of all its files, and when each was last written."""
        said = hashlib.sha256()
        for file in sorted(self.path.rglob("*")):
            if file.is_file():
                said.update(f"{file.relative_to(self.path)} {file.stat().st_mtime_ns} {file.stat().st_ino}\n".encode() + file.read_bytes())
        return said.hexdigest()


@dataclass
class Aftermath:
    """A night that is over, with all that a check may look at."""

    results: Path
    runs: list[RunDirectory]
    planned: list[str]
    """A run each, by the directory where it is."""
    truth: Truth | None
    """None on a machine whose agent keeps no account of its own."""
    workloads: Mapping[str, Workload]
    quiet: bool
    """Nothing was done to this night."""
    misfortunes: list[str] = field(default_factory=list)
    """What happened to the machine as a whole, or to clients there."""
    finished: dict[Path, str] = field(default_factory=dict)
    """The runs that had a verdict before a resume, with their digests then; the last resume is one of a night that is over."""
    known: dict[Path, bytes] = field(default_factory=dict)
    """The most records that runs had before a resume."""
    knobs_before: dict[str, str] = field(default_factory=dict)
    knobs_after: dict[str, str] = field(default_factory=dict)
    left_over: list[str] = field(default_factory=list)
    """Files on the machine, processes here and there."""
    exit_codes: list[int | None] = field(default_factory=list)
    out_of_service: str | None = None


Check = Callable[[Aftermath], Iterator[str]]


def ended(night: Aftermath) -> Iterator[str]:
    """The last resume came to its end."""
    last = night.exit_codes[-1] if night.exit_codes else None
    if last not in (0, 1, 3, 77):
        yield f"the night's last command ended with {last}, before that: {night.exit_codes[:-1]}"
    wanted = int(any(one.verdict != "pass" for one in night.workloads.values()))
    if night.quiet and last != wanted:
        yield f"nothing was done to this night, and it ended with {last}, not with {wanted}"


def every_run_has_a_verdict(night: Aftermath) -> Iterator[str]:
    there = {str(run.path.relative_to(night.results)): run for run in night.runs}
    for name in night.planned:
        if name not in there:
            yield f"{name}: planned, and there is no such run"
    for name, run in there.items():
        if run.verdict is None:
            yield f"{name}: no verdict"


def documents_are_whole(night: Aftermath) -> Iterator[str]:
    for file in sorted(night.results.rglob("*.json*")):
        # Half a line of the events is passed over by whoever reads them; a draft is never read.
        if file.name == night_files.EVENTS or file.name.startswith("."):
            continue
        try:
            text = file.read_text()
            for line in text.splitlines() if file.suffix == ".jsonl" else [text]:
                json.loads(line)
        except ValueError as error:
            yield f"{file.relative_to(night.results)}: {error}"


def no_record_is_lost(night: Aftermath) -> Iterator[str]:
    """What was acknowledged is there, what was there before a resume is, and what is there was written by the one agent of that run."""
    for path, before in night.known.items():
        run = RunDirectory(path)
        if (path / received.FILE).exists():
            if not (path / received.FILE).read_bytes().startswith(before[:len(before) // RECORD_SIZE * RECORD_SIZE]):
                yield f"{path.name}: had {len(before) // RECORD_SIZE} records before the night was resumed, and has {len(run.records)} others"
        elif run.facts.get("jobs", {}).get("intents", 0) < len(truth.fates(truth.records(before))):
            yield f"{path.name}: fewer jobs than its records had before the night was resumed"
    if not night.truth:
        return
    kept: dict[Attempt, set[int]] = {attempt: set() for attempt in night.truth.attempts}
    for run in night.runs:
        owners = night.truth.owners(run.records)
        if len(owners) > 1:
            yield f"{run.path.name}: records of {len(owners)} runs, or of none, in one: {[owner and owner.file.name for owner in owners]}"
        for record in run.records:
            owner = night.truth.owners([record])[0]
            if owner and owner.records[record.seq] != record:
                yield f"{run.path.name}: record {record.seq} is not as it was written: {record} and not {owner.records[record.seq]}"
            elif owner:
                kept[owner].add(record.seq)
    for attempt, seqs in kept.items():
        if missing := sorted(attempt.told - seqs):
            yield f"{attempt.file.name}: {len(missing)} records were acknowledged and are in no run, the first: {attempt.records[missing[0]]}"


def accounts_are_right(night: Aftermath) -> Iterator[str]:
    """Fates add up to what was submitted, and are those of the records."""
    for run in night.runs:
        if not run.verdict:
            continue
        jobs = run.verdict["jobs"]
        if sum(jobs[fate] for fate in FATES) != jobs["submitted"]:
            yield f"{run.path.name}: fates do not add up: {jobs}"
        if not (run.path / received.FILE).exists():
            continue
        known = truth.fates(run.records)
        if len(known) != jobs["submitted"]:
            yield f"{run.path.name}: {jobs['submitted']} submitted, {len(known)} in the records"
        counted = Counter(known.values())
        for fate in DECIDED:
            if counted[fate] != jobs[fate]:
                yield f"{run.path.name}: {jobs[fate]} {fate}, {counted[fate]} in the records"


def verdicts_are_right(night: Aftermath) -> Iterator[str]:
    """Right, or an error where it cannot be known; against what the agents themselves have noted."""
    for run in night.runs:
        if not run.verdict:
            continue
        status, jobs = run.verdict["verdict"]["status"], run.verdict["jobs"]
        said = f"{run.path.name}: {status} ({run.verdict['verdict']['reason_code']}), {({fate: n for fate, n in jobs.items() if n})}"
        if night.quiet and status != night.workloads[run.verdict["scenario"]["name"]].verdict:
            yield f"{said}; nothing was done to this night"
        yield from _against_workload(night, run, said)
        owner = (night.truth.owners(run.records) or [None])[0] if night.truth else None
        if owner:
            yield from _against_truth(night, run, owner, said)
        elif night.truth and status in ("pass", "fail"):
            yield f"{said}; no agent has carried it out"


def _against_workload(night: Aftermath, run: RunDirectory, said: str) -> Iterator[str]:
    """What the jobs of this scenario can come to at all: they were chosen so that it is known."""
    assert run.verdict
    workload, status, jobs = night.workloads[run.verdict["scenario"]["name"]], run.verdict["verdict"]["status"], run.verdict["jobs"]
    for fate in FATES:
        if jobs[fate] and fate not in ("completed", "lost", *workload.fates):
            yield f"{said}; these jobs never are {fate}"
    if status == "pass" and (workload.verdict != "pass" or jobs["completed"] != workload.completed):
        yield f"{said}; a whole run of it is {workload.verdict}, {workload.completed} completed"
    if status == "fail" and workload.verdict == "pass" and not night.misfortunes:
        yield f"{said}; its jobs do not fail, and nothing befell the machine"


def _against_truth(night: Aftermath, run: RunDirectory, owner: Attempt, said: str) -> Iterator[str]:
    assert run.verdict
    status, jobs, real = run.verdict["verdict"]["status"], run.verdict["jobs"], owner.counts
    for fate in DECIDED:
        if jobs[fate] > real[fate]:
            yield f"{said}; in truth {real[fate]} were {fate}"
    if jobs["hung"] > real["hung"] and not ("late-fence" in owner.witnesses and night.misfortunes):
        yield f"{said}; in truth {real['hung']} hung"
    if status == "pass" and (not owner.bye or owner.bye.a or any(jobs[fate] != real[fate] for fate in FATES)):
        yield f"{said}; in truth {dict(real)}, bye: {owner.bye}"
    if status == "fail" and set(real) == {"completed"} and not night.misfortunes:
        yield f"{said}; in truth all went well"


def no_knob_is_left_turned(night: Aftermath) -> Iterator[str]:
    for name in sorted(night.knobs_before.keys() | night.knobs_after.keys()):
        before, after = night.knobs_before.get(name), night.knobs_after.get(name)
        if before != after:
            yield f"{name} was {before!r} and is {after!r}"


def nothing_is_left_over(night: Aftermath) -> Iterator[str]:
    yield from night.left_over


def nothing_is_repeated(night: Aftermath) -> Iterator[str]:
    for path, digest in night.finished.items():
        if not path.exists():
            yield f"{path.relative_to(night.results)}: was finished, and is gone"
        elif RunDirectory(path).digest() != digest:
            yield f"{path.relative_to(night.results)}: was finished before the night was resumed, and has changed"


def the_board_is_in_service(night: Aftermath) -> Iterator[str]:
    if night.out_of_service:
        yield f"the board was taken out, and is well: {night.out_of_service}"


CHECKS: Mapping[str, Check] = {
    "ended": ended, "verdicts there": every_run_has_a_verdict, "whole files": documents_are_whole, "no record lost": no_record_is_lost,
    "accounts": accounts_are_right, "no wrong verdict": verdicts_are_right, "no knob left": no_knob_is_left_turned,
    "nothing left over": nothing_is_left_over, "nothing repeated": nothing_is_repeated, "in service": the_board_is_in_service,
}


def faults(night: Aftermath) -> dict[str, list[str]]:
    """By check, what it found; those that found nothing are left out."""
    found = {name: list(check(night)) for name, check in CHECKS.items()}
    return {name: sentences for name, sentences in found.items() if sentences}
