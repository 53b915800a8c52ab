# SPDX-License-Identifier: MIT
"""A result as a pytest item: what fails, errors and is skipped in pytest, in its junit.xml, and in KTAP is the same.

Here also: junit.xml of directories that are finished, written by pytest's own writer, with nothing carried out.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from drmsqueeze_results.ktap import ktap
from drmsqueeze_results.model import Status
from drmsqueeze_results.test_results import TestResult

from drmsqueeze.errors import InfrastructureError


class ResultItem(pytest.Item):
    """A run that could not do its work is an error of its setup, so that reports tell it from one that failed."""

    result: TestResult | None = None

    def show_setup(self, result: TestResult) -> None:
        """To be called at the end of setup(): ends it where the result is an error or a skip."""
        self.result = result
        self.user_properties[:] = [(name, value) for name, value in result.properties if value is not None]
        if result.status is Status.ERROR:
            self.broken("\n".join(result.told))
        if result.status is Status.SKIP:
            self.skipped(result.why)

    def broken(self, sentence: str) -> NoReturn:
        """Ends the setup: the run could not do its work. No traceback of ours says more."""
        pytest.fail(sentence, pytrace=False)

    def skipped(self, why: str) -> NoReturn:
        """Ends the setup: the target lacks something. Told of the item's own place, and not of this line."""
        raise pytest.skip.Exception(why, _use_item_location=True)

    def runtest(self) -> None:
        assert self.result is not None
        if self.result.status is Status.FAIL:
            pytest.fail("\n".join(self.result.told), pytrace=False)
        self.add_report_section("call", "run", "\n".join(self.result.told))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, 0, self.name


class _Finished(ResultItem):
    def __init__(self, *, finished: TestResult, **rest: Any) -> None:
        super().__init__(**rest)
        self._finished = finished

    def setup(self) -> None:
        self.show_setup(self._finished)


class _Collector:
    """Gives a session results that are there already, and each of them the time that it took when it was run."""

    def __init__(self, results: Sequence[TestResult]) -> None:
        self._results = results

    def pytest_collection(self, session: pytest.Session) -> bool:
        session.items = [_Finished.from_parent(session, name=one.name, nodeid=f"{one.suite}::{one.name}", finished=one) for one in self._results]
        session.testscollected = len(session.items)
        return True

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: _Finished, call: pytest.CallInfo[None]) -> Iterator[None]:
        outcome = yield
        outcome.get_result().duration = item._finished.seconds or 0.0 if call.when == "setup" else 0.0  # type: ignore[attr-defined]


@contextmanager
def _environment(without: str) -> Iterator[None]:
    kept = os.environ.pop(without, None)
    try:
        yield
    finally:
        if kept is not None:
            os.environ[without] = kept


def session(arguments: Sequence[str], plugins: Sequence[object]) -> int | pytest.ExitCode:
    """A pytest session of our own in this process: no terminal, no cache, and nothing of the user's configuration of pytest."""
    with _environment(without="PYTEST_ADDOPTS"):
        without = [word for name in ("terminal", "cacheprovider", "faulthandler", "labgrid") for word in ("-p", f"no:{name}")]
        return pytest.main([*without, "-c", "/dev/null", *arguments], plugins=[*plugins])


def junit(results: Sequence[TestResult], directory: Path, file: Path) -> None:
    """Write results of this directory as JUnit XML. Raises InfrastructureError where pytest could not."""
    status = session(["--capture=no", f"--rootdir={directory}", f"--junitxml={file.absolute()}", "-o", "junit_suite_name=drmsqueeze"],
                     [_Collector(results)])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise InfrastructureError(f"pytest ended with status {status!r}; {file} is not written")


def _ktap(results: Sequence[TestResult], directory: Path, file: Path) -> None:
    file.write_text(ktap(results), encoding="utf-8")


WRITERS: Mapping[str, Callable[[Sequence[TestResult], Path, Path], None]] = {"junit": junit, "ktap": _ktap}
"""How to write results of a directory into a file."""


def as_text(results: Sequence[TestResult], directory: Path, form: str) -> str:
    """Results in one of the forms of WRITERS."""
    with tempfile.TemporaryDirectory() as scratch:
        WRITERS[form](results, directory, Path(scratch) / form)
        return (Path(scratch) / form).read_text(encoding="utf-8")
