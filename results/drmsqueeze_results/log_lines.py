# SPDX-License-Identifier: MIT
"""The kernel's lines out of a log, in whatever form it was kept: a serial console, dmesg, netconsole, /dev/kmsg or the journal."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# The kernel cuts a line of its own at 1 KiB (PRINTKRB_RECORD_MAX) with its prefix at 2; what is longer did not come from it.
LINE_CHARACTERS = 4096

# "[   12.500000] ", with a level in front (dmesg -r, pstore) or who printed it behind (CONFIG_PRINTK_CALLER: a task, or a CPU).
_STAMP = re.compile(r"(?:<\d{1,3}>)?\[ {0,8}(?P<s>\d{1,9}\.\d{1,9})\](?:\[ *(?P<printer>[TC]\d{1,10})\])? ?")
# In the middle of a line, where a program or another line of the kernel was cut off: only exactly as the kernel prints it.
_INNER = re.compile(r"(?:<\d{1,3}>)?\[(?: {0,4}\d{1,9})\.\d{6}\](?=\[| |$)")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]|[\r\0]")
# /dev/kmsg and extended netconsole: level, sequence number, microseconds, flags.
_KMSG = re.compile(r"^\d{1,5},\d{1,20},(?P<us>\d{1,15}),[^;]{0,200};")
# dmesg -T, dmesg --time-format iso.
_HUMAN = re.compile(r"^\[(?:[A-Z][a-z]{2} ){2}[ \d]\d \d\d:\d\d:\d\d \d{4}\] |^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{1,9}\S{0,6} ")
# The journal's, and syslog's: time, host, who said it.
_JOURNAL = re.compile(r"^(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?\S{0,6}) "
                      r"[\w.-]{1,64} (?P<who>[^\s:\[]{1,64})(?:\[\d{1,10}\])?: ?")


@dataclass(frozen=True)
class Line:
    """One console line; `t_s` is the kernel's own time stamp in seconds, null where it printed none; `printer` is the task or the CPU
    that printed it, where the kernel says so."""

    t_s: float | None
    text: str
    printer: str | None = None


def _stamped(raw: str) -> Line | None:
    stamp = _STAMP.match(raw)
    return Line(float(stamp["s"]), raw[stamp.end():][:LINE_CHARACTERS], stamp["printer"]) if stamp else None


def _of_line(raw: str) -> Iterator[tuple[bool, Line]]:
    """The lines in one line of a log, each with whether it is the kernel's for certain: a second stamp begins a second one."""
    journal = _JOURNAL.match(raw)
    if journal and journal["who"] != "kernel":
        return
    kmsg = _KMSG.match(raw)
    if kmsg:
        yield True, Line(int(kmsg["us"]) / 1e6, raw[kmsg.end():][:LINE_CHARACTERS])
        return
    human = journal or _HUMAN.match(raw)
    rest = raw[human.end():] if human else raw
    starts = sorted({0} | {inner.start() for inner in _INNER.finditer(rest)})
    for start, end in zip(starts, [*starts[1:], len(rest)]):
        part = rest[start:end]
        line = _stamped(part)
        if line:
            yield True, line
        elif part or len(starts) == 1:
            yield bool(human), Line(None, part[:LINE_CHARACTERS])


def read_lines(text: str) -> list[Line]:
    """The kernel's lines of a log.

    Where the kernel's lines can be told (by their stamps, or by the journal), the others come from user space and are left out: a
    program that prints "BUG:" on the console has not found one.
    """
    lines = [found for raw in _ESCAPES.sub("", text).split("\n") for found in _of_line(raw)]
    return [line for certain, line in lines if certain] or [line for _, line in lines]
