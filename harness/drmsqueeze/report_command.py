# SPDX-License-Identifier: MIT
"""`drmsqueeze report`: old runs judged again with today's code, and what there is to read or to count of them."""

import argparse
import sys
from pathlib import Path

from drmsqueeze_results import comparison, outcomes, report
from drmsqueeze_results.errors import ResultsError
from drmsqueeze_results.finished import results_of

from drmsqueeze import progress, result_items
from drmsqueeze.errors import UsageError

STDOUT = Path("-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("directory", type=Path, metavar="DIR")
    add_markdown(parser)
    for form, what in (("junit", "JUnit XML"), ("ktap", "KTAP")):
        parser.add_argument(f"--{form}", type=Path, metavar="FILE", help=f"write the verdict of each run as {what}; - is standard output")


def add_markdown(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="print the summary as Markdown, for a mail or a merge request, and nothing else")


def print_markdown(directory: Path) -> None:
    """summary.md on standard output and nothing else, so that it can be piped into a mail or a merge request."""
    print((directory / report.SUMMARY).read_text(encoding="utf-8"), end="")
    progress.say(f"report: {directory / report.PAGE}")


def _judge(directory: Path) -> list[ResultsError]:
    """Judge all runs in a directory, and a comparison that it is. What is wrong with runs that cannot be judged."""
    facts = [path for path in (directory / "facts.json", *sorted(directory.glob("*/**/facts.json"))) if path.exists()]
    if not facts:
        raise UsageError(f"{directory}: found no run (facts.json) there; expected a directory that run, compare or demo wrote")
    broken = []
    for path in facts:
        try:
            outcomes.judge(path.parent)
        except ResultsError as error:
            broken.append(error)
    if (directory / "plan.json").exists() and not (directory / "facts.json").exists():
        comparison.compare(directory)
    return broken


def run(args: argparse.Namespace) -> int:
    """Write report.html anew, and what else is asked for. Returns 0, whatever the verdicts are; raises ResultsError for a broken run."""
    directory: Path = args.directory
    forms = {"junit": args.junit, "ktap": args.ktap}
    printed = [form for form, file in forms.items() if file == STDOUT]
    if len(printed) + args.markdown > 1:
        raise UsageError("only one of --markdown, --junit - and --ktap - can have the standard output")
    broken = _judge(directory)
    if any(forms.values()):
        results = results_of(directory)
        for form, file in forms.items():
            if file and file != STDOUT:
                result_items.WRITERS[form](results, directory, file)
        for form in printed:
            sys.stdout.write(result_items.as_text(results, directory, form))
    if broken:
        raise broken[0]
    page = report.write_report(directory)
    if args.markdown:
        print_markdown(directory)
    elif printed:
        progress.say(f"report: {page}")
    else:
        print(page)
    return 0
