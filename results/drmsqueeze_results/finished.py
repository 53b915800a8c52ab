# SPDX-License-Identifier: MIT
"""What a finished directory says to whoever counts tests: one result for each run and each comparison.

A comparison is itself a test, which passes once its plan was carried out; what it found is told, not judged.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from drmsqueeze_results.comparison import load_comparison
from drmsqueeze_results.comparison_model import Cell, Comparison
from drmsqueeze_results.errors import ResultsError
from drmsqueeze_results.model import Status, kernel_of
from drmsqueeze_results.outcomes import consider, load_run
from drmsqueeze_results.rounds import NOT_NEEDED, REPEATED
from drmsqueeze_results.section_parts import plan_of
from drmsqueeze_results.test_results import TestResult, as_data, machine_name, of_run, properties, run_name, seconds

NOT_RUN, NO_VERDICT = "not-run", "no-verdict"


def _missing(directory: Path) -> str:
    return "it was begun, and never finished" if directory.exists() else "it was planned, and there is no run"


def _broken(suite: str, name: str, code: str, sentence: str, directory: Path) -> TestResult:
    return TestResult(suite, name, Status.ERROR, code, (sentence,), (f"{code}: {sentence}",), (("reason", code), ("run_directory", str(directory))))


def _runs(group: Path, suite: str) -> Iterator[TestResult]:
    """The run directories of a plan, and what it has beside them: a run that was planned and is not there is no pass."""
    plan = plan_of(group)
    for path in _run_directories(group):
        yield _finished(path, suite)
    arms = plan.get("arms", {})
    for planned in plan.get("order", ()):
        directory = group / f"{planned['index']:04d}"
        if not (directory / "facts.json").exists():
            yield _broken(suite, run_name(directory.name, arms[planned["arm"]], planned["level"], planned.get("rate_hz")), NOT_RUN,
                          _missing(directory), directory)


def _without_plan(group: Path, place: str) -> list[TestResult]:
    """Runs that lie together, of whatever scenarios and machines: a night's."""
    found = [_finished(path, "") for path in _run_directories(group)]
    machines = [machine_name(str(dict(one.properties).get("machine", ""))) for one in found]
    several = len({*machines} - {""}) > 1
    return [replace(one, suite="/".join(part for part in (place, machine if several else "", one.suite) if part))
            for one, machine in zip(found, machines, strict=True)]


def _run_directories(group: Path) -> list[Path]:
    return sorted(facts.parent for facts in group.glob("*/facts.json"))


def _finished(path: Path, suite: str) -> TestResult:
    """Its suite is its scenario where none is given."""
    try:
        judgement = consider(path)
    except ResultsError as error:
        return _broken(suite or "broken", path.name, NO_VERDICT, str(error), path)
    run = judgement.run
    return of_run(judgement, path, suite or run.scenario.name, run_name(path.name, kernel_of(run), run.level, run.rate_hz))


def _cell(comparison: Comparison, cell: Cell, directory: Path, suite: str) -> TestResult:
    name = run_name(directory.name, comparison.arms[cell.arm].kernel, cell.level, cell.rate_hz)
    if cell.status == REPEATED:
        return TestResult(suite, name, Status.SKIP, REPEATED, ("its block was run again",), ("repeated: its block was run again",))
    if cell.status == "missing":
        return _broken(suite, name, NOT_RUN, _missing(directory), directory)
    try:
        run = load_run(directory)
        if run.status.usable and not run.jobs.hung:  # what most are, and there is no more to tell of them
            return TestResult(suite, name, Status.PASS, run.verdict.reason_code, (), (), properties(run, directory), seconds(run))
        return as_data(of_run(consider(directory), directory, suite, name))
    except ResultsError as error:
        return _broken(suite, name, NO_VERDICT, str(error), directory)


def _comparison(directory: Path, suite: str) -> Iterator[TestResult]:
    compared = load_comparison(directory)
    for cell in compared.cells:
        if cell.status != NOT_NEEDED:
            yield _cell(compared, cell, directory / "runs" / f"{cell.index:04d}", suite)
    verdict = (f"verdict: {compared.verdict.code}", compared.verdict.sentence)
    yield TestResult(suite, "comparison", Status.PASS if compared.carried_out else Status.ERROR, compared.verdict.code, (compared.verdict.sentence,),
                     verdict, (("verdict", compared.verdict.code), ("run_directory", str(directory))))


def results_of(directory: Path) -> list[TestResult]:
    """All results in a directory, however deep: of a run, of comparisons, of the runs of plans, of a night.

    The suite of a plan's runs is its place, or its scenario; that of other runs their place, machine (of several) and scenario. A run
    directory that cannot be judged, and a planned run that is not there, is an error of its own. Raises ResultsError for a compare.json
    that cannot be read.
    """
    if (directory / "facts.json").exists():
        return [_finished(directory, "")]
    found: list[TestResult] = []
    groups = sorted({*(path.parent for path in directory.rglob("plan.json")), *(path.parent.parent for path in directory.rglob("facts.json"))})
    for group in groups:
        if group.name == "runs" and group.parent in groups:
            continue  # of a comparison
        parts = group.relative_to(directory).parts
        plan = plan_of(group)
        if not plan:
            found += _without_plan(group, "/".join(parts[:-1] if parts[-1:] == ("runs",) else parts))
            continue
        suite = "/".join(parts) or plan["scenario"]["name"]
        if (group / "compare.json").exists():
            found += _comparison(group, suite)
        elif plan.get("purpose") == "compare":
            found += [as_data(result) for result in _runs(group / "runs", suite)]
            found.append(_broken(suite, "comparison", NOT_RUN, "there is no compare.json", group))
        else:
            found += _runs(group, suite)
    return found
