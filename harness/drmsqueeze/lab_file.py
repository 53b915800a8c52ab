# SPDX-License-Identifier: MIT
"""The file that says what a lab runs at night: read and checked as a scenario is (lab.schema.json)."""

import glob
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from drmsqueeze import plan
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.machines import sites
from drmsqueeze.scenario import SCHEMA as SCENARIO_SCHEMA
from drmsqueeze.scenario import Scenario, checked, fill, load as load_scenario, parse as parse_scenario, read_text, refuse

SCHEMA = Path(__file__).with_name("lab.schema.json")


@dataclass(frozen=True)
class LabBoard:
    """A machine with what is to be run on it. `name` is what results call it: `vm`, `board NAME`.

    `fault`: why it cannot be had now, where that has nothing to do with the file; it is then called by the file's word for it.
    """

    name: str
    machine: str
    kernels: Sequence[str]
    scenarios: Sequence[Scenario]
    runs: int
    levels: Sequence[float] | None
    fault: str | None = None


@dataclass(frozen=True)
class LabFile:
    """The members of the file, with defaults filled in and paths made absolute."""

    file: Path
    results: Path
    budget_min: float
    errors_in_a_row: int
    run_limit_min: float
    boards: tuple[LabBoard, ...]


@lru_cache(maxsize=1)
def rules() -> dict[str, Any]:
    return json.loads(SCHEMA.read_text())  # type: ignore[no-any-return]


def _files(base: Path, pattern: str) -> list[Path]:
    found = sorted(Path(name) for name in glob.glob(str(base / Path(pattern).expanduser()), recursive=True))
    return [path for path in found if path.is_file() and path.resolve() != SCENARIO_SCHEMA]


def _scenarios(base: Path, patterns: Sequence[str], place: str) -> list[Scenario]:
    """Raises UsageError for a pattern that no file matches, a file that is no scenario, and two scenarios of one name."""
    files = {pattern: _files(base, pattern) for pattern in patterns}
    refuse(f'{place}/{at}: found "{pattern}", which no file matches; expected one that is there'
           for at, (pattern, matches) in enumerate(files.items()) if not matches)
    named: dict[str, Path] = {}
    scenarios = []
    for path in dict.fromkeys(path.resolve() for matches in files.values() for path in matches):
        scenarios.append(one := load_scenario(path))
        if one.name in named:
            raise UsageError(f"{place}: found two scenarios with the name {one.name}, {named[one.name]} and {path}; expected one")
        named[one.name] = path
    return scenarios


def _board(entry: dict[str, Any], base: Path, place: str) -> LabBoard:
    file, colon, target = entry["machine"].partition(":")  # labgrid's FILE.yaml:TARGET
    machine = f"{base / file}{colon}{target}" if (base / file).is_file() else entry["machine"]
    asked = entry.get("kernels") or [sites.default_kernel(machine)]
    name, fault = entry["machine"], None
    try:
        site = sites.site(machine)
        name = site.name
        for kernel in asked:
            site.refuse_kernel(kernel)
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None
    except InfrastructureError as error:
        fault = str(error)
    scenarios = _scenarios(base, entry["scenarios"], f"{place}/scenarios")
    if levels := entry.get("levels"):
        for one in scenarios:  # what makes a level must be in each of them
            parse_scenario(json.dumps(one.document | {"levels": levels}), f"{place}/levels: {one.name}")
    return LabBoard(name, machine, asked, scenarios, entry["runs"], levels, fault)


def parse(text: str, file: Path) -> LabFile:
    """Raises UsageError as for a scenario, and with the place of a machine, kernel or scenario that is none."""
    document = checked(text, str(file), rules())
    properties = rules()["properties"]
    fill(document, properties)
    for entry in document["boards"]:
        fill(entry, properties["boards"]["items"]["properties"])
    base = file.absolute().parent
    boards = tuple(_board(entry, base, f"{file}: /boards/{at}") for at, entry in enumerate(document["boards"]))
    refuse(f'{file}: /boards/{at}/machine: found "{board.name}" a second time; expected each machine once, with all its kernels'
           for at, board in enumerate(boards) if board.name in [other.name for other in boards[:at]])
    return LabFile(file.absolute(), (base / Path(document["results"]).expanduser()).absolute(), document["budget_min"],
                   document["errors_in_a_row"], document["run_limit_min"], boards)


def load(path: Path) -> LabFile:
    """Raises UsageError as `parse` does, and for a file that cannot be read."""
    return parse(read_text(path), path)


def planned(board: LabBoard, scenario: Scenario) -> Iterator[tuple[int, plan.PlannedRun]]:
    """The runs of a scenario on one kernel in a night, each with how many runs at its level and rate come before it."""
    at_levels = Scenario(scenario.document | {"levels": list(board.levels)}) if board.levels else scenario
    seen: dict[tuple[float, float | None], int] = {}
    for run in plan.make("run", at_levels, ["-"], board.runs).order:
        before = seen.get((run.level, run.rate_hz), 0)
        seen[run.level, run.rate_hz] = before + 1
        yield before, run
