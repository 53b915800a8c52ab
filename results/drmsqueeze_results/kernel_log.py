# SPDX-License-Identifier: MIT
"""From a console log to findings, and to the stacks of blocked tasks. The rules are data, in kernel_rules."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from drmsqueeze_results.kernel_rule import REPORT_ENDS
from drmsqueeze_results.kernel_rules import RULES, VICTIMS, Rule
from drmsqueeze_results.log_lines import Line, read_lines
from drmsqueeze_results.stack_frames import FRAMES_THAT_NAME_NOTHING

__all__ = ["BlockedTask", "Line", "Match", "blocked_tasks", "naming_frame", "normalise", "read_lines", "scan"]

SIGNATURE_CHARACTERS = 200
_NAMES_AT_MOST = 2

# " f+0x1/0x2", with "? " where the unwinder guesses; arm64 since 6.14 puts " (P)" or the like behind it.
_FRAME = re.compile(r"^\s{0,8}(?P<guess>\? )?(?P<function>[A-Za-z_][\w.$]{0,127})\+0x[0-9a-f]+/0x[0-9a-f]+")
# 32-bit arm names the caller too: " f from g+0x1/0x2", until 5.15 "[<c0101234>] (f) from [<c0105678>] (g+0x1/0x2)".
_ARM_FRAME = re.compile(r"^ ?(?:\[<[0-9a-f]{1,16}>\] \()?(?P<function>[A-Za-z_][\w.$]{0,127})(?: \[\w+\])?\)? from (?:\[<|[A-Za-z_][\w.$]{0,127}\+0x)")
# Where it crashed, as x86, arm64 and 32-bit arm put it.
_AT = re.compile(r"^(?:RIP: \d+:|pc : |PC is at )(?P<function>[A-Za-z_][\w.$]{0,127})\+0x")
# What stands among the frames of one stack: the registers of an exception, marks.
_IN_STACK = re.compile(r"^ ?(?:</?[A-Z#][\w ]{0,15}>|Code: |RIP: |R[A-Z]{2}: |R\d\d: |[A-Z]S: |[CD]R\d: |ORIG_RAX: |PKRU: |(?:pc|lr|sp|"
                       r"pstate) ?: |x\d+ ?: )")
_TASK = re.compile(r"^task:(?P<name>.{1,64}?) {0,64}\s?state:(?P<state>\S)\b.{0,200}?\bpid: {0,16}(?P<pid>\d{1,10})\b")
_SYSRQ_W = re.compile(r"^sysrq: Show Blocked State")
_HUNG_TASK = re.compile(r"^INFO: task ")
_STACK_LINES = 200
# Where a source file lies on the machine that built it. Of a file of the kernel's tree the path in the tree is kept, of a module's
# that was built elsewhere the driver's directory.
_BUILT_IN = (
    (re.compile(r"(?<!\S)/\S{0,1000}/(?=(?:arch|drivers|fs|kernel|mm|net)/\S{1,200}\.[chS]\b)"), ""),
    (re.compile(r"(?<!\S)/\S{0,1000}/(?=[^/\s]{1,100}/[^/\s]{1,100}\.[chS]\b)"), ""),
)
# Order matters: addresses before plain numbers.
_NOISE = (
    *_BUILT_IN,
    # Which worker of a pool it was is chance; an interrupt's number takes room from the name behind it, which is cut to 15 characters.
    (re.compile(r"\bkworker/u?\d+:\d+[HI]*(?:[-+][\w-]*)?"), "kworker"),
    (re.compile(r"\birq/\d+-(?:s-)?([\w-]{1,6})[\w-]*"), r"irq/N-\1"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "X"),
    (re.compile(r"\b(?=[0-9a-f]{0,15}\d)[0-9a-f]{8,16}\b"), "X"),
    (re.compile(r"\.(?:isra|constprop|part|cold|llvm)(?:\.\d+)?\b"), ""),
    (re.compile(r"\d+"), "N"),
)


@dataclass(frozen=True)
class Match:
    """A place in the log where a rule applies. `victim` only for OOM kills: hog, client, agent or other."""

    rule: Rule
    kind: str
    signature: str
    t_s: float | None
    excerpt: str
    victim: str | None = None


@dataclass(frozen=True)
class BlockedTask:
    """A task in uninterruptible sleep as the kernel showed it; `frames` innermost first."""

    name: str
    state: str
    pid: int
    t_s: float | None
    from_sysrq: bool
    frames: tuple[str, ...]


@dataclass(frozen=True)
class _Place:
    """A line that a rule takes."""

    at: int
    rule: Rule
    found: re.Match[str]


def normalise(text: str) -> str:
    """`text` without what differs between two machines: addresses, numbers, compiler suffixes, where it was built."""
    for pattern, instead in _NOISE:
        text = pattern.sub(instead, text)
    return " ".join(text.split())


def _frame(line: Line) -> re.Match[str] | None:
    return _FRAME.match(line.text) or _ARM_FRAME.match(line.text)


def _frames(lines: Iterable[Line]) -> Iterator[str]:
    for line in lines:
        frame = _frame(line) or _AT.match(line.text)
        if frame and not frame.groupdict().get("guess"):
            yield frame["function"]


def naming_frame(frames: Iterable[str]) -> str | None:
    """The first function that is not merely how every task waits, allocates or crashes."""
    return next((f for f in map(normalise, frames) if f and not FRAMES_THAT_NAME_NOTHING.match(f)), None)


def _of_one_printer(lines: Sequence[Line], start: int, stop: int, limit: int) -> list[Line]:
    """At most `limit` lines from `start` on, before `stop`; where the kernel says which task or CPU printed each (CONFIG_PRINTK_CALLER), only those
    of the same one: two reports at a time are taken apart."""
    printer = lines[start].printer
    return [line for line in lines[start:min(stop, start + 3 * limit)] if line.printer == printer][:limit]


def _stack_goes_on(line: Line) -> bool:
    return bool(_frame(line) or _IN_STACK.match(line.text))


def _report(rule: Rule, lines: Sequence[Line], start: int, stop: int) -> list[Line]:
    """The lines of the report that begins at `start`: to its end mark, to where another begins, at most as many as the rule allows.

    Where nothing marks a stack's end (all but x86), the report ends with its first stack if that stack is what names it.
    """
    report: list[Line] = []
    marked, in_stack = rule.end is not REPORT_ENDS, False
    for line in _of_one_printer(lines, start, stop, rule.lines):
        if report and rule.frame and in_stack and not marked and not _stack_goes_on(line):
            break
        report.append(line)
        if len(report) > 1 and rule.end.match(line.text):
            break
        marked = marked or line.text.strip() in ("<TASK>", "<IRQ>")
        in_stack = in_stack or bool(_frame(line))
    return report


def _signature(place: _Place, kind: str, report: Sequence[Line]) -> str:
    rule, groups = place.rule, place.found.groupdict()
    said = ": ".join(normalise(groups[name]) for name in ("what", "more", "also") if groups.get(name)) or rule.title or ""
    function = normalise(groups.get("function") or "")
    parts = [kind, f"{said} {function}".strip()]
    if rule.frame and not naming_frame([function]):
        parts.append(naming_frame(_frames(report)) or "")
    if rule.names:
        taken = (found for found in (rule.names.match(line.text) for line in report[1:]) if found)
        names = dict.fromkeys(normalise(next(group for group in found.groups() if group)) for found in taken)
        parts.append(", ".join(list(names)[:_NAMES_AT_MOST]))
    return ": ".join(part for part in parts if part)[:SIGNATURE_CHARACTERS]


def _match(place: _Place, lines: Sequence[Line], stop: int) -> Match:
    rule = place.rule
    report = _report(rule, lines, place.at, stop)
    victim = None
    kind = rule.kind
    if kind == "oom-kill":
        victim = next(who for who, pattern in VICTIMS if pattern.search(place.found["what"]))
        kind = f"{kind}-{victim}"
    return Match(rule, kind, _signature(place, kind, report), lines[place.at].t_s, "\n".join(line.text for line in report), victim)


def _told_again(places: Sequence[_Place]) -> Iterator[_Place]:
    """All but the choice of a victim whose kill is told as well."""
    killed = [(place.found["pid"], place.at) for place in places if place.rule.name == "oom-kill"]
    for place in places:
        if place.rule.name != "oom-chosen" or not any(pid == place.found["pid"] and at > place.at for pid, at in killed):
            yield place


def scan(lines: Sequence[Line], rules: Sequence[Rule] = RULES) -> list[Match]:
    """Every place where a rule applies, in the log's order; each line belongs to the first rule that takes it."""
    places = []
    for at, line in enumerate(lines):
        for rule in rules:
            found = rule.pattern.match(line.text)
            if found:
                places.append(_Place(at, rule, found))
                break
    stop_of: dict[int, int] = {}  # where the next report of the same printer begins
    next_of: dict[str | None, int] = {}
    for place in reversed(places):
        printer = lines[place.at].printer
        stop_of[place.at] = next_of.get(printer, len(lines))
        next_of[printer] = place.at
    return [_match(place, lines, stop_of[place.at]) for place in _told_again(places)]


def _stack(lines: Sequence[Line], start: int) -> Iterator[str]:
    """The functions of the stack that follows the line `start`, to where the kernel marks its end or something else begins."""
    marked = in_stack = False
    for line in _of_one_printer(lines, start, len(lines), _STACK_LINES)[1:]:
        if _TASK.match(line.text) or REPORT_ENDS.match(line.text) or (in_stack and not marked and not _stack_goes_on(line)):
            return
        marked = marked or line.text.strip() == "<TASK>"
        in_stack = in_stack or bool(_frame(line))
        yield from _frames([line])


def blocked_tasks(lines: Sequence[Line]) -> list[BlockedTask]:
    """The tasks in state D that hung-task reports and sysrq-w show; each pid as it was shown last."""
    tasks: dict[int, BlockedTask] = {}
    from_sysrq = False
    for at, line in enumerate(lines):
        if _SYSRQ_W.match(line.text) or _HUNG_TASK.match(line.text):
            from_sysrq = bool(_SYSRQ_W.match(line.text))
        task = _TASK.match(line.text)
        if task is None or task["state"] != "D":
            continue
        pid = int(task["pid"])
        tasks[pid] = BlockedTask(task["name"].strip(), task["state"], pid, line.t_s, from_sysrq, tuple(_stack(lines, at)))
    return list(tasks.values())
