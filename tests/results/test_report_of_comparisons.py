# SPDX-License-Identifier: MIT
"""The page of a comparison, section by section: what is there when there are data, and the sentence that stands there when not."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

import report_shapes
from report_shapes import MANY
from comparisons import KERNELS, make
from drmsqueeze_results.comparison import compare, load_comparison
from drmsqueeze_results.drawing import LINES, Pressure
from drmsqueeze_results.report import write_report
from test_report import Page, external, plot


def report(directory: Path) -> str:
    return write_report(directory).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The page of each shape of comparison."""
    top = tmp_path_factory.mktemp("shapes")
    return {name: report(build(top / name)) for name, build in report_shapes.SHAPES.items()}


@pytest.mark.parametrize("name", report_shapes.SHAPES)
def test_page_of_every_shape_is_sound(shapes: dict[str, str], name: str) -> None:
    page = Page(shapes[name])
    assert page.unbalanced == [] and page.stack == [] and external(shapes[name]) == []
    assert len(page.ids) == len(set(page.ids)), "two elements share an id"
    assert "None" not in page.words and "nan" not in page.text.split()
    drawn = re.findall(r"<svg class=\"plot\".*?</svg>", shapes[name], re.S)
    assert all("-data-" in svg for svg in drawn), "a plot shows no data"


def order(text: str, *words: str) -> None:
    places = [text.index(word) for word in words]
    assert places == sorted(places), dict(zip(words, places))


def test_the_answer_comes_first(shapes: dict[str, str]) -> None:
    order(shapes["two"], 'class="verdict"', "<table>", "<h3>Dose and response</h3>", "<h3>The trade",
          "<h3>By when what had happened", "<h3>What this does not show</h3>",
          ">Details</h2>", "<h3>Tests</h3>", "<h3>Never seen", "<h3>Exposure</h3>", "<h3>Environment</h3>",
          "<h3>Findings</h3>", "<h3>How to reproduce</h3>")


def test_headline_shows_points_curves_half_and_what_was_reached(shapes: dict[str, str]) -> None:
    page = Page(shapes["two"])
    headline = "Share of jobs that did not complete over memory left, by kernel"
    assert {headline, "Share of jobs that failed over memory left, by kernel", "Time stalled over memory left, by kernel",
            "Share of jobs that stalled or hung over memory left, by kernel"} <= set(page.plots)
    assert "PolyCollection" in plot(shapes["two"], headline), "the band of the curve"
    assert "PolyCollection" not in plot(shapes["one level"], headline)
    assert "half of the jobs do not complete with this much memory left" in page.text
    assert "half of the jobs do not complete" not in Page(shapes["nothing happened"]).text
    assert "Dose and response in numbers" in page.text and "The second kernel against the first, over the level" in page.text


def test_nothing_to_draw_is_a_sentence(tmp_path: Path) -> None:
    directory = make(tmp_path / "c", {0.02: {"a": [None], "b": [None]}})
    compare(directory)
    page = Page(report(directory))
    assert not [label for label in page.plots if not label.startswith("Over time")]
    for sentence in ("No run has submitted a job, so there is no response to show.",
                     "No run has submitted a job, so there is no trade to show.",
                     "No job completed, so there is no latency to show.", "No run has samples of memory and pressure."):
        assert sentence in page.text


def test_two_rates_are_panels_and_columns(shapes: dict[str, str]) -> None:
    page = Page(shapes["everything"])
    for what in ("Share of jobs that failed over memory left, by kernel",
                 "Failed share against stalled or hung share, by kernel and memory left", "Shares of outcomes over memory left, by kernel"):
        assert [label for label in page.plots if label.startswith(what)] == [f"{what}, at {rate} jobs/s" for rate in (10, 40)]
    assert page.tables[0][0][:3] == ["rate", "left", "kernel"] and "Demand rate 40 jobs/s" in page.text
    assert Page(shapes["two"]).tables[0][0][:2] == ["left", "kernel"] and "Demand rate" not in Page(shapes["two"]).text


def test_arms_are_told_apart_without_colours(shapes: dict[str, str]) -> None:
    assert all(len(set(map(str, members))) == len(LINES) for members in zip(*LINES))
    words = Page(shapes["everything"]).words
    for number, kernel in enumerate(MANY.values()):
        assert f"{'ABCD'[number]}: {kernel}" in words


def test_crowded_trade_names_only_the_ends(shapes: dict[str, str]) -> None:
    label = "Failed share against stalled or hung share"
    def named(shape: str) -> str:
        return " ".join(word for word in Page(plot(shapes[shape], label)).words if ": " in word)

    assert all(f"{letter}: 2 %" in named("everything") for letter in "ABCD") and "5 %" not in named("everything")
    assert "5 %" in named("two")


def test_levels_whose_names_would_cover_each_other() -> None:
    class Axes:
        names: list[str] = []

        def set_xticks(self, places: list[float], names: list[str] | None = None, minor: bool = False) -> None:
            self.names = names or self.names

        def set_xlim(self, *_: float) -> None: ...
        def set_xlabel(self, _: str) -> None: ...

    def names(*levels: float) -> list[str]:
        axes = Axes()
        Pressure(levels).dress(axes)
        return axes.names

    assert names(1.0, 0.2, 0.1, 0.05, 0.02) == ["100 %", "2 %", "5 %", "10 %", "20 %"]
    assert names(1.0, 0.99, 0.98, 0.01) == ["100 %", "1 %"]
    assert names(0.5, 0.0) == ["50 %", "0 %"] and names(0.0) == ["0 %"]


def test_sequential_section(shapes: dict[str, str]) -> None:
    page = Page(shapes["sequential"])
    for words in ("After 9 rounds: the question was answered.", "Method: hedged capital", "anytime-valid p",
                  "--until-sure --most-runs 200 --margin 0.05"):
        assert words in page.text, words
    assert "Evidence over rounds: failed" in page.plots and "Interval of the difference over rounds: failed" in page.plots
    other = Page(shapes["two"])
    assert "When it stopped" not in other.text and "--until-sure" not in other.text and "--runs 6" in other.text


def test_repeated_blocks_and_machines_and_factors(shapes: dict[str, str]) -> None:
    text = Page(shapes["everything"]).text
    for words in ("Blocks that were repeated", "guest did not boot", "By machine", "board-7", "Variants taken apart", "nowait x errfix",
                  "jobs per 1,000 growths", "heap growths differ by 12 %"):
        assert words in text, words
    for words in ("Blocks that were repeated", "By machine", "Variants taken apart", "jobs per 1,000 growths"):
        assert words not in Page(shapes["nothing happened"]).text, words


def test_commands_say_all_arms(tmp_path: Path) -> None:
    directory = make(tmp_path / "c", {0.02: {arm: [{"completed": 9, "p50_ms": 10}] * 2 for arm in MANY}}, MANY)
    compare(directory)
    assert ("./drmsqueeze compare DIR/scenario.json --a lab --b lab+panfrost-nowait --arm lab+panfrost-noretry "
            "--arm lab+panfrost-atomic --runs 2 --seed 1") in Page(report(directory)).text
    assert json.loads((directory / "scenario.json").read_text()) == {"name": "panfrost-heap"}


def test_verdict_is_in_junit_once(tmp_path: Path) -> None:
    directory = report_shapes.SHAPES["two"](tmp_path / "c")
    (directory / "junit.xml").write_text('<testsuites><testsuite name="pytest" tests="1"><testcase name="x" /></testsuite></testsuites>')
    verdict = load_comparison(directory).verdict
    for _ in range(2):
        write_report(directory)
        properties = ET.parse(directory / "junit.xml").findall("testsuite/properties/property")
        assert [(p.get("name"), p.get("value")) for p in properties] == [
            ("comparison-0.verdict", verdict.code), ("comparison-0.sentence", verdict.sentence)]
    assert ET.parse(directory / "junit.xml").find("testsuite/testcase") is not None


def test_a_comparison_that_was_not_carried_out_is_not_ok_in_ktap(tmp_path: Path) -> None:
    directory = make(tmp_path / "c", {0.02: {"a": [{"completed": 9, "p50_ms": 10}], "b": [None]}})
    compare(directory)
    write_report(directory)
    lines = (directory / "results.ktap").read_text().splitlines()
    assert [line.split(": ")[0] for line in lines if "ok " in line] == [
        "  ok 1 0000[lab,level=0.02]", "  not ok 2 0001[lab+panfrost-nowait,level=0.02] # ERROR not-run", "  not ok 3 comparison # ERROR not-comparable",
        "not ok 1 panfrost-heap # ERROR 2 of 3 are not ok"]


def test_kernel_names_that_markdown_knows(tmp_path: Path) -> None:
    kernels: dict[str, Any] = KERNELS | {"b": "a|b"}
    directory = make(tmp_path / "c", {0.02: {arm: [{"completed": 9, "p50_ms": 10}] for arm in kernels}}, kernels)
    compare(directory)
    write_report(directory)
    assert "| a\\|b " in (directory / "summary.md").read_text()


def test_who_waits_for_whom_is_beside_the_findings(tmp_path: Path, shapes: dict[str, str]) -> None:
    directory = report_shapes.hung(tmp_path / "c")
    text = report(directory)
    circles = [label for label in Page(text).plots if label.endswith("then again from the beginning")]
    assert [circle.split(" (")[0] for circle in circles] == ["irq/25-panfrost", "kworker/u4:2"]
    assert "In 1 of 1 runs of lab tasks were blocked" in Page(text).text
    order(text, "<h3>Findings</h3>", "Who waits for whom", "<h3>How to reproduce</h3>")
    assert "Who waits for whom" not in shapes["two"]


def test_old_directory_is_still_shown(tmp_path: Path) -> None:
    """A compare.json from before there were curves, the trade and incidence."""
    directory = report_shapes.SHAPES["two"](tmp_path / "c")
    document = json.loads((directory / "compare.json").read_text())
    for member in ("dose_response", "regression", "trade", "incidence", "exposure_note", "factorial", "strata", "sequential",
                   "repeated_blocks"):
        document.pop(member, None)
    (directory / "compare.json").write_text(json.dumps(document))
    page = Page(report(directory))
    assert "Latency of the jobs that completed" in page.text and "This was judged before there was such a plot" in page.text


def test_a_long_table_has_shares_above_the_plots_and_its_counts_below(shapes: dict[str, str]) -> None:
    """Four kernels at two rates have more rows than are taken in at once; five levels of two kernels have not."""
    assert "<h3>All counts</h3>" not in shapes["two"]
    order(shapes["everything"], 'class="verdict"', "<table>", "<h3>Dose and response</h3>", ">Details</h2>", "<h3>All counts</h3>")
