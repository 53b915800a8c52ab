# SPDX-License-Identifier: MIT
"""When the jobs of a run came to their ends, counted from their intent: what cumulative incidences are made of."""

import math
from collections import Counter
from collections.abc import Sequence

from drmsqueeze_results.facts import JobRecord, RunData
from drmsqueeze_results.fates import JobFate
from drmsqueeze_results.model import Finding, JobTimes, Outcome

BUCKETS_PER_OCTAVE = 16  # as the journal's histograms of completed jobs have
COMPLETED, FAILED, STUCK, OOM = ENDS = ("completed", "failed", "stuck", "oom")
CENSORED = "censored"
_OOM_OF_CLIENT = "oom-kill-client"


def deadline_s(data: RunData) -> float | None:
    """The deadline of a job on this machine in guest seconds; null where the scenario was lost."""
    deadline = data.scenario.get("deadline_ms")
    return None if not isinstance(deadline, (int, float)) else deadline / 1000 * (data.facts.time_scale or 1.0)


def _watched_until_s(data: RunData) -> float | None:
    """When everything was given back, or the machine was last seen alive."""
    if data.facts.release and data.facts.release.begun_s is not None:
        return data.facts.release.begun_s
    return data.facts.machine.last_beat_s


def _stuck(data: RunData, record: JobRecord) -> float:
    """A job is stuck from its deadline on; one that a machine's death found in flight before that, from then on."""
    deadline, until = deadline_s(data), _watched_until_s(data)
    known = [record.latency_ns / 1e9] if record.latency_ns is not None else []
    if deadline is not None:
        known.append(deadline)
    if not known and until is not None:
        known.append(until - record.intent_s)
    elif record.latency_ns is None and until is not None and until > record.intent_s:
        known.append(until - record.intent_s)
    return min(known, default=0.0)


def _end_of(data: RunData, fate: JobFate, oom: bool) -> tuple[str, float]:
    """Which end, and after how many seconds."""
    record, until = fate.record, _watched_until_s(data)
    if record is None:
        return CENSORED, 0.0
    watched = max(0.0, until - record.intent_s) if until is not None else 0.0
    if fate.outcome in (Outcome.STALLED, Outcome.HUNG):
        return STUCK, _stuck(data, record)
    lasted = record.latency_ns / 1e9 if record.latency_ns is not None else None
    if fate.outcome is Outcome.LOST:
        killed = "client killed by signal" in fate.reason or "client was killed" in fate.reason
        return OOM if killed and oom else CENSORED, lasted if lasted is not None else watched
    if until is not None and data.facts.release and record.end_s is not None and record.end_s > until:
        return CENSORED, watched  # with the pressure gone, how it ended says nothing of what the pressure did
    return FAILED, lasted if lasted is not None else watched


def bucket_of(seconds: float) -> int:
    """The bucket of a histogram of nanoseconds that a time falls into."""
    return math.floor(BUCKETS_PER_OCTAVE * math.log2(max(seconds * 1e9, 1)))


def milliseconds_of(bucket: int) -> float:
    """The geometric middle of a bucket."""
    return float(2 ** ((bucket + 0.5) / BUCKETS_PER_OCTAVE) / 1e6)


def tell(data: RunData, others: Sequence[JobFate], findings: Sequence[Finding]) -> JobTimes:
    """The times of all jobs of a run, by end, in buckets.

    Jobs that completed in time while all was being given back are among the completed ones: the journal's histograms do not tell
    them apart, and they are at most those in flight.
    """
    oom = any(finding.kind == _OOM_OF_CLIENT for finding in findings)
    counts: dict[str, Counter[int]] = {end: Counter() for end in (*ENDS, CENSORED)}
    for histogram in data.completed:
        for bucket, count in histogram.counts.items():
            counts[COMPLETED][int(bucket) * BUCKETS_PER_OCTAVE // histogram.buckets_per_octave] += count
    for fate in others:
        end, seconds = _end_of(data, fate, oom)
        counts[end][bucket_of(seconds)] += 1
    deadline = deadline_s(data)
    return JobTimes(BUCKETS_PER_OCTAVE, None if deadline is None else round(1000 * deadline, 3), {
        end: {str(bucket): counts[end][bucket] for bucket in sorted(counts[end])} for end in counts})
