# SPDX-License-Identifier: MIT
"""Whole runs on the stand-in board: reached by ssh, console and power switch alone. What goes wrong there in longer ways is in tests/long."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Run

from boards import STUCK, BoardLab, stand_in
from drmsqueeze.execute import Lab


@pytest.fixture(scope="module")
def board(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardLab]:
    with stand_in(lab, tmp_path_factory.mktemp("board")) as made:
        yield made


def test_a_run_goes_well_and_leaves_nothing_behind(board: BoardLab, tmp_path: Path) -> None:
    """Booted for it from power off; its agent is copied over, its watchdog armed, and all of it gone afterwards."""
    run = board.run(tmp_path / "run")
    assert (run.verdict.reason_code, run.jobs.completed) == ("ok", 20), board.story(tmp_path / "run")
    told = board.facts(tmp_path / "run")["board"]
    assert told["left"] == "as found" and "i6300ESB" in told["watchdog"], told
    assert told["records_by_console"] == 0 and told["records_lost"] == 0
    assert board.ssh("ls /run/drmsqueeze /var/lib/drmsqueeze 2>/dev/null").split() == ["/var/lib/drmsqueeze:"]


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
    assert run.jobs.hung == int(stuck) and bool(run.jobs.lost) != stuck
    evidence = {path.name for path in (tmp_path / "run" / "evidence").iterdir()}
    assert any(name.startswith("pstore-dmesg") for name in evidence) and "last-words.txt" in evidence, evidence
    assert board.facts(tmp_path / "run")["board"]["left"] == "as found"
    assert run.restored is True
    assert json.loads((tmp_path / "run" / "run.json").read_text())["environment"]["machine"] == "board stand-in"
