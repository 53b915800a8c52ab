# SPDX-License-Identifier: MIT
"""What a person must see: from the kernel log by the rules, and from the facts; expected or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drmsqueeze_results import kmemleak
from drmsqueeze_results.facts import Ended, RunData
from drmsqueeze_results.kernel_log import Match
from drmsqueeze_results.kernel_rules import RULES, VICTIMS, Severity
from drmsqueeze_results.model import Finding, Outcome, Witness
from drmsqueeze_results.witnesses import hang_seen

EXCERPT_CHARACTERS = 4000
# A kill of the hog takes the pressure off, one of the agent the eyes: neither is business as usual under pressure.
_SPOILS_THE_RUN = frozenset({"hog", "agent"})
_HANG = frozenset({Outcome.HUNG, Outcome.STALLED})

# Findings that do not come from the kernel log.
NOT_RESTORED = "not-restored"
MACHINE_SILENT = "machine-silent"
HOG_KILLED = "hog-killed"
INJECTOR_KILLED = "injector-killed"
CLIENT_KILLED = "client-killed"
CLIENT_GONE = "client-gone"
KMEMLEAK = "kmemleak"  # in the log too, as a number
TAINT = "taint"
LEAK = "leak"
OPEN_FILES = "open files that no process has (sync files, dma-bufs)"  # agent/leak_watch.cc
# What Linux taints itself with while it runs (taint_flags of kernel/panic.c), and which reports of the log account for that.
_TAINTS = {
    "W": ("it warned", frozenset({"warn"})), "L": ("a soft lockup", frozenset({"soft-lockup"})),
    "D": ("it died", frozenset({"oops", "bug", "kasan"})), "B": ("a bad page", frozenset({"bug", "kasan", "ubsan"})),
    "M": ("a machine check", frozenset()), "F": ("a module was forced in", frozenset()), "R": ("a module was forced out", frozenset()),
}
# Modules that are loaded, and what is known of the machine: nothing that a person must see.
_HARMLESS_TAINTS = frozenset("POECUSAIKXTN")
# What stressors count of reclaim (stressors/reclaim_watch.cc), by names that a scenario may expect beside fates and findings.
COUNTS = frozenset(
    {"shrinker_purged_pages", "shrinker_evicted_pages", "shrinker_active_purged_pages", "shrinker_active_evicted_pages",
     "shrinker_unmapped_pages", "swapped_out_pages", "swapped_in_pages"})
KINDS = frozenset(
    {rule.kind for rule in RULES if rule.kind != "oom-kill"} | {f"oom-kill-{who}" for who, _ in VICTIMS}
    | {NOT_RESTORED, MACHINE_SILENT, HOG_KILLED, INJECTOR_KILLED, CLIENT_KILLED, CLIENT_GONE, TAINT, LEAK})


@dataclass(frozen=True)
class Expectation:
    """What the scenario expects of this kernel: ranges by outcome, by kind of finding or by count of a stressor.

    With no entry for the kernel (null) every job must complete. With an entry, outcomes that it does not name are left
    open, and findings that it does not name are judged by the rules.
    """

    ranges: Mapping[str, Sequence[int | None]] | None

    def names(self, what: str) -> bool:
        """Whether the entry names this outcome or finding and lets it happen."""
        if self.ranges is None or what not in self.ranges:
            return False
        most = self.ranges[what][1]
        return most is None or most > 0

    def allows(self, outcome: Outcome) -> bool:
        """Whether this outcome may happen."""
        if self.ranges is None:
            return outcome is Outcome.COMPLETED
        return outcome.value not in self.ranges or self.names(outcome.value)

    @property
    def unknown(self) -> list[str]:
        """Names that are neither an outcome nor a kind of finding nor a count."""
        return sorted(set(self.ranges or ()) - KINDS - COUNTS - {o.value for o in Outcome})


@dataclass(frozen=True)
class Found:
    """A finding and how grave it is."""

    finding: Finding
    severity: Severity


def under_pressure(data: RunData) -> bool:
    """Whether memory was taken away or anything was made to fail."""
    return data.facts.level < 1 or any(
        i.get("injector") != "hog" or "steer" in (i.get("settings") or {}) for i in data.injections or ())


def _from_log(match: Match, pressure: bool, expectation: Expectation) -> bool:
    if expectation.names(match.kind):
        return True
    if match.victim in _SPOILS_THE_RUN:
        return False
    return ((match.rule.pressure and pressure) or match.rule.severity is Severity.INFO
            or any(expectation.allows(outcome) for outcome in match.rule.explained_by))


def _log_findings(matches: Sequence[Match], pressure: bool, expectation: Expectation) -> list[Found]:
    groups: dict[str, list[Match]] = {}
    for match in matches:
        groups.setdefault(match.signature, []).append(match)
    return [
        Found(Finding(first.kind, signature, len(group), first.t_s, _from_log(first, pressure, expectation),
                      first.excerpt[:EXCERPT_CHARACTERS]), first.rule.severity)
        for signature, group in groups.items() for first in group[:1]
    ]


def _kmemleak_findings(data: RunData, expectation: Expectation) -> list[Found]:
    """Memory of the kernel that nobody refers to any more, by the function that allocated it."""
    groups: dict[str, list[kmemleak.Leak]] = {}
    for leak in kmemleak.leaks(data.kmemleak):
        groups.setdefault(leak.allocated_in or "?", []).append(leak)
    return [
        Found(Finding(KMEMLEAK, f"{KMEMLEAK}: {function}", len(group), None, expectation.names(KMEMLEAK),
                      f"{len(group)} objects, {sum(leak.bytes for leak in group)} bytes; the first was allocated by {first.comm}:\n"
                      + "\n".join(first.frames)), Severity.ERROR)
        for function, group in groups.items() for first in group[:1]
    ]


def _fact_findings(data: RunData, matches: Sequence[Match], witnesses: Sequence[Witness], restored: object,
                   expectation: Expectation) -> list[Found]:
    facts = data.facts
    found = []

    def add(kind: str, severity: Severity, first_s: float | None, excerpt: str, expected: bool) -> None:
        found.append(Found(Finding(kind, kind, 1, first_s, expected or expectation.names(kind), excerpt), severity))

    if restored is False:
        left = [witness.text or "?" for witness in facts.witnesses if witness.kind == NOT_RESTORED]
        left = left or [str(i.get("injector")) for i in data.injections or () if i.get("restored") is False]
        add(NOT_RESTORED, Severity.ERROR, facts.release.done_s if facts.release else None,
            "not as it was before: " + (", ".join(left) or "something that was taken"), False)
    if facts.machine.ended is Ended.SILENT:
        explained = (any(expectation.allows(o) for o in _HANG) if hang_seen(witnesses)
                     else expectation.names(Outcome.LOST.value))
        add(MACHINE_SILENT, Severity.ERROR, facts.machine.last_beat_s, "the heartbeat stopped", explained)
    if facts.machine.ended is Ended.PANIC and not any(m.kind.startswith("panic") for m in matches):
        add("panic", Severity.ERROR, None, "the machine reported a panic; the console has no message of it", False)
    for witness in facts.witnesses:
        if witness.kind in (HOG_KILLED, INJECTOR_KILLED, CLIENT_KILLED):
            add(witness.kind, Severity.WARNING, witness.first_s, witness.text or witness.kind,
                witness.kind == CLIENT_KILLED and under_pressure(data))
        if witness.kind == CLIENT_GONE:  # nobody killed it: an oops ended the thread that ran into it, and what it had to do is not done
            add(witness.kind, Severity.ERROR, witness.first_s, "a client ended in the middle", False)
        if witness.kind == TAINT:
            reported = {match.kind for match in matches}
            for letter in sorted(set(witness.text or "") - _HARMLESS_TAINTS):
                what, reports = _TAINTS.get(letter, (f"flag {letter}", frozenset()))
                if not reports & reported:
                    add(TAINT, Severity.ERROR, witness.first_s,
                        f"the kernel tainted itself during the run ({letter}: {what}), and its log has no report that a rule knows", False)
    return found


def _left_behind_findings(data: RunData, expectation: Expectation) -> list[Found]:
    """One for each kind of thing that there is more of after the run than before it.

    A board has others' processes too, which come and go: there more of them is told, and fails nothing. With them come and go the files
    that they have mapped, their programs and libraries, which are open in no table of theirs.
    """
    grown = {count.what for count in data.leaks.grown}
    others = {"processes", OPEN_FILES} if data.facts.machine.board is not None and "processes" in grown else set()
    return [
        Found(Finding(LEAK, f"{LEAK}: {count.what}", 1, None, expectation.names(LEAK),
                      f"{count.what}: {count.before} before the run, {count.after} after everybody had gone"
                      f" ({data.leaks.waited_s or 0:.1f} s were given; up to {count.allowed} more would be noise)"),
              Severity.WARNING if count.what in others else Severity.ERROR)
        for count in data.leaks.grown
    ]


def gather(data: RunData, matches: Sequence[Match], witnesses: Sequence[Witness], restored: object,
           expectation: Expectation) -> list[Found]:
    """All findings of a run, one per signature, in the order in which they were first seen."""
    leaks = _kmemleak_findings(data, expectation)
    # The log has no more than their number.
    found = leaks + _log_findings([m for m in matches if not (leaks and m.kind == KMEMLEAK)], under_pressure(data), expectation)
    found += _fact_findings(data, matches, witnesses, restored, expectation)
    found += _left_behind_findings(data, expectation)
    return sorted(found, key=lambda f: (f.finding.first_s is None, f.finding.first_s or 0.0))
