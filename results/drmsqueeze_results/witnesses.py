# SPDX-License-Identifier: MIT
"""Signs of a hang, gathered from the agent, from the kernel log and from outside."""

from typing import Iterable, Sequence

from drmsqueeze_results.facts import Ended, Facts
from drmsqueeze_results.kernel_log import BlockedTask, Match
from drmsqueeze_results.model import Witness

# Whether a kind of record is a sign of a hang. A lost heartbeat is one, but it says no more than that the machine is
# silent: it does not tell a hang from a death. So fates ask for another one beside it.
SIGNS = {
    "late-fence": True, "no-progress": True, "d-state": True, "driver-timeout": True, "driver-wedge": True,
    "probe-failed": True, "hung-task": True, "soft-lockup": True, "hard-lockup": True, "rcu-stall": True,
    "workqueue-stall": True, "panic-hung": True, "blocked-tasks": True,
    "heartbeat-lost": False,
    "probe-ok": False, "trap-not-fired": False, "oom-kill": False, "hog-killed": False, "injector-killed": False, "client-killed": False,
    "not-restored": False,
}
_NOT_LISTED = frozenset({"probe-ok", "trap-not-fired", "oom-kill", "hog-killed", "injector-killed", "client-killed", "not-restored"})


def _order(witness: Witness) -> tuple[bool, float]:
    return witness.first_s is None, witness.first_s or 0.0


def gather(facts: Facts, matches: Iterable[Match], tasks: Sequence[BlockedTask]) -> tuple[Witness, ...]:
    """All signs of a hang, one per kind, the earliest first. Kinds that this version does not know are kept."""
    seen = [Witness(w.kind, w.first_s) for w in facts.witnesses if w.kind not in _NOT_LISTED]
    seen += [Witness(m.rule.witness, m.t_s) for m in matches if m.rule.witness]
    seen += [Witness("blocked-tasks", t.t_s) for t in tasks if t.from_sysrq]
    if facts.machine.ended is Ended.SILENT:
        seen.append(Witness("heartbeat-lost", facts.machine.last_beat_s))
    first: dict[str, Witness] = {}
    for witness in sorted(seen, key=_order):
        first.setdefault(witness.kind, witness)
    return tuple(sorted(first.values(), key=_order))


def hang_seen(witnesses: Iterable[Witness]) -> bool:
    """Whether any witness beside the lost heartbeat says that something hung."""
    return any(SIGNS.get(w.kind, False) for w in witnesses)
