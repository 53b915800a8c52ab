# SPDX-License-Identifier: MIT
"""Results as KTAP (Documentation/dev-tools/ktap.rst of Linux): one line for each run, and one for each comparison."""

from collections.abc import Iterable
from dataclasses import dataclass

from drmsqueeze_results.model import Status

_OK = {Status.PASS.value: "ok", Status.SKIP.value: "ok"}
_DIRECTIVE = {Status.SKIP.value: "SKIP"}


@dataclass(frozen=True)
class KtapLine:
    """A test: what it is called, its status, why, and what there is to tell of it (each a diagnostic line above the result)."""

    name: str
    status: str
    reason: str | None
    told: tuple[str, ...] = ()


def ktap(lines: Iterable[KtapLine]) -> str:
    """KTAP of `lines`; a status that is neither pass nor skip is "not ok"."""
    tests = list(lines)
    text = ["KTAP version 1", f"1..{len(tests)}"]
    for number, test in enumerate(tests, 1):
        comment = "" if test.status == Status.PASS.value else f" # {_DIRECTIVE.get(test.status, test.status)} {test.reason or ''}".rstrip()
        text += [f"# {' '.join(told.split())}" for told in test.told]
        text.append(f"{_OK.get(test.status, 'not ok')} {number} {test.name.replace(' ', '-').replace('#', '-')}{comment}")
    return "\n".join(text) + "\n"
