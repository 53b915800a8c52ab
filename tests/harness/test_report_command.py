# SPDX-License-Identifier: MIT
"""`drmsqueeze report`: what it prints where."""

import shutil
from pathlib import Path

import pytest
from drmsqueeze import cli
from drmsqueeze_results.tables import Grid, rich_table

RUNS = Path(__file__).parents[1] / "data" / "runs"


def test_markdown_is_all_that_is_on_standard_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(RUNS / "failed", tmp_path / "run")
    assert cli.main(["report", str(tmp_path / "run"), "--markdown"]) == 0
    seen = capfd.readouterr()
    assert seen.out == (tmp_path / "run" / "summary.md").read_text() and seen.out.startswith("## ")
    assert seen.err == f"report: {tmp_path / 'run' / 'report.html'}\n"


def test_without_it_the_path_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(RUNS / "failed", tmp_path / "run")
    assert cli.main(["report", str(tmp_path / "run")]) == 0
    assert capfd.readouterr().out == f"{tmp_path / 'run' / 'report.html'}\n"


def test_a_wide_table_is_never_cut(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    kernel = "lab+panfrost-nowait+panfrost-errfix"
    cli._print_table(rich_table(Grid("wide", ("left", "kernel", "jobs"), (False, False, True), (("100 %", kernel, "1234567"),))))
    assert f"100 % {kernel} 1234567" in capfd.readouterr().out
