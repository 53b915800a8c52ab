# SPDX-License-Identifier: MIT
"""Jobs for LAVA: a job definition and a test definition from a board's file, which run scenarios from a container beside the board.

The lab's own part, what deploys and boots the board, is passed through from the file's member `lava`. The rest is what a docker test
shell of LAVA (2023.01) has: lava-target-ip, LAVA_HARD_RESET_COMMAND, LAVA_CONNECTION_COMMAND, lava-test-case. No word of a scenario is
ever part of a step: files travel as base64.
"""

import base64
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import]

from drmsqueeze import plan
from drmsqueeze.errors import UsageError
from drmsqueeze.execute import time_limit_s
from drmsqueeze.machines.board_file import RUNNING, BoardFile
from drmsqueeze.scenario import Scenario

# What stands for the address of the board until the job knows it. A known_hosts file has it too.
TARGET = "drmsqueeze-target"
HARD_RESET = ["sh", "-ec", 'eval "${LAVA_HARD_RESET_COMMAND:?the lab gives no way to cut the power}"']
CONNECTION = ["sh", "-c", 'eval "exec ${LAVA_CONNECTION_COMMAND:?the lab gives no console}"']
# Of the lab's own actions that say nothing of their time.
ACTION_S = 900.0
# Of the container and of the harness, beside the runs.
OVERHEAD_S = 600.0


def _minutes(seconds: float) -> dict[str, int]:
    return {"minutes": max(1, math.ceil(seconds / 60))}


def _seconds(timeout: Mapping[str, Any] | None) -> float:
    units = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
    return sum(units[unit] * count for unit, count in (timeout or {}).items() if unit in units) or ACTION_S


def board_there(board: BoardFile) -> dict[str, Any]:
    """The file of the board as a container of LAVA reaches it."""
    assert board.ssh and board.lava
    ssh: dict[str, Any] = {"host": TARGET, "user": board.ssh.user, "known_hosts": "known_hosts"}
    ssh |= {name: value for name, value in (("port", board.ssh.port), ("identity", board.lava.get("identity"))) if value}
    document: dict[str, Any] = {
        "schema": "drmsqueeze.board/1", "name": board.name, "ssh": ssh, "power": {"cycle": HARD_RESET}, "limits_s": vars(board.limits),
        "time_scale": board.time_scale, "models": list(board.models), "directory": board.directory, "state": board.state,
        "watchdog": board.watchdog,
    }
    if board.lava["console"]:
        console = board.console
        document["console"] = {"command": CONNECTION} | ({"on_board": console.on_board} if console else {})
        if console and console.pause:
            document["console"]["break"] = console.pause
    return document


def _known_hosts(board: BoardFile) -> str:
    """A line for the board's host key; `TARGET` stands for its address (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    assert board.ssh and board.lava
    port = board.ssh.port or 22
    return f"{TARGET if port == 22 else f'[{TARGET}]:{port}'} {board.lava['host_key']}\n"


def _file(name: str, text: str) -> str:
    """The step that makes a file."""
    return f"echo {base64.b64encode(text.encode()).decode()} | base64 -d >{shlex.quote(name)}"


def _file_with_address(name: str, text: str) -> str:
    return _file(name, text).replace(" >", f" | sed \"s/{TARGET}/$(lava-target-ip)/g\" >", 1)


def test_definition(board: BoardFile, scenarios: Sequence[Scenario], runs: int | None) -> dict[str, Any]:
    """A "Lava-Test Test Definition 1.0" that runs scenarios from a docker test shell and reports each outcome."""
    assert board.lava
    program = shlex.quote(board.lava["program"])
    how_often = f" --runs {runs}" if runs else ""
    names = " ".join(shlex.quote(f"scenarios/{one.name}.json") for one in scenarios)
    return {
        "metadata": {
            "format": "Lava-Test Test Definition 1.0", "name": "drmsqueeze",
            "description": f"Memory pressure and fault injection for GPU drivers: {', '.join(one.name for one in scenarios)}",
            "scope": ["functional", "stress"], "os": ["debian"], "environment": ["lava-test-shell"],
        },
        "run": {"steps": [
            "mkdir -p scenarios",
            *(_file(f"scenarios/{one.name}.json", json.dumps(one.document)) for one in scenarios),
            _file_with_address("board.json", json.dumps(board_there(board))),
            _file_with_address("known_hosts", _known_hosts(board)),
            # What a board says must not be taken for a signal of ours.
            f"{program} run {names} --machine board.json --out results{how_often} 2>&1 | sed -u 's/<LAVA_SIGNAL/<LAVA-SIGNAL/g'",
            f"{program} lava report results || lava-test-case drmsqueeze --result fail",
        ]},
    }


def _tests_s(board: BoardFile, scenarios: Sequence[Scenario], runs: int | None) -> float:
    """How long the runs may take at the most, with every one of them ending in a reset."""
    total = OVERHEAD_S
    for one in scenarios:
        document = one.scaled(one.document.get("time_scale", board.time_scale))
        each = time_limit_s(document, board.time_scale) + board.limits.reset + board.limits.power + 2 * board.limits.boot
        total += len(plan.make("run", one, [RUNNING], runs, None).order) * each
    return total


def job(board: BoardFile, scenarios: Sequence[Scenario], runs: int | None = None) -> dict[str, Any]:
    """A job definition. Raises UsageError for a board whose file does not say what LAVA must know."""
    if board.lava is None or board.ssh is None:
        raise UsageError(f"{board.title}: its file has no member \"lava\", which says what deploys and boots it (docs/labs.md)")
    if "host_key" not in board.lava:
        raise UsageError(f"{board.title}: /lava: found no member \"host_key\"; expected the public host key of what is deployed")
    definition = test_definition(board, scenarios, runs)
    tests_s = _tests_s(board, scenarios, runs)
    actions = list(board.lava["actions"])
    before_s = sum(_seconds(part.get("timeout")) for action in actions for part in action.values())
    namespaces = [part["namespace"] for action in actions for part in action.values() if "namespace" in part]
    test = {
        **({"namespace": namespaces[-1]} if namespaces else {}),
        "timeout": _minutes(tests_s), "docker": dict(board.lava["docker"]),
        "definitions": [{"from": "inline", "name": "drmsqueeze", "path": "inline/drmsqueeze.yaml", "repository": definition}],
    }
    passed_on = {name: board.lava[name] for name in ("device_type", "tags", "priority", "visibility", "context") if name in board.lava}
    return {
        "job_name": f"drmsqueeze on {board.name}: {', '.join(one.name for one in scenarios)}"[:200], **passed_on,
        "timeouts": {"job": _minutes(tests_s + before_s), "action": _minutes(ACTION_S), "connection": _minutes(300)},
        "metadata": {"scenarios": {one.name: one.sha256 for one in scenarios}},
        "actions": [*actions, {"test": test}],
    }


def write(directory: Path, board: BoardFile, scenarios: Sequence[Scenario], runs: int | None = None) -> tuple[Path, Path]:
    """job.yaml, which has all that is needed, and the test definition alone for labs that keep them in git. Raises as `job`."""
    definition = job(board, scenarios, runs)
    files = directory / "job.yaml", directory / "drmsqueeze.yaml"
    for file, document in zip(files, (definition, test_definition(board, scenarios, runs))):
        file.write_text(yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False, width=1 << 20))
    return files
