# SPDX-License-Identifier: MIT
"""What the kernel's lock validator (lockdep) says: its reports as cycles of locks, explained where we know what they mean.

Lockdep learns from every lock that is taken which others were held, and reports an order that could deadlock before it ever does.
It reports one thing only: `debug_locks` falls to 0 with it, and what comes later goes unseen. The texts are those of
kernel/locking/lockdep.c in Linux 6.12.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drmsqueeze_results.kernel_log import Line, normalise
from drmsqueeze_results.model import LockCycle, LockdepVerdict, LockEdge
from drmsqueeze_results.stack_frames import ALLOCATOR

CIRCULAR, RECURSIVE, INCONSISTENT, IRQ_ORDER, WAIT_CONTEXT, OTHER = (
    "circular", "recursive", "inconsistent-state", "irq-order", "wait-context", "other")

# How a report begins, and which kind it is. The last one takes whatever else lockdep's banner may say.
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (CIRCULAR, re.compile(r"WARNING: possible circular locking dependency detected")),
    (RECURSIVE, re.compile(r"WARNING: possible recursive locking detected")),
    (INCONSISTENT, re.compile(r"WARNING: inconsistent lock state")),
    (IRQ_ORDER, re.compile(r"WARNING: (?:\S+-safe -> \S+-unsafe lock order detected|possible irq lock inversion dependency detected)")),
    (WAIT_CONTEXT, re.compile(r"\[ BUG: Invalid wait context \]")),
    (OTHER, re.compile(r"WARNING: (?:bad unlock balance detected|bad contention detected|held lock freed|Nested lock was not taken|"
                       r"chain_key collision|lock held when returning to user space|.* still has locks held)")),
)
_LOCK = r"(?P<address>[0-9a-f]+)? ?\((?P<name>.+?)\)\{[^}]*\}-\{\d+:\d+\}"
_TAKES = re.compile(rf"^{_LOCK}, at: (?P<function>[\w.]+)")
_EDGE = re.compile(rf"^-> #(?P<number>\d+) {_LOCK}:")
_TASK = re.compile(r"^(?P<task>.+/\d+)(?: \[HC.*\])? (?:is trying to (?:acquire|lock)|takes)")
_FRAME = re.compile(r"^ +(?P<function>[A-Za-z_][\w.$]*)\+0x")
_REGISTERED = re.compile(r"state was registered at:")
_BACKTRACE = re.compile(r"^stack backtrace:")
_END = re.compile(r"^ ?</TASK>")

# Functions between the one who wants a lock and lockdep: they name nobody.
_LOCKING = re.compile(
    r"^(?:_*(?:check_prev_add|check_prevs_add|validate_chain|lock_acquire|lock_sync|mark_lock\w*|mark_usage|lock_acquire_\w+)|"
    r"_*fs_reclaim_acquire|_*might_alloc|_*dma_fence_might_wait|dma_fence_begin_signalling|"
    r"_*(?:mutex|ww_mutex|rt_mutex|down|rwsem|_?raw|spin|read|write)_\w*|_+ww_mutex_lock\w*|ww_mutex_lock\w*|down_(?:read|write)\w*|"
    r"dma_resv_lock(?:_interruptible|_slow\w*)?|drm_gem_lock_reservations)$")


# What a cycle means. `new` is the lock that would close it, `held` the one it is taken under, `others` must all be somewhere in it;
# the first entry that fits is taken. In the text {new}, {held} and the functions in which they are taken, {new_in} and {held_in}.
@dataclass(frozen=True)
class _Meaning:
    kind: str
    text: str
    new: str = r".*"
    held: str = r".*"
    others: tuple[str, ...] = ()
    locks: int | None = None


_RECLAIM, _SIGNALLING, _RESERVATION = r"fs_reclaim", r"dma_fence_map", r"reservation_ww_class_(?:mutex|acquire)"
MEANINGS: tuple[_Meaning, ...] = (
    _Meaning(CIRCULAR, "Memory reclaim may wait for a GPU fence (shrinkers, MMU notifiers), and the signalling path allocates with "
             "reclaim: {new_in}.", new=_RECLAIM, others=(_SIGNALLING,)),
    _Meaning(CIRCULAR, "Whoever holds a reservation lock (dma_resv) may allocate and may wait for GPU fences, and the signalling path "
             "takes such a lock: {new_in}.", new=_RESERVATION, others=(_SIGNALLING,)),
    _Meaning(CIRCULAR, "Somebody waits for GPU fences while he holds {new}, and the signalling path takes that lock: {new_in}.",
             held=_SIGNALLING),
    _Meaning(CIRCULAR, "A GPU fence is waited for in {new_in} under {held}, which the signalling path needs.", new=_SIGNALLING),
    _Meaning(CIRCULAR, "Memory reclaim (a shrinker) takes {held}, in {held_in}, and {new_in} allocates with reclaim while it holds "
             "that lock.", new=_RECLAIM, locks=2),
    _Meaning(CIRCULAR, "Memory is allocated with reclaim while {new} is held, in {held_in}, and memory reclaim (a shrinker) takes that "
             "lock: {new_in}.", held=_RECLAIM, locks=2),
    _Meaning(CIRCULAR, "Memory reclaim is entered in {new_in} under a lock that reclaim itself may need.", new=_RECLAIM),
    _Meaning(CIRCULAR, "Two locks are taken in both orders (AB-BA): {new} under {held} in {new_in}, {held} under {new} in {held_in}. Two "
             "tasks that do so at the same time wait for each other for good.", locks=2),
    _Meaning(RECURSIVE, "{new_in} takes {new} while a lock of that class is held, taken in {held_in}: if it is the same one, it waits "
             "for itself."),
    _Meaning(INCONSISTENT, "{new} is taken in a context, {new_in}, in which the one that may interrupt it takes it as well ({held_in}).",
             new=r"(?!fs_reclaim).*"),
    _Meaning(WAIT_CONTEXT, "{new_in} takes {new}, which may sleep, where one may not sleep."),
)


@dataclass(frozen=True)
class HeldLock:
    """A lock that a task held or waited for, the innermost last; `address` tells two locks of one class apart."""

    name: str
    function: str
    address: str | None


@dataclass(frozen=True)
class LockHolder:
    """A task and its locks as sysrq-d showed them."""

    name: str
    pid: int
    locks: tuple[HeldLock, ...]


_SHOW_ALL = re.compile(r"^Showing all locks held in the system")
_HOLDER = re.compile(r"^\d+ locks? held by (?P<name>.+)/(?P<pid>\d+):")
_HELD = re.compile(rf"^ #\d+: {_LOCK}, at: (?P<function>[\w.]+)")
_RULE_OFF = re.compile(r"^=+$")


def taker(frames: Sequence[str]) -> str | None:
    """The function that wants the lock or the memory: the first that is no part of locking or of an allocator."""
    return next((frame for frame in map(normalise, frames) if not (_LOCKING.match(frame) or ALLOCATOR.match(frame))),
                frames[0] if frames else None)


def _stack(lines: Sequence[Line]) -> tuple[str, ...]:
    frames = []
    for line in lines:
        frame = _FRAME.match(line.text)
        if frame is None:
            break
        frames.append(frame["function"])
    return tuple(frames)


def _backtrace(lines: Sequence[Line]) -> tuple[str, ...]:
    """The stack of who made lockdep speak, without the printing itself; what is only guessed (`?`) is left out."""
    start = next((at for at, line in enumerate(lines) if _BACKTRACE.match(line.text)), None)
    if start is None:
        return ()
    frames = [frame["function"] for line in lines[start:] if (frame := _FRAME.match(line.text))]
    begun = next((at for at, frame in enumerate(frames) if frame in ("__lock_acquire", "lock_acquire", "mark_lock")), 0)
    return tuple(frames[begun:])


def _edges(report: Sequence[Line]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Lock and stack of each step of the chain; #0, which would close it, first."""
    found = []
    for at, line in enumerate(report):
        edge = _EDGE.match(line.text)
        if edge:
            found.append((int(edge["number"]), edge["name"], _stack(report[at + 1:])))
    for _, name, frames in sorted(found, key=lambda one: one[0]):
        yield name, frames


def _circular(report: Sequence[Line]) -> tuple[LockEdge, ...]:
    """The locks in the order in which each is taken under the one behind it; the first is taken under the last."""
    steps = list(_edges(report))
    return tuple(LockEdge(name, steps[at - 1][0], taker(frames), frames) for at, (name, frames) in enumerate(steps))


def _pair(report: Sequence[Line]) -> tuple[LockEdge, ...]:
    """For reports on a task and the locks that it takes and holds: the new one with its stack, then the one it holds."""
    taken = [found for line in report if (found := _TAKES.match(line.text))]
    if not taken:
        return ()
    registered = next((_stack(report[at + 1:]) for at, line in enumerate(report) if _REGISTERED.search(line.text)), ())
    frames = _backtrace(report)
    held = taken[1]["name"] if len(taken) > 1 else None
    edges = [LockEdge(taken[0]["name"], held, taker(frames) or taken[0]["function"], frames)]
    if held:
        edges.append(LockEdge(held, None, taken[1]["function"], ()))
    elif registered:
        edges.append(LockEdge(taken[0]["name"], None, taker(registered), registered))
    return tuple(edges)


def explain(kind: str, edges: Sequence[LockEdge]) -> str | None:
    """The cycle in plain words; None where we do not know what it means."""
    if not edges:
        return None
    new, held = edges[0], edges[-1]
    names = [edge.lock for edge in edges]
    words = {"new": new.lock, "held": held.lock, "new_in": new.function or "an unknown function",
             "held_in": held.function or "an unknown function"}
    for meaning in MEANINGS:
        if (meaning.kind == kind and re.fullmatch(meaning.new, new.lock) and re.fullmatch(meaning.held, held.lock)
                and all(any(re.fullmatch(other, name) for name in names) for other in meaning.others)
                and meaning.locks in (None, len(names))):
            return meaning.text.format(**words)
    return None


def _report(lines: Sequence[Line], start: int) -> Sequence[Line]:
    """To the end of the stack backtrace, which is the last part of a report."""
    backtrace = False
    for at in range(start, len(lines)):
        backtrace = backtrace or bool(_BACKTRACE.match(lines[at].text))
        if backtrace and _END.match(lines[at].text):
            return lines[start:at + 1]
    return lines[start:]


def cycles(lines: Sequence[Line]) -> tuple[LockCycle, ...]:
    """Every report of lockdep in a console, in order. As a rule there is one at most: it is silent afterwards."""
    found = []
    for at, line in enumerate(lines):
        kind = next((kind for kind, pattern in _KINDS if pattern.match(line.text)), None)
        if kind is None:
            continue
        report = _report(lines, at)
        edges = _circular(report) if kind == CIRCULAR else _pair(report)
        task = next((task["task"] for one in report[:10] if (task := _TASK.match(one.text))), None)
        found.append(LockCycle(kind, task, line.t_s, edges, explain(kind, edges)))
    return tuple(found)


def verdict(lines: Sequence[Line], environment: Mapping[str, Any]) -> LockdepVerdict:
    """What lockdep says of a run. `environment` is what the agent saw at its end: debug_locks is 1 where lockdep still looked on, 0 where
    it had stopped, null where the kernel has none. A report in the console shows that it looked on until then."""
    seen = cycles(lines)
    checked = True if seen else bool(environment["debug_locks"]) if "debug_locks" in environment else None
    return LockdepVerdict(checked, min((cycle.first_s for cycle in seen if cycle.first_s is not None), default=None), seen)


def describe(cycle: LockCycle) -> str:
    """The cycle in one line: which lock is taken under which, and where."""
    steps = [f"{edge.lock} is taken in {edge.function or '?'}" + (f" under {edge.under}" if edge.under else "") for edge in cycle.edges]
    return "; ".join(steps) or cycle.kind


def held_locks(lines: Sequence[Line]) -> tuple[LockHolder, ...]:
    """The tasks and their locks in the last "Showing all locks held in the system" (sysrq-d, hung tasks); empty where there is none, and
    where lockdep was off."""
    start = max((at for at, line in enumerate(lines) if _SHOW_ALL.match(line.text)), default=None)
    if start is None:
        return ()
    holders: list[LockHolder] = []
    for line in lines[start + 1:]:
        if _RULE_OFF.match(line.text):
            break
        holder, held = _HOLDER.match(line.text), _HELD.match(line.text)
        if holder:
            holders.append(LockHolder(holder["name"], int(holder["pid"]), ()))
        elif held and holders:
            last = holders.pop()
            lock = HeldLock(held["name"], held["function"], held["address"])
            holders.append(LockHolder(last.name, last.pid, (*last.locks, lock)))
    return tuple(holders)
