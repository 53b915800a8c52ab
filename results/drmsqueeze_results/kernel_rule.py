# SPDX-License-Identifier: MIT
"""What one rule for kernel messages is; the tables of them are kernel_rules and driver_rules."""

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from drmsqueeze_results.model import Outcome

# What ends a report, so that an excerpt does not run on into the next one.
REPORT_ENDS = re.compile(r"^(?:---\[ end |</TASK>$| </TASK>$|={10,}$)")


class Severity(str, Enum):
    """ERROR fails a run where it is not expected; WARNING and INFO are shown."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Rule:
    """One kind of message.

    What the groups `what`, `more` and `also` of the pattern take names the bug in the signature, or else `title`, or else the kind
    alone does. Group `function` stands behind it, and behind that who called it where it names no bug by itself. Group `pid` says
    whom an OOM kill hits.

    `pressure`: expected where the run was under pressure or injection. `explained_by`: expected where the scenario allows one of
    these outcomes, since the outcome is what is judged then. `witness`: the witness of a hang that this message is, if any.
    `frame`: the signature also names the function that waits or crashes, from the stack that follows. `names`: the signature also
    has what this takes (the first of its groups that is there) from the lines that follow, at most two of them. `lines`: how many
    lines the excerpt may take. `end`: the last line of the report.
    """

    name: str
    kind: str
    pattern: re.Pattern[str]
    severity: Severity
    source: str
    pressure: bool = False
    explained_by: frozenset[Outcome] = field(default_factory=frozenset)
    witness: str | None = None
    title: str | None = None
    frame: bool = False
    names: re.Pattern[str] | None = None
    lines: int = 1
    end: re.Pattern[str] = REPORT_ENDS

    def describe(self) -> str:
        """The rule in a line, for people."""
        expected = "; expected under pressure" if self.pressure else ""
        witness = f"; witness {self.witness}" if self.witness else ""
        return f"{self.kind}, {self.severity.value}{expected}{witness}; {self.source}"


HANG = frozenset({Outcome.HUNG, Outcome.STALLED})
GPU_STOPPED = frozenset({Outcome.TIMED_OUT, Outcome.FAILED, Outcome.STALLED, Outcome.HUNG})
ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def rule(name: str, pattern: str, severity: Severity, source: str, kind: str | None = None, **more: Any) -> Rule:
    """A rule; its kind is its name where none is given."""
    return Rule(name, kind or name, re.compile(pattern), severity, source, **more)
