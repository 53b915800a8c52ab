# SPDX-License-Identifier: MIT
"""`drmsqueeze report --junit` and `--ktap`: the same verdicts in both, and as the judge gives them; KTAP as the kernel's own parser reads it."""

import importlib
import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.finished import results_of
from drmsqueeze_results.outcomes import consider
from drmsqueeze_results.section_parts import kernel_of

from drmsqueeze import cache, cli
from drmsqueeze.kernels import bases

RUNS = Path(__file__).parents[1] / "data" / "runs"
KUNIT = "tools/testing/kunit"


@pytest.fixture(scope="module")
def kunit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The parser that the kernel's own kunit.py reads KTAP with, from the source of the lab kernel."""
    found = next((path for path in sorted(cache.root().glob(f"kernels/*/source/{KUNIT}")) if (path / "kunit_parser.py").exists()), None)
    if not found:
        scratch = tmp_path_factory.mktemp("kunit")
        subprocess.run(["tar", "-xf", bases()["lab"].source, "-C", scratch, "--strip-components=1", "--wildcards", f"*/{KUNIT}/*.py"], check=True)
        found = scratch / KUNIT
    sys.path.insert(0, str(found))
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    yield importlib.import_module("kunit_parser")
    sys.path.remove(str(found))
    sys.dont_write_bytecode = before


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All golden runs, in two sets: one has a plan, with a run that is not there and one that was not finished; the other is as a night's."""
    directory = tmp_path_factory.mktemp("golden") / "night"
    for at, run in enumerate(sorted(RUNS.iterdir())):
        shutil.copytree(run, directory / ("even" if at % 2 == 0 else "odd/deeper/runs") / run.name)
    document = {"purpose": "run", "arms": {"a": "lab"}, "scenario": {"name": "x"},
                "order": [{"index": index, "arm": "a", "level": 0.5} for index in (7, 8)]}
    (directory / "even" / "0008").mkdir()
    (directory / "even" / "plan.json").write_text(json.dumps(document))
    return directory


def in_junit(file: Path) -> dict[tuple[str, str], str]:
    """Each test's verdict, by suite and name."""
    words = {"failure": "fail", "error": "error", "skipped": "skip"}
    found = {}
    for case in ET.parse(file).iter("testcase"):
        said = [words[child.tag] for child in case if child.tag in words]
        assert len(said) <= 1, said
        found[case.attrib["classname"], case.attrib["name"]] = said[0] if said else "pass"
    return found


def in_ktap(parser: Any, text: str) -> dict[tuple[str, str], str]:
    parsed = parser.parse_run_tests(text.splitlines())
    assert parsed.counts.errors == 0, "the parser found fault with it"
    words = {parser.TestStatus.SUCCESS: "pass", parser.TestStatus.SKIPPED: "skip", parser.TestStatus.FAILURE: "fail"}
    errors = {line.split(" # ERROR ")[0].split(" ", 3)[3] for line in map(str.strip, text.splitlines()) if " # ERROR " in line}
    for suite in parsed.subtests:
        bad = any(test.status is parser.TestStatus.FAILURE for test in suite.subtests)
        assert (suite.status is parser.TestStatus.FAILURE) == bad and len(suite.subtests) == suite.expected_count
    return {(suite.name.replace("/", "."), test.name): "error" if test.name in errors else words[test.status]
            for suite in parsed.subtests for test in suite.subtests}


def test_junit_and_ktap_of_the_golden_runs_agree_run_by_run(golden: Path, tmp_path: Path, kunit: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(golden), "--junit", str(tmp_path / "junit.xml"), "--ktap", str(tmp_path / "ktap")]) == 0
    judged = {}
    for facts in golden.rglob("facts.json"):
        run = consider(facts.parent).run
        name = f"{facts.parent.name}[{kernel_of(run)},level={run.level:g}]"
        suite = "even" if facts.parent.parent.name == "even" else f"odd.deeper.{run.environment.machine.removeprefix('board ')}.{run.scenario.name}"
        judged[suite, name] = run.status.value
    judged |= {("even", f"000{number}[lab,level=0.5]"): "error" for number in (7, 8)}
    assert set(judged.values()) == {"pass", "fail", "error", "skip"}
    assert in_junit(tmp_path / "junit.xml") == judged
    assert "not-run: it was begun, and never finished" in (tmp_path / "ktap").read_text()
    assert in_ktap(kunit, (tmp_path / "ktap").read_text()) == judged


def test_a_hang_is_told_with_its_chain_and_where_the_evidence_lies(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In both files; and the facts of the run are properties."""
    run = tmp_path / "hung"
    shutil.copytree(RUNS / "hung-silent-sysrq", run)
    facts = json.loads((run / "facts.json").read_text())
    (run / "facts.json").write_text(json.dumps(facts | {"expect": None}))
    assert cli.main(["report", str(run), "--junit", str(tmp_path / "x.xml")]) == 0
    case = next(ET.parse(tmp_path / "x.xml").iter("testcase"))
    failure = case.find("failure")
    assert failure is not None and failure.text is not None
    for words in ("unexpected-outcome: hung: 1 of", "  irq/25-panfrost (answers the page faults",
                  "\n    waits for a fence, whose job needs irq/25-panfrost", "a circle, in which nobody can ever go on",
                  f"evidence: {run}, evidence/: blocked-tasks.json"):
        assert words in failure.text, words
    told = {entry.attrib["name"]: entry.attrib["value"] for entry in case.iter("property")}
    assert (told["driver"], told["kernel"], told["machine"], told["hung"], told["run_directory"]) == ("panfrost", "lab", "vm", "1", str(run))
    capfd.readouterr()
    assert cli.main(["report", str(run), "--ktap", "-"]) == 0
    seen = capfd.readouterr()
    assert seen.out.startswith("KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: panfrost-heap\n")
    assert "  #     waits for a fence, whose" in seen.out
    assert seen.err == f"report: {run / 'report.html'}\n"


def test_a_broken_run_directory_is_an_error_beside_the_others(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("completed", "failed"):
        shutil.copytree(RUNS / name, tmp_path / "night" / name)
    (tmp_path / "night" / "failed" / "facts.json").write_text("{")
    assert cli.main(["report", str(tmp_path / "night"), "--junit", str(tmp_path / "x.xml")]) == 3
    assert in_junit(tmp_path / "x.xml") == {("panfrost-heap", "completed[lab,level=0.05]"): "pass", ("broken", "failed"): "error"}
    assert "facts.json: not JSON" in capfd.readouterr().err


def test_machines_of_a_night_are_suites_of_their_own(tmp_path: Path) -> None:
    for name, machine in (("0000", "board one"), ("0001", "local one")):
        shutil.copytree(RUNS / "completed", tmp_path / "runs" / name)
        facts = json.loads((tmp_path / "runs" / name / "facts.json").read_text())
        (tmp_path / "runs" / name / "facts.json").write_text(json.dumps(facts | {"machine": facts["machine"] | {"kind": machine}}))
    assert [(one.suite, one.name) for one in results_of(tmp_path)] == [
        ("one/panfrost-heap", "0000[lab,level=0.05]"), ("local-one/panfrost-heap", "0001[lab,level=0.05]")]


def test_what_the_environment_asks_of_pytest_is_not_for_this(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(RUNS / "failed", tmp_path / "run")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-x --nonsense")
    assert cli.main(["report", str(tmp_path / "run"), "--junit", str(tmp_path / "x.xml")]) == 0
    assert list(in_junit(tmp_path / "x.xml").values()) == ["fail"]


@pytest.mark.parametrize("words", [["--junit", "-", "--ktap", "-"], ["--markdown", "--ktap", "-"]])
def test_two_of_them_do_not_go_to_one_place(tmp_path: Path, words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(RUNS / "failed", tmp_path / "run")
    assert cli.main(["report", str(tmp_path / "run"), *words]) == 2
    assert "standard output" in capfd.readouterr().err and not (tmp_path / "run" / "report.html").exists()
