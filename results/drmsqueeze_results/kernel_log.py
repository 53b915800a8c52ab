# SPDX-License-Identifier: MIT
"""From a console log to findings, and to the stacks of blocked tasks. The rules are data, in kernel_rules."""

import re
from dataclasses import dataclass
from typing import Iterable, Iterator, Sequence

from drmsqueeze_results.kernel_rules import FRAMES_THAT_WAIT, RULES, VICTIMS, Rule

_STAMP = re.compile(r"^(?:<\d+>)?\[ *(?P<s>\d+\.\d+)\](?:\[ *[TC]\d+\])? ?")
_FRAME = re.compile(r"^\s+(?P<guess>\? )?(?P<function>[A-Za-z_][\w.$]*)\+0x[0-9a-f]+/0x[0-9a-f]+")
_RIP = re.compile(r"^RIP: \d+:(?P<function>[A-Za-z_][\w.$]*)\+0x")
_TASK = re.compile(r"^task:(?P<name>.+?)\s+state:(?P<state>\S)\b.*?\bpid:\s*(?P<pid>\d+)")
_SYSRQ_W = re.compile(r"^sysrq: Show Blocked State")
# What ends a report, so that an excerpt does not run on into the next one.
_END = re.compile(r"^(?:---\[ end |</TASK>$| </TASK>$|={10,}$)")
# Where a source file lies on the machine that built it. Of a file of the kernel's tree the path in the tree is kept, of a module's
# that was built elsewhere the driver's directory.
_BUILT_IN = (
    (re.compile(r"(?<!\S)/\S*/(?=(?:arch|drivers|fs|kernel|mm|net)/\S*\.[chS]\b)"), ""),
    (re.compile(r"(?<!\S)/\S*/(?=[^/\s]+/[^/\s]+\.[chS]\b)"), ""),
)
# Order matters: addresses before plain numbers.
_NOISE = (
    *_BUILT_IN,
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "X"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,16}\b"), "X"),
    (re.compile(r"\.(?:isra|constprop|part|cold)(?:\.\d+)?\b"), ""),
    (re.compile(r"\d+"), "N"),
)


@dataclass(frozen=True)
class Line:
    """One console line; `t_s` is the kernel's own time stamp in seconds, null where it printed none."""

    t_s: float | None
    text: str


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


def read_lines(text: str) -> list[Line]:
    """The kernel's lines of a console log.

    Where the kernel stamps its lines, lines without a stamp come from user space and are left out: a program that
    prints "BUG:" on the console has not found one.
    """
    lines = []
    for raw in text.replace("\r", "").split("\n"):
        stamp = _STAMP.match(raw)
        lines.append(Line(float(stamp["s"]), raw[stamp.end():]) if stamp else Line(None, raw))
    return [line for line in lines if line.t_s is not None] or lines


def normalise(text: str) -> str:
    """`text` without what differs between two machines: addresses, numbers, compiler suffixes, where it was built."""
    for pattern, instead in _NOISE:
        text = pattern.sub(instead, text)
    return " ".join(text.split())


def _frames(lines: Iterable[Line]) -> Iterator[str]:
    for line in lines:
        frame = _FRAME.match(line.text) or _RIP.match(line.text)
        if frame and not frame.groupdict().get("guess"):
            yield frame["function"]


def naming_frame(frames: Iterable[str]) -> str | None:
    """The first function that is not merely how every task waits or crashes."""
    return next((f for f in map(normalise, frames) if not FRAMES_THAT_WAIT.match(f)), None)


def _report(lines: Sequence[Line], start: int, limit: int) -> Sequence[Line]:
    """The lines of the report that begins at `start`: to its end mark, at most `limit`."""
    for end in range(start + 1, min(start + limit, len(lines))):
        if _END.match(lines[end].text):
            return lines[start:end + 1]
    return lines[start:start + limit]


def _match(rule: Rule, found: re.Match[str], lines: Sequence[Line], at: int) -> Match:
    report = _report(lines, at, rule.lines)
    what = found.groupdict().get("what")
    victim = None
    kind = rule.kind
    if kind == "oom-kill":
        victim = next(who for who, pattern in VICTIMS if pattern.search(what or ""))
        kind = f"{kind}-{victim}"
    parts = [kind, normalise(what) if what else None, naming_frame(_frames(report)) if rule.frame else None]
    signature = ": ".join(part for part in parts if part)
    return Match(rule, kind, signature, lines[at].t_s, "\n".join(line.text for line in report), victim)


def scan(lines: Sequence[Line], rules: Sequence[Rule] = RULES) -> list[Match]:
    """Every place where a rule applies, in the log's order; each line belongs to the first rule that takes it."""
    matches = []
    for at, line in enumerate(lines):
        for rule in rules:
            found = rule.pattern.match(line.text)
            if found:
                matches.append(_match(rule, found, lines, at))
                break
    return matches


def blocked_tasks(lines: Sequence[Line]) -> list[BlockedTask]:
    """The tasks in state D that hung-task reports and sysrq-w show; each pid as it was shown last."""
    tasks: dict[int, BlockedTask] = {}
    from_sysrq = False
    for at, line in enumerate(lines):
        from_sysrq = from_sysrq or bool(_SYSRQ_W.match(line.text))
        task = _TASK.match(line.text)
        if task is None or task["state"] != "D":
            continue
        stack = []
        for following in lines[at + 1:]:
            if _TASK.match(following.text) or _END.match(following.text):
                break
            stack.append(following)
        pid = int(task["pid"])
        tasks[pid] = BlockedTask(task["name"].strip(), task["state"], pid, line.t_s, from_sysrq, tuple(_frames(stack)))
    return list(tasks.values())
