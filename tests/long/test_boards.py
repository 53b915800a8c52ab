# SPDX-License-Identifier: MIT
"""Ways in which the stand-in board can misbehave, and the verdict that each deserves."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Run

from boards import STUCK, BoardLab, stand_in
from drmsqueeze.execute import Lab


@pytest.fixture
def board(lab: Lab, tmp_path: Path) -> Iterator[BoardLab]:
    with stand_in(lab, tmp_path / "state") as made:
        yield made


MANY = 100000
"""Jobs: more than there is time for."""


def test_frozen(board: BoardLab, tmp_path: Path) -> None:
    """Not even its watchdog runs: the console answers no more, and only the power switch helps."""
    run = board.run(tmp_path / "run", at_intents=(5, lambda _: board.stand_in.freeze()), jobs=MANY)
    told = board.facts(tmp_path / "run")
    assert told["ended"] == "silent" and told["board"]["left"] == "as found", board.story(tmp_path / "run")
    assert {"heartbeat-lost", "console-silent"} <= {witness.kind for witness in run.witnesses}
    assert run.jobs.hung == 0 and run.jobs.lost >= 1 and run.restored is True


def test_comes_back_with_another_boot_id(board: BoardLab, tmp_path: Path) -> None:
    run = board.run(tmp_path / "run", at_intents=(5, lambda _: board.stand_in.tell("reboot")), jobs=MANY)
    assert run.verdict.reason_code == "machine-rebooted" and run.jobs.hung == 0 and run.jobs.lost >= 1, board.story(tmp_path / "run")
    assert board.facts(tmp_path / "run")["board"]["left"] == "as found" and run.restored is True


def test_floods_its_console(board: BoardLab, tmp_path: Path) -> None:
    run = board.run(tmp_path / "run", at_intents=(5, lambda _: board.stand_in.tell("flood")), jobs=100)
    assert run.verdict.reason_code == "ok" and run.jobs.completed == 100, board.story(tmp_path / "run")
    assert (tmp_path / "run" / "console.log").stat().st_size < 17 << 20


def test_agent_killed_as_a_whole(board: BoardLab, tmp_path: Path) -> None:
    run = board.run(tmp_path / "run", at_intents=(5, lambda _: board.stand_in.tell("kill-agent")), jobs=MANY)
    assert run.verdict.reason_code in ("agent-died", "agent-error") and run.jobs.hung == 0, board.story(tmp_path / "run")
    assert board.facts(tmp_path / "run")["board"]["left"] == "as found"


def test_network_lost_and_the_console_not(board: BoardLab, tmp_path: Path) -> None:
    """The same board: its records come over the console, and no verdict is wrong."""
    def pull(seen: int) -> None:
        board.stand_in.unplug()

    run = board.run(tmp_path / "run", at_intents=(5, pull), jobs=200)
    assert run.jobs.completed == 200 and run.verdict.reason_code == "ok", board.story(tmp_path / "run")
    told = board.facts(tmp_path / "run")["board"]
    assert told["records_by_console"] > 0 and told["left"] == "as found"


@pytest.mark.parametrize("stuck", [False, True], ids=["nothing-hung", "a-job-hung"])
def test_panic(board: BoardLab, tmp_path: Path, stuck: bool) -> None:
    """What had not ended is lost, or hung where a job was late before; pstore and the last words are there, and the board is back."""
    def panic(seen: int) -> None:
        board.stand_in.tell("panic")

    members: dict[str, Any] = STUCK if stuck else {}
    when = {"at_witness": ("late-fence", panic)} if stuck else {"at_intents": (5, panic), "jobs": 100000}
    run: Run = board.run(tmp_path / "run", **when, **members)
    assert board.facts(tmp_path / "run")["ended"] == "panic", board.story(tmp_path / "run")
    # Whether a job was under way in that moment is chance; what had not ended is never said to have.
    assert run.jobs.hung == int(stuck) and run.jobs.completed + run.jobs.lost + run.jobs.hung == run.jobs.submitted
    evidence = {path.name for path in (tmp_path / "run" / "evidence").iterdir()}
    assert any(name.startswith("pstore-dmesg") for name in evidence) and "last-words.txt" in evidence, evidence
    assert board.facts(tmp_path / "run")["board"]["left"] == "as found"
    assert run.restored is True
    assert json.loads((tmp_path / "run" / "run.json").read_text())["environment"]["machine"] == "board stand-in"
