# SPDX-License-Identifier: MIT
"""What a campaign came to: a table on the terminal, summary.json and summary.md."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from drmsqueeze_results.documents import write_json
from rich.table import Table

from drmsqueeze.campaign import killers
from drmsqueeze.campaign.checks import CHECKS
from drmsqueeze.campaign.round import Outcome

COLUMNS = ("killer", "rounds", "kills", "resumes", "runs cut off", "pass", "fail", "error", "wrong")


def _rows(done: Sequence[Outcome]) -> list[list[str]]:
    rows = []
    named = {killer.name: [one for one in done if one.killer == killer.name and not one.skipped] for killer in killers.KILLERS}
    for name, mine in [*named.items(), ("all", [one for one in done if not one.skipped])]:
        if not mine:
            continue
        verdicts = [sum(one.statuses.get(status, 0) for one in mine) for status in ("pass", "fail", "error")]
        wrong = [one for one in mine if one.faults]
        checks = sorted({check for one in wrong for check in one.faults})
        rows.append([name, *map(str, (len(mine), sum(one.acted for one in mine), sum(one.resumes for one in mine),
                                      sum(one.lost_attempts for one in mine), *verdicts)),
                     f"{len(wrong)}" + (f" ({', '.join(checks)})" if checks else "")])
    return rows


def table(done: Sequence[Outcome]) -> Table:
    grid = Table(title="campaign", box=None, padding=(0, 1), pad_edge=False)
    for column in COLUMNS:
        grid.add_column(column, no_wrap=column == "killer", justify="left" if column in ("killer", "wrong") else "right")
    for row in _rows(done):
        grid.add_row(*row)
    return grid


def sentences(done: Sequence[Outcome]) -> list[str]:
    skipped = [one for one in done if one.skipped]
    wrong = [one for one in done if one.faults]
    said = [f"{len(skipped)} rounds left out: {skipped[0].skipped}"] if skipped else []
    ran = len(done) - len(skipped)
    return [*said, f"{ran} rounds, {len(wrong)} with something wrong" if wrong else
            f"{ran} rounds: {', '.join(CHECKS)}: nothing found wrong"]


def markdown(args: argparse.Namespace, done: Sequence[Outcome], seconds: float) -> str:
    lines = [f"`drmsqueeze selftest --kills {args.kills} --seed {args.seed} --machine {args.machine}`: {len(done)} rounds in {seconds:.0f} s.", "",
             "| " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * (len(COLUMNS) - 2) + "---|"]
    lines += ["| " + " | ".join(row) + " |" for row in _rows(done)]
    return "\n".join([*lines, "", *sentences(done), ""])


def write(out: Path, args: argparse.Namespace, done: Sequence[Outcome], seconds: float) -> None:
    """summary.json and summary.md, of the rounds that are done by now."""
    ordered = sorted(done, key=lambda one: one.number)
    write_json(out / "summary.json", {
        "schema": "drmsqueeze.campaign/1", "machine": args.machine, "seed": args.seed, "kills": args.kills, "done": len(done),
        "wrong": sum(bool(one.faults) for one in done), "seconds": round(seconds, 1), "plant": args.plant,
        "rounds": [{name: value for name, value in asdict(one).items() if name != "told"} for one in ordered]})
    (out / "summary.md").write_text(markdown(args, ordered, seconds))


def write_round(path: Path, outcome: Outcome, command: str) -> None:
    path.write_text(json.dumps({"schema": "drmsqueeze.campaign-round/1", "again": command, **asdict(outcome)}, indent=1) + "\n")
