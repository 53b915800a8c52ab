# SPDX-License-Identifier: MIT
"""Ways in which the stand-in board can misbehave that take long, and the verdict that each deserves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from boards import BoardLab, stand_in
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
