# SPDX-License-Identifier: MIT
"""Reports, read as a browser would read them: complete, self-contained, and with sums that are right."""

import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

import comparisons
from golden_data import DATA, edit
from drmsqueeze_results.comparison import compare
from drmsqueeze_results.errors import BadComparison
from drmsqueeze_results.outcomes import judge
from drmsqueeze_results.report import summary_table, write_report
from drmsqueeze_results.tables import TITLES

VOID = {"meta", "br", "hr", "img", "link", "input"}
REFERENCES = {"src", "href", "xlink:href", "action", "data", "poster", "srcset"}


class Page(HTMLParser):
    """Tables, plots, text and references of a page; `unbalanced` are end tags that close nothing."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.unbalanced: list[str] = []
        self.references: list[str] = []
        self.ids: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.plots: list[str] = []
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        self.references += [value or "" for name, value in attrs if name in REFERENCES]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "svg":
            if "aria-hidden" not in values:  # as swatches of a key are
                self.plots.append(values["aria-label"] or "")
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] != "style":
            self.words.append(data)
        if self.tables and {"td", "th"} & set(self.stack):
            self.tables[-1][-1][-1] += data

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def external(text: str) -> list[str]:
    """What a browser would fetch. Names of XML name spaces are no addresses."""
    page = Page(text)
    found = [reference for reference in page.references if not reference.startswith("#")]
    found += re.findall(r"@import[^;]*|url\((?!#)[^)]*\)", text)
    found += re.findall(r"https?://(?!www\.w3\.org/(?:2000/svg|1999/xlink))[^\s\"<]*", text)
    return found


def make_demo(tmp_path: Path) -> Path:
    """What `drmsqueeze demo` leaves: a comparison, and the pair of runs with the trap."""
    some = {"completed": 20, "p50_ms": 30}
    bad = {"completed": 4, "failed": 16, "p50_ms": 12, "status": "fail"}
    directory = comparisons.make(tmp_path / "demo", {1.0: {"a": [some] * 3, "b": [some] * 3},
                                                     0.02: {"a": [some] * 3, "b": [bad] * 3}})
    for run in (directory / "runs").iterdir():
        planned = json.loads((run / "run.json").read_text())
        for name in ("facts.json", "samples.jsonl"):
            shutil.copy(DATA / "runs" / "completed" / name, run / name)
        edit(run / "facts.json", **{member: planned[member] for member in ("level", "arm", "index", "block")})
    compare(directory)
    trap = directory / "trap"
    for number, name in enumerate(("hung-silent-sysrq", "trap-lives")):
        shutil.copytree(DATA / "runs" / name, trap / f"{number:04d}")
        judge(trap / f"{number:04d}")
    kernel = {"release": "6.12.117", "variant": "lab+panfrost-nowait", "config_sha256": None}
    edit(trap / "0001" / "facts.json", kernel=kernel)
    (trap / "plan.json").write_text(json.dumps(
        {"scenario": {"name": "shrinker-waits-for-fence", "traps": [{"trap": "shrinker-waits-for-fence"}]}}))
    return directory


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return make_demo(tmp_path)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with its report written, for tests that only read."""
    directory = make_demo(tmp_path_factory.mktemp("reported"))
    write_report(directory)
    return directory


def test_page_is_sound_and_needs_nothing_from_outside(reported: Path) -> None:
    text = (reported / "report.html").read_text()
    page = Page(text)
    assert page.unbalanced == [] and page.stack == []
    assert external(text) == []
    assert "script" not in page.tags
    assert len(page.ids) == len(set(page.ids)), "two elements share an id"
    assert {reference[1:] for reference in page.references} <= set(page.ids), "a reference leads nowhere"


def test_the_check_for_references_can_fail(reported: Path) -> None:
    text = (reported / "report.html").read_text()
    for smuggled in ('<img src="https://example.org/x.png">', '<link href="style.css">', "<style>@import 'x';</style>",
                     '<div style="background: url(x.png)"></div>'):
        assert external(text.replace("</main>", smuggled + "</main>")), smuggled


def test_page_tells_what_was_found(reported: Path) -> None:
    page = Page((reported / "report.html").read_text())
    sentence = json.loads((reported / "compare.json").read_text())["verdict"]["sentence"]
    assert sentence in page.text
    assert page.text.index(sentence) < page.text.index("Findings"), "the verdict comes first"
    circles = [plot for plot in page.plots if plot.endswith("then again from the beginning")]
    assert [circle.split(" (")[0] for circle in circles] == ["irq/25-panfrost", "kworker/u4:2"]
    assert page.plots[0] == "Share of jobs that did not complete over memory left, by kernel", "the headline"
    assert {"Shares of outcomes over memory left, by kernel", "Latency of completed jobs over memory left: p50",
            "Over time: available memory (MiB)"} <= set(page.plots)
    for words in ("locked up: the machine went silent with 1 job in flight",
                  "failed the job after 31 ms, and the machine works on", "Planted:", "panfrost_mmu_map_fault_addr",
                  "panfrost_core_dump", "What this does not show",
                  "./drmsqueeze compare DIR/scenario.json --a lab --b lab+panfrost-nowait --runs 3 --seed 1",
                  "/scenario.json --kernel lab+panfrost-nowait"):
        assert words in page.text, words


def test_rows_of_the_table_sum_up(reported: Path) -> None:
    head, *rows = Page((reported / "report.html").read_text()).tables[0]
    fates = [at for at, name in enumerate(head) if name in TITLES.values()]
    assert len(rows) == 4
    for row in rows:
        assert sum(int(row[at].split()[0]) for at in fates) == int(row[head.index("jobs")]) == 60


def plot(text: str, label: str) -> str:
    """The SVG text of the plot whose label begins so."""
    found = re.search(rf'<svg [^>]*aria-label="{label}.*?</svg>', text, re.S)
    assert found, label
    return found[0]


def test_plots_take_the_colour_of_the_page_and_show_both_arms(reported: Path) -> None:
    text = (reported / "report.html").read_text()
    shares = plot(text, "Shares of outcomes")
    assert "currentColor" in shares and "#010203" not in text
    assert "<pattern" in shares, "outcomes are told apart by colour alone"
    words = Page(shares).words
    for word in ("100 %   A", "2 %   A", "B"):
        assert word in words, word


def test_reports_are_reproducible(demo: Path) -> None:
    first = write_report(demo).read_bytes()
    assert write_report(demo).read_bytes() == first


def test_hostile_text_stays_text(demo: Path) -> None:
    """A console log is written by whatever crashed: none of it becomes markup."""
    console = demo / "trap" / "0000" / "console.log"
    console.write_text(console.read_text() + "[   20.0] Kernel panic - not syncing: <script>alert(1)</script>\n")
    text = write_report(demo).read_text()
    assert "<script" not in text and "&lt;script&gt;" in text


def test_summary_and_ktap(reported: Path) -> None:
    summary = (reported / "summary.md").read_text()
    assert summary.startswith("## panfrost-heap: lab against lab+panfrost-nowait\n")
    assert re.search(r"^\| 2 % +\| lab\+panfrost-nowait \| +3 \| +60 \| +12 \(20 %\) \| 48 \(80 %\) \| +0 \| +0 \| 12 ms \| +36 ms \|$", summary, re.M)
    assert max(len(line) for line in summary.splitlines() if line[:1] not in "|" and line[:3] not in ("## ", "   ", "- 0")) <= 75, "fit for a mail"
    assert "> Planted on purpose: shrinker-waits-for-fence." in summary
    lines = (reported / "results.ktap").read_text().splitlines()
    assert lines[:5] == ["KTAP version 1", "1..2", "  KTAP version 1", "  # Subtest: panfrost-heap", "  1..13"]
    assert re.fullmatch(r"  ok 1 0000\[lab,level=[\d.]+\]", lines[5])
    assert all(line.startswith(("  ", "ok ")) for line in lines[2:]) and not [line for line in lines if line.startswith("not ok")]
    verdict = json.loads((reported / "compare.json").read_text())["verdict"]
    at = lines.index("ok 1 panfrost-heap")
    assert lines[at - 3:at] == [f"  # verdict: {verdict['code']}", f"  # {verdict['sentence']}", "  ok 13 comparison"]


def test_ktap_tells_errors_and_skips(tmp_path: Path) -> None:
    for name in ("failed", "skip-unsupported", "completed"):
        shutil.copytree(DATA / "runs" / name, tmp_path / "set" / name)
    write_report(tmp_path)
    assert (tmp_path / "results.ktap").read_text() == (
        "KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: set/panfrost-heap\n  1..3\n"
        "  # jobs: 5 completed\n"
        "  ok 1 completed[lab,level=0.05]\n"
        "  # unexpected-outcome: failed: 2 of 5 jobs, none expected.\n"
        "  # jobs: 3 completed, 2 failed\n"
        f"  # evidence: {tmp_path}/set/failed\n"
        "  not ok 2 failed[lab,level=0.05] # unexpected-outcome: failed: 2 of 5 jobs, none expected.\n"
        "  # unsupported: vgem has no heap to grow\n"
        "  # jobs: none\n"
        f"  # evidence: {tmp_path}/set/skip-unsupported\n"
        "  ok 3 skip-unsupported[lab,level=0.05] # SKIP unsupported: vgem has no heap to grow\n"
        "not ok 1 set/panfrost-heap # 1 of 3 are not ok\n")


@pytest.mark.parametrize("name", [
    "boot-timeout", "corrupted", "hog-killed", "hung-in-flight", "infrastructure", "injected", "lost-record", "no-jobs",
    "restored-false", "skip-unsupported", "stalled", "timed-out", "warn"])
def test_runs_of_every_shape_can_be_reported(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    shutil.copytree(DATA / "runs" / name, directory)
    run = judge(directory)
    text = write_report(directory).read_text()
    page = Page(text)
    assert page.unbalanced == [] and external(text) == []
    for reason in run.verdict.reasons:
        assert re.sub(r"\s+", " ", reason) in page.text


def test_terminal_table(demo: Path) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(summary_table(compare(demo)))
    text = console.export_text()
    assert "…" not in text, "it fits a terminal of 80 columns"
    assert re.search(r"2 % +lab\+panfrost-nowait +60 +20 % +80 % +0 +0 +12 ms", text)


def test_nothing_to_report_on(tmp_path: Path) -> None:
    with pytest.raises(BadComparison, match="no run and no comparison"):
        write_report(tmp_path)
