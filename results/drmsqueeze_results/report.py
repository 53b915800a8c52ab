# SPDX-License-Identifier: MIT
"""Reports: report.html (one file, no network, no script), summary.md, results.ktap, the verdict in junit.xml, and a table for a terminal."""

import re
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from rich.table import Table

from drmsqueeze_results.comparison_model import Comparison
from drmsqueeze_results.documents import write_json
from drmsqueeze_results.finished import results_of
from drmsqueeze_results.ktap import ktap
from drmsqueeze_results.lockdep_views import SILENT_AFTERWARDS
from drmsqueeze_results.section_parts import plan_of
from drmsqueeze_results.sections import ComparisonSection, Section, find_sections
from drmsqueeze_results.tables import REACHED, comparison_grid, markdown_table, rich_table
from drmsqueeze_results.verdicts import level_name, milliseconds

MAIL_WIDTH = 75
PAGE, SUMMARY = "report.html", "summary.md"
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("drmsqueeze_results"), autoescape=jinja2.select_autoescape(["html", "html.j2"]),
    trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)


def _unbroken(text: str) -> str:
    """A number stays with its unit at the end of a line."""
    return re.sub(r"(?<=\d) (?=%|ms|s\b|MiB)", "\N{NO-BREAK SPACE}", text)


def _lines_of_mail(text: str, first: str = "", others: str | None = None) -> str:
    """Text in lines fit for a mail, each after a prefix: `first`, then `others`."""
    return textwrap.fill(text, MAIL_WIDTH, initial_indent=first, subsequent_indent=first if others is None else others,
                         break_long_words=False, break_on_hyphens=False)


_ENVIRONMENT.filters |= {"level": level_name, "ms": milliseconds, "markdown": markdown_table, "unbroken": _unbroken,
                         "lines": _lines_of_mail}


def render(template: str, context: Mapping[str, object]) -> str:
    """A page of ours, in the look of the report."""
    return _ENVIRONMENT.get_template(template).render(context)


def summary_table(comparison: Comparison) -> Table:
    """The table that the command line prints for a comparison."""
    return rich_table(comparison_grid(comparison, short=True).without("runs", "p99", *REACHED))


def _write_verdict_to_junit(path: Path, sections: Sequence[ComparisonSection]) -> None:
    """Put the verdicts into the junit.xml that pytest has written, as properties of its suite; a second time they are replaced."""
    tree = ET.parse(path)
    suite = tree.find("testsuite")
    if suite is None:
        return
    properties = suite.find("properties")
    if properties is None:
        properties = ET.Element("properties")
        suite.insert(0, properties)
    for section in sections:
        for name, value in ((f"{section.slug}.verdict", section.code), (f"{section.slug}.sentence", section.sentence)):
            for old in properties.findall(f"property[@name='{name}']"):
                properties.remove(old)
            ET.SubElement(properties, "property", name=name, value=value)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def write_report(directory: Path, sections: Sequence[Section] | None = None) -> Path:
    """Write report.html, summary.md and results.ktap into `directory`, and a comparison's scenario.json; returns the path of the first.

    Where there is a junit.xml, the verdicts of comparisons go into it. `sections` is what to show, in order; null: whatever
    find_sections() finds. Raises a ResultsError where there is nothing to report on, or where it is not in its format.
    """
    shown = find_sections(directory) if sections is None else tuple(sections)
    comparisons = [section for section in shown if isinstance(section, ComparisonSection)]
    context = {"sections": shown, "silent_afterwards": SILENT_AFTERWARDS, "title": (comparisons or shown)[0].title}
    path = directory / PAGE
    path.write_text(_ENVIRONMENT.get_template("report.html.j2").render(context), encoding="utf-8")
    (directory / SUMMARY).write_text(_ENVIRONMENT.get_template("summary.md.j2").render(context), encoding="utf-8")
    (directory / "results.ktap").write_text(ktap(results_of(directory)), encoding="utf-8")
    for compared in directory.rglob("compare.json"):
        write_json(compared.with_name("scenario.json"), plan_of(compared.parent).get("scenario", {}))
    junit = directory / "junit.xml"
    if junit.exists() and comparisons:
        _write_verdict_to_junit(junit, comparisons)
    return path
