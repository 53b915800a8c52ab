# SPDX-License-Identifier: MIT
"""Results as KTAP (Documentation/dev-tools/ktap.rst of Linux): a test for each suite, and its runs as nested tests."""

from collections.abc import Iterable, Iterator

from drmsqueeze_results.model import Status
from drmsqueeze_results.test_results import TestResult

_DIRECTIVE = {Status.SKIP: "SKIP ", Status.ERROR: "ERROR ", Status.FAIL: ""}
_GOOD = (Status.PASS, Status.SKIP)


def _words(text: str) -> str:
    """On one line; a description must not have a number sign."""
    return " ".join(text.replace("#", "-").split())


def _result(number: int, name: str, status: Status, why: str) -> str:
    comment = f" # {_DIRECTIVE[status]}{' '.join(why.split())}".rstrip(" #") if status is not Status.PASS else ""
    return f"{'ok' if status in _GOOD else 'not ok'} {number} {_words(name)}{comment}"


def _nested(results: Iterable[TestResult]) -> Iterator[str]:
    for number, result in enumerate(results, 1):
        yield from (f"# {line}".rstrip() for text in result.told for line in text.splitlines())
        yield _result(number, result.name, result.status, result.why)


def _of_suite(results: Iterable[TestResult]) -> Status:
    """A test fails if any of its subtests does; those that were skipped count only where there is no other."""
    statuses = {result.status for result in results}
    return next(status for status in (Status.ERROR, Status.FAIL, Status.PASS, Status.SKIP) if status in statuses)


def ktap(results: Iterable[TestResult]) -> str:
    """KTAP of results. What is neither a pass nor a skip is "not ok", with its reasons in diagnostic lines above it."""
    suites: dict[str, list[TestResult]] = {}
    for result in results:
        suites.setdefault(result.suite, []).append(result)
    text = ["KTAP version 1", f"1..{len(suites)}"]
    for number, (suite, members) in enumerate(suites.items(), 1):
        text += [f"  {line}" for line in ("KTAP version 1", f"# Subtest: {_words(suite)}", f"1..{len(members)}", *_nested(members))]
        status = _of_suite(members)
        wrong = [result for result in members if result.status not in _GOOD]
        text.append(_result(number, suite, status, f"{len(wrong)} of {len(members)} are not ok" if wrong else ""))
    return "\n".join(text) + "\n"
