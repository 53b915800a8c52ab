# SPDX-License-Identifier: MIT
"""`drmsqueeze lava`: makes a job for LAVA, and within one tells LAVA what came out."""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from drmsqueeze_results.errors import ResultsError
from drmsqueeze_results.finished import results_of
from drmsqueeze_results.model import Finding, Outcome, Status
from drmsqueeze_results.outcomes import load_run
from drmsqueeze_results.test_results import TestResult

from drmsqueeze import lava, scenario
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.machines import board_file

# An error says nothing of the board, nor of its driver.
RESULTS = {Status.PASS: "pass", Status.FAIL: "fail", Status.SKIP: "skip", Status.ERROR: "unknown"}
Tell = Callable[[Sequence[str]], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    kinds = parser.add_subparsers(dest="kind", required=True)
    job = kinds.add_parser("job", help="a job definition, and its test definition alone, from a board's file")
    job.add_argument("board", type=Path, metavar="BOARD.json", help="with a member `lava` (docs/labs.md)")
    job.add_argument("configs", nargs="+", type=Path, metavar="CONFIG")
    job.add_argument("--runs", type=int, metavar="N", help="runs for each level (default: the scenario's)")
    job.add_argument("--out", type=Path, default=Path("."), metavar="DIR", help="where job.yaml and drmsqueeze.yaml go (default: here)")
    report = kinds.add_parser("report", help="tell each outcome of a result directory by lava-test-case, in a test shell of LAVA")
    report.add_argument("directory", type=Path, metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """Returns 0, whatever the outcomes are. Raises UsageError, and InfrastructureError outside a test shell of LAVA."""
    if args.kind == "report":
        return _report(args.directory)
    if args.runs is not None and args.runs < 1:
        raise UsageError(f"--runs: found {args.runs}; expected at least 1")
    args.out.mkdir(parents=True, exist_ok=True)
    scenarios = [scenario.load(path) for path in args.configs]
    if len({one.name for one in scenarios}) != len(scenarios):
        raise UsageError("two of these scenarios have the same name: " + ", ".join(one.name for one in scenarios))
    for file in lava.write(args.out, board_file.load(args.board), scenarios, args.runs):
        print(file)
    return 0


def _report(directory: Path) -> int:
    for program in ("lava-test-case", "lava-test-set"):
        if not shutil.which(program):
            raise InfrastructureError(f"{program} is not on PATH: this is no test shell of LAVA")
    results = results_of(directory) if directory.is_dir() else []
    if not results:
        raise UsageError(f"{directory}: found no run there; expected a directory that `run` wrote")
    tell(results, _call, _say)
    return 0


def _call(words: Sequence[str]) -> None:
    sys.stdout.flush()
    if subprocess.run(words).returncode:
        raise InfrastructureError(f"{' '.join(words)} failed")


def _say(line: str) -> None:
    print(harmless(line))


def harmless(text: str) -> str:
    """A line for a log that LAVA reads signals from: what a kernel or a scenario says is none."""
    return "".join(letter if letter.isprintable() else "?" for letter in text).replace("<LAVA_SIGNAL", "<LAVA-SIGNAL")


def identifier(text: str) -> str:
    """As LAVA takes it for a case or a set: without blanks and slashes, and no option."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-") or "unnamed"


def tell(results: Iterable[TestResult], call: Tell, say: Callable[[str], None]) -> None:
    """A test set for each suite, and in it for each run a case of its verdict, of each fate with its number of jobs, and of each finding.

    What people must know of a run, the chain of a hang above all, goes to the log before its verdict.
    """
    suite = None
    for result in results:
        if result.suite != suite:
            if suite is not None:
                call(["lava-test-set", "stop"])
            suite = result.suite
            call(["lava-test-set", "start", identifier(suite)])
        name = identifier(result.name)
        for line in result.told:
            say(f"{name}: {line}")
        call(["lava-test-case", name, "--result", RESULTS[result.status], *_measured(result.seconds, "seconds")])
        for case, outcome, count, units in _details(result):
            call(["lava-test-case", f"{name}.{case}", "--result", outcome, *_measured(count, units)])
    if suite is not None:
        call(["lava-test-set", "stop"])


def _measured(value: float | None, units: str) -> list[str]:
    return [] if value is None else ["--measurement", f"{value:g}" if isinstance(value, float) else str(value), "--units", units]


def _details(result: TestResult) -> Iterable[tuple[str, str, int, str]]:
    """Fates, then kinds of findings: name, result, number and what of. They fail where their run does: fates other than
    `completed`, and findings that are not expected."""
    facts = dict(result.properties)
    whole = RESULTS[result.status]
    for fate in Outcome:
        if fate.value in facts:
            count = int(facts[fate.value])
            harmed = result.status is Status.FAIL and count and fate is not Outcome.COMPLETED
            yield fate.value, "fail" if harmed else "pass" if result.status.usable else whole, count, "jobs"
    kinds: dict[str, list[Finding]] = {}
    for finding in _findings(facts.get("run_directory")):
        kinds.setdefault(finding.kind, []).append(finding)
    for kind, found in kinds.items():
        harmed = result.status is Status.FAIL and not all(one.expected for one in found)
        outcome = "fail" if harmed else "pass" if result.status.usable else whole
        yield f"finding.{identifier(kind)}", outcome, sum(one.count for one in found), "times"


def _findings(directory: str | None) -> Sequence[Finding]:
    try:
        return load_run(Path(directory)).findings if directory else ()
    except (ResultsError, OSError):
        return ()
