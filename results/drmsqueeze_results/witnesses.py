# SPDX-License-Identifier: MIT
"""Signs of a hang, gathered from the agent, from the kernel log and from outside."""

from dataclasses import replace
from typing import Iterable, Sequence

from drmsqueeze_results.facts import Ended, RunData
from drmsqueeze_results.kernel_log import BlockedTask, Match
from drmsqueeze_results.model import Outcome, Witness

# Whether a kind of record is a sign of a hang. A lost heartbeat is one, but it says no more than that the machine is
# silent: it does not tell a hang from a death. So fates ask for another one beside it.
SIGNS = {
    "late-fence": True, "no-progress": True, "client-stuck": True, "d-state": True, "driver-timeout": True, "driver-wedge": True,
    "devcoredump": True, "probe-failed": True, "hung-task": True, "soft-lockup": True, "hard-lockup": True, "rcu-stall": True,
    "workqueue-stall": True, "panic-hung": True, "blocked-tasks": True, "debugfs-blocked": True, "release-blocked": True,
    "heartbeat-lost": False, "console-silent": False, "guest-panic": False,
    "taint": False, "lockdep-off": False,
    "probe-ok": False, "trap-not-fired": False, "oom-kill": False, "hog-killed": False, "injector-killed": False, "client-killed": False,
    "client-gone": False, "not-restored": False, "evidence-incomplete": False,
}
_NOT_LISTED = frozenset({"probe-ok", "trap-not-fired", "oom-kill", "hog-killed", "injector-killed", "client-killed", "client-gone",
                         "not-restored", "evidence-incomplete"})
# Of the listed ones those that speak of the kernel's health and not of a hang: none of them is the first witness of one.
_ASIDE = frozenset({"taint", "lockdep-off"})
# What a working GPU afterwards settles.
_OF_THE_GPU = frozenset({"driver-timeout", "devcoredump"})
MOST_TEXTS = 6
# The kernel stamps its log with local_clock(), the agent its records with CLOCK_MONOTONIC; both start at boot, not at
# the same instant of it.
CLOCK_SLACK_S = 0.5


def _order(witness: Witness) -> tuple[bool, float]:
    return witness.first_s is None, witness.first_s or 0.0


def _merged(group: Sequence[Witness]) -> Witness:
    """One witness of a kind from all that there are, given in order."""
    texts = list(dict.fromkeys(w.text for w in group if w.text))
    more = [f"and {len(texts) - MOST_TEXTS} more"] if len(texts) > MOST_TEXTS else []
    times = [t for w in group for t in (w.first_s, w.last_s) if t is not None]
    return Witness(group[0].kind, group[0].first_s, max(times) if times else None, sum(w.count for w in group),
                   ", ".join(texts[:MOST_TEXTS] + more), all(w.settled for w in group))


def worked_after(data: RunData, stressor: str, t_s: float | None) -> bool:
    """Whether a job of this stressor that was begun after `t_s` completed: then what executes its jobs worked."""
    return t_s is not None and any(c.stressor == stressor and c.last_intent_s is not None and c.last_intent_s > t_s for c in data.completed)


def _settled(data: RunData, witness: Witness, merged: Sequence[Witness]) -> bool:
    """Whether the GPU worked after its driver had complained: jobs of a stressor one of whose jobs was hit completed later.

    A devcoredump is found some time after the timeout that it belongs to: so the time of that counts, where it is known.
    """
    hit = {job.stressor for job in data.jobs if job.fate in (Outcome.TIMED_OUT, Outcome.FAILED)}
    times = [w.last_s for w in merged if w.kind == "driver-timeout"] or [witness.last_s]
    return witness.settled or witness.kind in _OF_THE_GPU and any(worked_after(data, stressor, times[0]) for stressor in hit)


def gather(data: RunData, matches: Iterable[Match], tasks: Sequence[BlockedTask]) -> tuple[Witness, ...]:
    """All signs of a hang, one per kind, the earliest first. Kinds that this version does not know are kept."""
    facts, matches = data.facts, list(matches)
    seen = [Witness(w.kind, w.first_s, w.last_s, w.count, w.text or "", w.in_time) for w in facts.witnesses if w.kind not in _NOT_LISTED]
    seen += [Witness(m.rule.witness, m.t_s, m.t_s, 1, m.signature.partition(": ")[2]) for m in matches if m.rule.witness]
    # A task has the time at which it was shown last, by hung-task reports too: what counts here is when sysrq was first answered.
    asked = next((line.t_s for line in data.console if line.text.startswith("sysrq: Show Blocked State")), None)
    # It is asked because a job is late; by the kernel's clock, which is not quite the agent's, that may seem to be before.
    late = next((w.first_s for w in seen if w.kind == "late-fence"), None)
    if asked is not None and late is not None and 0 < late - asked < CLOCK_SLACK_S:
        asked = late
    seen += [Witness("blocked-tasks", t.t_s if asked is None else asked, t.t_s, 1, t.name) for t in tasks if t.from_sysrq]
    if facts.machine.ended is Ended.SILENT and not any(w.kind == "heartbeat-lost" for w in seen):  # runs of earlier versions
        seen.append(Witness("heartbeat-lost", facts.machine.last_beat_s, facts.machine.last_beat_s))
    if data.environment.get("debug_locks") == 0:
        reports = [m.t_s for m in matches if m.kind == "lockdep"]
        seen.append(Witness("lockdep-off", reports[0] if reports else None))
    groups: dict[str, list[Witness]] = {}
    for witness in sorted(seen, key=_order):
        groups.setdefault(witness.kind, []).append(witness)
    merged = [_merged(group) for group in groups.values()]
    return tuple(sorted((replace(w, settled=_settled(data, w, merged)) for w in merged), key=_order))


def first(witnesses: Iterable[Witness]) -> str | None:
    """The kind of the witness that saw it first."""
    return next((w.kind for w in witnesses if w.kind not in _ASIDE), None)


def hang_seen(witnesses: Iterable[Witness]) -> bool:
    """Whether any witness beside the lost heartbeat says that something hung, and nothing shows that it was over."""
    return any(SIGNS.get(w.kind, False) and not w.settled for w in witnesses)
