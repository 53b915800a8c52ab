# SPDX-License-Identifier: MIT
"""Results as KTAP (Documentation/dev-tools/ktap.rst of Linux): one line for each run."""

from collections.abc import Iterable

from drmsqueeze_results.model import Status

_OK = {Status.PASS.value: "ok", Status.SKIP.value: "ok"}
_DIRECTIVE = {Status.SKIP.value: "SKIP"}


def ktap(lines: Iterable[tuple[str, str, str | None]]) -> str:
    """KTAP of (name, status, reason code); a status that is neither pass nor skip is "not ok"."""
    tests = list(lines)
    text = ["KTAP version 1", f"1..{len(tests)}"]
    for number, (name, status, reason) in enumerate(tests, 1):
        comment = "" if status == Status.PASS.value else f" # {_DIRECTIVE.get(status, status)} {reason or ''}".rstrip()
        text.append(f"{_OK.get(status, 'not ok')} {number} {name.replace(' ', '-').replace('#', '-')}{comment}")
    return "\n".join(text) + "\n"
