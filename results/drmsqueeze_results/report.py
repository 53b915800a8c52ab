# SPDX-License-Identifier: MIT
"""Reports: report.html (one file, no network, no script), summary.md, results.ktap and the table for a terminal."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import jinja2
from rich.table import Table

from drmsqueeze_results.comparison import load_comparison
from drmsqueeze_results.comparison_model import Comparison
from drmsqueeze_results.ktap import ktap
from drmsqueeze_results.lockdep_views import SILENT_AFTERWARDS
from drmsqueeze_results.sections import ComparisonSection, RunsSection, Section, find_sections
from drmsqueeze_results.tables import comparison_grid, markdown_table, rich_table
from drmsqueeze_results.verdicts import level_name, milliseconds

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("drmsqueeze_results"), autoescape=jinja2.select_autoescape(["html", "html.j2"]),
    trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
_ENVIRONMENT.filters |= {"level": level_name, "ms": milliseconds, "markdown": markdown_table}


def summary_table(comparison: Comparison) -> Table:
    """The table that the command line prints for a comparison."""
    return rich_table(comparison_grid(comparison, short=True).without("runs", "p99", "least memory", "stalled time"))


def _lines(directory: Path, sections: Sequence[Section]) -> Iterator[tuple[str, str, str | None]]:
    for section in sections:
        if isinstance(section, RunsSection):
            for view in section.runs:
                yield (f"{view.run.scenario.name}.{view.kernel}.level-{view.run.level:g}.run-{view.name}",
                       view.run.status.value, view.run.verdict.reason_code)
    for path in sorted(directory.rglob("compare.json")):
        comparison = load_comparison(path.parent)
        for cell in comparison.cells:
            # In a comparison outcomes are what is measured: a run that gave data has done what it was for.
            kernel = comparison.arms[cell.arm].kernel
            yield (f"{comparison.scenario.name}.{kernel}.level-{cell.level:g}.run-{cell.index:04d}",
                   "pass" if cell.usable else cell.status, cell.reason_code)


def write_report(directory: Path, sections: Sequence[Section] | None = None) -> Path:
    """Write report.html, summary.md and results.ktap into `directory`; returns the path of the first.

    `sections` is what to show, in order; null: whatever find_sections() finds. Raises a ResultsError where there is
    nothing to report on, or where it is not in its format.
    """
    shown = find_sections(directory) if sections is None else tuple(sections)
    comparisons = [section for section in shown if isinstance(section, ComparisonSection)]
    context = {"sections": shown, "silent_afterwards": SILENT_AFTERWARDS, "title": (comparisons or shown)[0].title}
    path = directory / "report.html"
    path.write_text(_ENVIRONMENT.get_template("report.html.j2").render(context), encoding="utf-8")
    (directory / "summary.md").write_text(_ENVIRONMENT.get_template("summary.md.j2").render(context), encoding="utf-8")
    (directory / "results.ktap").write_text(ktap(_lines(directory, shown)), encoding="utf-8")
    return path
