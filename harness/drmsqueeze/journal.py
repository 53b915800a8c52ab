# SPDX-License-Identifier: MIT
"""From the agent's records to the facts of a run directory. It judges nothing: verdicts are results' work."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from drmsqueeze import progress
from drmsqueeze.errors import NO_ROOM
from drmsqueeze.ring import FATES, NO_CLIENT, REMEDIES, EndFlag, Kind, Record

BUCKETS_PER_OCTAVE = 16  # a bucket of the latency histogram is 4.4 % wide


@dataclass
class _Job:
    job: int
    client: int | None
    stressor: str
    context: int
    thread: int
    demand_bytes: int
    phase: int | None
    intent_s: float
    submit_s: float | None = None
    refused: int = 0  # attempts
    remedies: dict[str, int] = field(default_factory=dict)
    remedied_ns: int = 0


@dataclass
class _Completed:
    count: int = 0
    late: int = 0
    min_ns: int = 0
    max_ns: int = 0
    last_intent_s: float = 0.0
    repaired: int = 0
    counts: dict[int, int] = field(default_factory=dict)

    def add(self, latency_ns: int, late: bool, job: _Job) -> None:
        self.last_intent_s = max(self.last_intent_s, job.intent_s)
        self.repaired += job.refused > 0
        self.min_ns = min(self.min_ns, latency_ns) if self.count else latency_ns
        self.max_ns = max(self.max_ns, latency_ns)
        self.count += 1
        self.late += late
        bucket = math.floor(BUCKETS_PER_OCTAVE * math.log2(max(latency_ns, 1)))
        self.counts[bucket] = self.counts.get(bucket, 0) + 1


class Journal:
    """Takes records in order and keeps the facts; `write` puts them into the run directory."""

    def __init__(self, directory: Path) -> None:
        self._dir = directory
        self._open: dict[int, _Job] = {}
        self._ended: list[dict[str, Any]] = []
        self._completed: dict[tuple[str, int | None], _Completed] = {}
        self._samples: dict[int, dict[str, int]] = {}
        self._files: dict[int, tuple[str, dict[int, bytes]]] = {}
        self.witnesses: dict[tuple[str, str], dict[str, Any]] = {}
        self.intents = 0
        self.ended = 0
        self.hello: Record | None = None
        self.bye: dict[str, Any] | None = None
        self.release: dict[str, Any] | None = None
        self.phases: list[dict[str, Any]] = []
        self.first_submit_s: float | None = None
        self.last_beat_s: float | None = None
        self.last_s: float | None = None

    @property
    def late(self) -> bool:
        """Whether a job has missed its deadline."""
        return ("late-fence", "") in self.witnesses

    def take(self, record: Record) -> None:
        """Take one record. A kind that this version does not know is passed over."""
        self.last_s = record.t_s
        handler = self._HANDLERS.get(record.kind)
        if handler:
            handler(self, record)

    def _on_hello(self, r: Record) -> None:
        self.hello = r

    def _on_intent(self, r: Record) -> None:
        self.intents += 1
        client = None if r.client == NO_CLIENT else r.client
        self._open[r.job] = _Job(r.job, client, r.text, r.a, r.b, r.c, self.phases[-1]["index"] if self.phases else None, r.t_s)

    def _on_submit(self, r: Record) -> None:
        if self.first_submit_s is None:
            self.first_submit_s = r.t_s
        job = self._open.get(r.job)
        if job and job.submit_s is None:
            job.submit_s = r.t_s

    def _on_refused(self, r: Record) -> None:
        if job := self._open.get(r.job):
            job.refused += 1

    def _on_remedied(self, r: Record) -> None:
        job = self._open.get(r.job)
        if job and r.code < len(REMEDIES):
            job.remedies[REMEDIES[r.code]] = job.remedies.get(REMEDIES[r.code], 0) + 1
            job.remedied_ns += r.a

    def _on_end(self, r: Record) -> None:
        if r.code >= len(FATES):  # no agent says that: what it says of this job is worth nothing
            return
        job = self._open.pop(r.job, None)
        if job is None:  # ended twice (its client, and the supervisor for a client thought dead): the first one stands
            return
        self.ended += 1
        flags = EndFlag(r.c)
        late = self.witnesses.get(("late-fence", ""))
        if late and late["job"] == r.job:
            late["in_time"] = EndFlag.LATE not in flags
        if FATES[r.code] == "completed":
            self._completed.setdefault((job.stressor, job.phase), _Completed()).add(r.b, EndFlag.LATE in flags, job)
            return
        self._ended.append(vars(job) | {
            "end_s": r.t_s, "fate": FATES[r.code], "errno": r.a, "latency_ns": r.b, "late": EndFlag.LATE in flags,
            "after_release": EndFlag.AFTER_RELEASE in flags, "victim": EndFlag.VICTIM in flags,
            "submit_failed": EndFlag.SUBMIT_FAILED in flags, "reason": r.text,
        })

    def _on_sample(self, r: Record) -> None:
        self._samples.setdefault(r.t_ns, {})[r.text] = r.a

    def _on_witness(self, r: Record) -> None:
        kind, _, detail = r.text.partition(" ")
        self.witness(kind, detail, r.t_s, r.job or None, r.a)

    def witness(self, kind: str, text: str, t_s: float | None, job: int | None = None, value: int = 0) -> None:
        """Note a witness; of several with one text the first is kept, with how many there were and when the last came."""
        seen = self.witnesses.setdefault((kind, text), {
            "kind": kind, "first_s": t_s, "last_s": t_s, "count": 0, "job": job, "text": text, "value": value})
        seen["count"] += 1
        seen["last_s"] = t_s

    def _on_release(self, r: Record) -> None:
        if self.release is None:
            self.release = {"begun_s": r.t_s, "done_s": None, "restored": None}
        if r.code == 1:
            self.release |= {"done_s": r.t_s, "restored": bool(r.a)}

    def _on_phase(self, r: Record) -> None:
        self.phases.append({"index": r.a, "kind": r.text, "begun_s": r.t_s})

    def _on_beat(self, r: Record) -> None:
        self.last_beat_s = r.t_s

    def _on_bye(self, r: Record) -> None:
        self.bye = {"code": r.a, "reason": r.text}

    def complete_reason(self, console: str) -> None:
        """A record holds the first 71 bytes of the reason why the agent gave up; its console has all of it."""
        if not self.bye or not self.bye["code"]:
            return
        who = "drmsqueeze-agent: "
        for line in console.splitlines():
            _, found, rest = line.partition(who + self.bye["reason"])
            if found:
                self.bye["reason"] += rest.rstrip()
                return

    def _on_file(self, r: Record) -> None:
        if r.a < 0:
            self._files[r.job] = (r.text, {})
        elif r.job in self._files:
            self._files[r.job][1][r.a] = r.raw_text[: r.b]

    _HANDLERS: dict[int, Callable[["Journal", Record], None]] = {
        Kind.HELLO: _on_hello, Kind.INTENT: _on_intent, Kind.SUBMIT: _on_submit, Kind.END: _on_end,
        Kind.SAMPLE: _on_sample, Kind.WITNESS: _on_witness, Kind.RELEASE: _on_release, Kind.BEAT: _on_beat,
        Kind.BYE: _on_bye, Kind.FILE: _on_file,
        Kind.PHASE: _on_phase, Kind.REFUSED: _on_refused, Kind.REMEDIED: _on_remedied,
    }

    def _write_files(self) -> None:
        for name, chunks in self._files.values():
            place = PurePosixPath(name)
            if place.is_absolute() or ".." in place.parts:  # the guest may be broken; it does not choose places outside
                continue
            path = self._dir / place
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"".join(chunks[offset] for offset in sorted(chunks)))
            except OSError as error:  # a name that is a directory, or lies under a file
                if error.errno in NO_ROOM:
                    raise
                progress.say(f"the guest sent a file {name!r} that cannot be kept: {error.strerror}")

    def write(self) -> None:
        """Write jobs.jsonl, samples.jsonl and the files that the agent sent."""
        self._write_files()
        never_ended = [
            vars(job) | {"end_s": None, "fate": None, "errno": 0, "latency_ns": None, "late": False, "after_release": False,
                         "victim": False, "submit_failed": False, "reason": ""}
            for job in self._open.values()
        ]
        completed = [
            {"completed": {"stressor": name, "phase": phase, "count": done.count, "late": done.late, "max_ns": done.max_ns,
                           "last_intent_s": done.last_intent_s, "repaired": done.repaired,
                           "min_ns": done.min_ns, "buckets_per_octave": BUCKETS_PER_OCTAVE,
                           "counts": {str(bucket): done.counts[bucket] for bucket in sorted(done.counts)}}}
            for (name, phase), done in self._completed.items()
        ]
        with (self._dir / "jobs.jsonl").open("w") as out:
            for line in [*completed, *sorted(self._ended + never_ended, key=lambda job: job["job"])]:
                out.write(json.dumps(line) + "\n")
        with (self._dir / "samples.jsonl").open("w") as out:
            for t_ns in sorted(self._samples):
                out.write(json.dumps({"t_s": t_ns / 1e9} | self._samples[t_ns]) + "\n")
