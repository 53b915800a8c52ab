# SPDX-License-Identifier: MIT
"""The fate of each job, from what its client saw, how the machine ended and what the kernel said.

What the client saw stands, with two exceptions: a job that was ended by the driver's own timeout is told from one that
merely failed, and a job that nobody saw end is hung or lost (section 2 of the design).
"""

import errno
from collections import Counter
from dataclasses import dataclass
from typing import Sequence

from drmsqueeze_results.facts import Ended, JobRecord, RunData
from drmsqueeze_results.kernel_log import Match
from drmsqueeze_results.model import JobCounts, Outcome, Witness
from drmsqueeze_results.witnesses import CLOCK_SLACK_S, hang_seen, worked_after

# The errno alone proves nothing: on panfrost ECANCELED also means a killed client or a cancelled successor.
TIMEOUT_ERRNOS = frozenset({errno.ECANCELED, errno.ETIMEDOUT, errno.ETIME})

# The agent's word (agent/job_table.cc) for a job whose fence it saw signal while the client that waits for it went on sleeping.
LOST_WAKEUP = "its fence has signalled, and who waits for it was not woken"

# Why the fate of a job without an end cannot be known, by how the machine ended.
_LOST_BECAUSE = {
    Ended.BYE: "the agent ended without saying what became of it",
    Ended.POWEROFF_WITHOUT_BYE: "the agent died",
    Ended.SILENT: "the machine went silent and nothing had witnessed a hang",
    Ended.KILLED: "the machine was killed",
    Ended.PANIC: "the kernel panicked and nothing had witnessed a hang",
    Ended.BOOT_TIMEOUT: "the machine did not come up",
    Ended.TIME_LIMIT: "the run's time was over and nothing had witnessed a hang",
    Ended.REBOOTED: "the machine reset itself and nothing had witnessed a hang",
    Ended.LINK_LOST: "neither ssh nor a console brought word of the machine",
    Ended.HARNESS_KILLED: "the harness was killed, and nobody was told",
    Ended.RING_FULL: "there was no room for more records of a run that is recorded",
}
_HUNG_BECAUSE = "in flight when the machine went silent after a witness of a hang"
# Ends of a machine that can be its own doing. One that was killed from outside says nothing about a hang.
_DIED_OF_ITSELF = frozenset({Ended.SILENT, Ended.PANIC, Ended.TIME_LIMIT, Ended.REBOOTED})
# Ends after which nobody knows what a probe would have shown.
_CUT_OFF = {Ended.KILLED: "the machine was killed", Ended.HARNESS_KILLED: "the harness was killed", Ended.LINK_LOST: "the machine was lost sight of"}


@dataclass(frozen=True)
class JobFate:
    """A job that did not complete, with its fate and the reason; `record` is null where only its intent is counted."""

    outcome: Outcome
    reason: str
    record: JobRecord | None


@dataclass(frozen=True)
class Fates:
    """The fates of all jobs of a run. `unaccounted`: records missing (positive) or too many (negative)."""

    completed: int
    others: tuple[JobFate, ...]
    unaccounted: int

    @property
    def counts(self) -> JobCounts:
        """Counts by fate."""
        by = Counter(fate.outcome.value for fate in self.others)
        by[Outcome.COMPLETED.value] += self.completed
        return JobCounts(submitted=sum(by.values()), **by)

    def of_phase(self, data: RunData, index: int) -> JobCounts:
        """Counts of the jobs that were begun in this phase of the scenario."""
        by = Counter(fate.outcome.value for fate in self.others if fate.record and fate.record.phase == index)
        by[Outcome.COMPLETED.value] += sum(c.count for c in data.completed if c.phase == index)
        return JobCounts(submitted=sum(by.values()), **by)

    @property
    def errnos(self) -> dict[str, int]:
        """How often each error number ended a job, by its name."""
        numbers = Counter(fate.record.errno for fate in self.others if fate.record and fate.record.errno)
        return {errno.errorcode.get(number, str(number)): count for number, count in sorted(numbers.items())}


def _timeout_within(data: RunData, matches: Sequence[Match], job: JobRecord) -> bool:
    """Whether the driver's timeout message, or a witness of its reset, lies within the job's life."""
    begin, end = job.intent_s - CLOCK_SLACK_S, (job.end_s or job.intent_s) + CLOCK_SLACK_S
    said = [m.t_s for m in matches if m.rule.witness == "driver-timeout"]
    seen = [w for w in data.facts.witnesses if w.kind == "driver-timeout"]
    if any(w.job == job.job for w in seen):
        return True
    return any(t is not None and begin <= t <= end for t in [*said, *(w.first_s for w in seen)])


def _after_timeout(data: RunData, job: JobRecord) -> tuple[Outcome, str]:
    """The fate of a job that the driver's timeout ended: it depends on whether the GPU works afterwards.

    Any job of the same kind that was begun later and completed shows that; the probe at the end speaks for those that had none.
    """
    if worked_after(data, job.stressor, job.end_s):
        return Outcome.TIMED_OUT, "the driver's own timeout ended it, and jobs that were begun later completed"
    kinds = {w.kind for w in data.facts.witnesses}
    if "probe-failed" in kinds:
        return Outcome.HUNG, "the driver's timeout ended it and the GPU did not work afterwards"
    if "probe-ok" in kinds:
        return Outcome.TIMED_OUT, "the driver's own timeout ended it"
    if data.facts.machine.ended in _CUT_OFF:
        return Outcome.LOST, f"the driver's timeout ended it; {_CUT_OFF[data.facts.machine.ended]} before the GPU was probed"
    return Outcome.HUNG, "the driver's timeout ended it and no probe showed that the GPU works afterwards"


def after_release_s(data: RunData, job: JobRecord) -> float | None:
    """How long after all was given back a job ended; negative while it was being given back, null for one that ended before."""
    released = data.facts.release.done_s if data.facts.release else None
    return None if released is None or not job.after_release or job.end_s is None else job.end_s - released


def _ended(data: RunData, matches: Sequence[Match], job: JobRecord, fate: Outcome) -> tuple[Outcome, str]:
    own = not job.victim and not job.submit_failed
    if fate is Outcome.TIMED_OUT or (fate is Outcome.FAILED and own and job.errno in TIMEOUT_ERRNOS):
        if _timeout_within(data, matches, job):
            return _after_timeout(data, job)
        if fate is Outcome.TIMED_OUT:
            return Outcome.FAILED, "neither a message nor a reset of the driver shows that its timeout ended it"
    after = after_release_s(data, job)
    if fate is Outcome.STALLED and after is not None:
        return fate, f"completed {after:.1f} s after all was given back" if after >= 0 else "completed while all was being given back"
    return fate, job.reason or ("another job's reset took it down" if job.victim else "")


def _without_end(data: RunData, witnesses: Sequence[Witness]) -> tuple[Outcome, str]:
    ended = data.facts.machine.ended
    if ended in _DIED_OF_ITSELF and hang_seen(witnesses):
        return Outcome.HUNG, _HUNG_BECAUSE
    if ended is Ended.BYE and any(w.kind in ("client-killed", "client-gone") for w in data.facts.witnesses):
        return Outcome.LOST, "its client was killed"
    return Outcome.LOST, _LOST_BECAUSE[ended]


def decide(data: RunData, matches: Sequence[Match], witnesses: Sequence[Witness]) -> Fates:
    """The fates of all jobs whose intent was seen; jobs of which only the intent is counted are among them."""
    completed = sum(c.count for c in data.completed) + sum(job.fate is Outcome.COMPLETED for job in data.jobs)
    others = []
    for job in data.jobs:
        if job.fate is Outcome.COMPLETED:
            continue
        outcome, reason = _ended(data, matches, job, job.fate) if job.fate else _without_end(data, witnesses)
        others.append(JobFate(outcome, reason, job))
    unaccounted = data.facts.jobs.intents - completed - len(others)
    others += [JobFate(Outcome.LOST, "its intent was counted and its record is missing", None)] * max(0, unaccounted)
    return Fates(completed, tuple(others), unaccounted)
