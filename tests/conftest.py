# SPDX-License-Identifier: MIT
"""Puts the project's packages on the path, so that a plain `pytest tests/harness` works; says which tests needed a second try."""

import sys
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "harness"), str(TOP / "results"), str(TOP / "tests")]

# Whole runs have seconds and threads of their own: of some 200 one may fail by chance. More at once is no chance.
MOST_UNSTEADY = 3


def _tried_again(config: pytest.Config) -> list[pytest.TestReport]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return list(reporter.stats.get("rerun", ())) if reporter else []


def pytest_sessionfinish(session: pytest.Session) -> None:
    if len(_tried_again(session.config)) > MOST_UNSTEADY:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The first failure of a test that was tried again is shown whole: it may be a fault that comes rarely."""
    unsteady = _tried_again(config)
    for report in unsteady:
        terminalreporter.write_sep("=", f"UNSTEADY: {report.nodeid} failed, and was tried again")
        terminalreporter.write_line(report.longreprtext)
    if len(unsteady) > MOST_UNSTEADY:
        terminalreporter.write_line(f"{len(unsteady)} tests needed a second try, more than {MOST_UNSTEADY}: that fails the tier.", red=True)
