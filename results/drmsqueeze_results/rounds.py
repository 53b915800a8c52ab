# SPDX-License-Identifier: MIT
"""What of a plan counts: blocks that were repeated, rounds that are complete, and cells that a sequential plan did not need."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from drmsqueeze_results import anytime
from drmsqueeze_results.analysis_model import RepeatedBlock
from drmsqueeze_results.comparison_model import Cell, Plan, PlannedCell
from drmsqueeze_results.model import RARE, Outcome, Run, Status

# Reasons for which a run gave no data that lie in the lab and not in the kernel that was tested: its block is run again. A hog that was
# killed, an injection that never fired, or a board that reset itself, may be the kernel's doing; to run again until it does not happen
# would hide that.
INFRASTRUCTURE = frozenset({"infrastructure", "boot-timeout", "agent-died", "machine-killed", "harness-killed", "link-lost", "time-limit", "agent-error",
                            "unreadable", "records-inconsistent", "records-damaged", "records-incomplete", "injection-unreported"})
REPEATED, NOT_NEEDED = "repeated", "not-needed"


def lost_to_infrastructure(status: str, reason_code: str | None) -> bool:
    """Whether a run that ended so gave no data through no doing of the kernel."""
    return status == Status.ERROR.value and reason_code in INFRASTRUCTURE


def repeated_by(order: Sequence[PlannedCell]) -> dict[int, int]:
    """The blocks that were run again, and the block that stands in the place of each."""
    return {cell.repeats: cell.block for cell in order if cell.repeats is not None}


def repeated_blocks(document: Mapping[str, Any], cells: Sequence[Cell]) -> tuple[RepeatedBlock, ...]:
    """Those of a plan.json; then, with null for what stands in their place, blocks that were lost to infrastructure and not repeated."""
    listed = [RepeatedBlock(**entry) for entry in document.get("repeated_blocks", ())]
    known = {entry.block for entry in listed}
    given_up = {cell.block: cell.reason_code or "" for cell in cells
                if lost_to_infrastructure(cell.status, cell.reason_code) and cell.block not in known}
    return (*listed, *(RepeatedBlock(block, None, reason) for block, reason in given_up.items()))


def _contribution(run: Run, outcome: str) -> float:
    """Whether the run had a rare outcome, else the share of its jobs."""
    count = run.jobs.of(Outcome(outcome))
    return float(count > 0) if outcome in RARE else count / run.jobs.submitted


def _difference(blocks: Sequence[Sequence[PlannedCell]], runs: Mapping[int, Run], question: anytime.Question) -> float | None:
    """Of a round: mean over its blocks with data of both arms, second arm minus first; null where there is no such block."""
    outcome, arms = question
    found = []
    for block in blocks:
        of_arm = {cell.arm: runs[cell.index] for cell in block if cell.index in runs and runs[cell.index].jobs.submitted}
        if arms[0] in of_arm and arms[1] in of_arm:
            found.append(_contribution(of_arm[arms[1]], outcome) - _contribution(of_arm[arms[0]], outcome))
    return sum(found) / len(found) if found else None


def standing(cell: Cell, replaced: Mapping[int, int], sequential: anytime.Sequential | None) -> Cell:
    """The cell with the status that it has in its plan: one that was run again, and one that no answer needed, is none of the others."""
    if cell.block in replaced:
        return dataclasses.replace(cell, status=REPEATED)
    if cell.status == "missing" and sequential and sequential.stopped == "answered":
        return dataclasses.replace(cell, status=NOT_NEEDED)
    return cell


def follow(plan: Plan, arms: Sequence[str], executed: Mapping[int, Run]) -> anytime.Sequential | None:
    """What the complete rounds of a sequential plan came to; null for a plan that is not sequential.

    `executed`: the runs that have a verdict, by index. Rounds count in their order up to the first that is
    not complete, whatever was run of later ones: so an interruption, a stop like any other to this method, biases nothing. Within a
    round, blocks that gave no data of both arms do not count; a round with no other is passed over.
    """
    if plan.design is None or plan.design.kind != "sequential":
        return None
    replaced = repeated_by(plan.order)
    rounds: dict[int, dict[int, list[PlannedCell]]] = {}
    for cell in plan.order:
        if cell.block not in replaced:
            rounds.setdefault(cell.unit, {}).setdefault(cell.block, []).append(cell)
    usable = {index: run for index, run in executed.items() if run.status.usable}
    questions = [(outcome, (arms[0], other)) for other in arms[1:] for outcome in plan.primary_outcomes]
    series: dict[anytime.Question, list[float]] = {question: [] for question in questions}
    for unit in sorted(rounds):
        blocks = list(rounds[unit].values())
        if any(cell.index not in executed for block in blocks for cell in block):
            break
        of_round = {question: _difference(blocks, usable, question) for question in questions}
        for question, difference in of_round.items():
            if None not in of_round.values() and difference is not None:
                series[question].append(difference)
    ended = all(cell.index in executed for blocks in rounds.values() for block in blocks.values() for cell in block)
    return anytime.follow(series, plan.alpha, plan.design.margin or 0.0, ended)
