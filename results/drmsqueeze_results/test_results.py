# SPDX-License-Identifier: MIT
"""What a run says to whoever counts tests (pytest, KTAP, JUnit, LAVA), and to who reads a log. finished.py: what a directory of them says.

In a comparison outcomes are what is measured: a run that gave data has done what it was for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drmsqueeze_results import chain_picture
from drmsqueeze_results.model import Outcome, Run, Status, kernel_of
from drmsqueeze_results.outcomes import Judgement

MOST_NAMES = 6  # of blocked tasks, where no chain tells of them


@dataclass(frozen=True)
class TestResult:
    """`suite` and `name` tell it from all others of its directory. `told`: lines for people; `properties`: facts for a CI.

    `seconds` is what it took, of the host's clock; null: not known.
    """

    suite: str
    name: str
    status: Status
    reason_code: str
    reasons: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    properties: tuple[tuple[str, Any], ...] = ()
    seconds: float | None = None

    @property
    def why(self) -> str:
        """The code, and the first reason: for one line."""
        return f"{self.reason_code}: {self.reasons[0]}" if self.reasons else self.reason_code


def run_name(number: str, kernel: str, level: float, rate_hz: float | None = None, machine: str | None = None) -> str:
    """What a run is called among those of its suite: `0003[lab,level=0.05]`, and where there are several machines, which."""
    rate = () if rate_hz is None else (f"rate={rate_hz:g}",)
    return f"{number}[{','.join((*((machine,) if machine else ()), kernel, f'level={level:g}', *rate))}]"


def machine_name(kind: str) -> str:
    """Short for a machine as facts.json has it: `rock5b` for `board rock5b`, `local-host` for `local host`."""
    return kind.removeprefix("board ").replace(" ", "-")


def properties(run: Run, directory: Path) -> tuple[tuple[str, Any], ...]:
    """The facts of a run that a CI wants, by name."""
    environment = run.environment
    return (("machine", environment.machine), ("kernel", kernel_of(run)), ("release", environment.kernel.release),
            ("driver", environment.driver.name), ("level", run.level), ("seed", run.scenario.seed), ("reason", run.verdict.reason_code),
            ("jobs", run.jobs.submitted), *((outcome.value, run.jobs.of(outcome)) for outcome in Outcome), ("run_directory", str(directory)))


def _of_a_hang(judgement: Judgement) -> Iterator[str]:
    for chain in judgement.chains:
        yield "who waits for whom:"
        yield from (f"  {line}" for line in chain_picture.text_lines(chain))
    if not judgement.chains and judgement.run.jobs.hung:
        stuck = [one.text for one in judgement.run.witnesses if one.kind == "d-state" and one.text]
        names = list(dict.fromkeys([*(task.name for task in judgement.blocked), *stuck]))
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        yield ("who waits for whom is not known; " + (f"blocked are {', '.join(names[:MOST_NAMES])}{more}" if names else "no blocked task was seen"))


def told(judgement: Judgement, directory: Path) -> tuple[str, ...]:
    """A run for a log: why it has its verdict, its fates, its witnesses, who waits for whom where it hangs, and where the evidence lies."""
    run = judgement.run
    lines = [f"{run.verdict.reason_code}: {reason}" if at == 0 else reason for at, reason in enumerate(run.verdict.reasons)]
    fates = ", ".join(f"{run.jobs.of(outcome)} {outcome.value}" for outcome in Outcome if run.jobs.of(outcome))
    lines.append(f"jobs: {fates or 'none'}")
    if run.first_witness:
        lines.append("witnesses: " + ", ".join(f"{one.kind}{'' if one.first_s is None else f' at {one.first_s:.1f} s'}" for one in run.witnesses))
    lines += _of_a_hang(judgement)
    if run.status is not Status.PASS or run.jobs.hung:
        evidence = sorted(path.name for path in (directory / "evidence").glob("*"))
        lines.append(f"evidence: {directory}" + (f", evidence/: {', '.join(evidence)}" if evidence else ""))
    return tuple(lines)


def of_run(judgement: Judgement, directory: Path, suite: str, name: str) -> TestResult:
    """The result of a run that stands for itself."""
    run = judgement.run
    return TestResult(suite, name, run.status, run.verdict.reason_code, run.verdict.reasons, told(judgement, directory), properties(run, directory),
                      seconds(run))


def as_data(result: TestResult) -> TestResult:
    """A run of a comparison: one that gave data passes."""
    return replace(result, status=Status.PASS, reasons=()) if result.status.usable else result


def seconds(run: Run) -> float:
    return (run.timing_s.boot or 0.0) + (run.timing_s.run or 0.0)
