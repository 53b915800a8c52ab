# SPDX-License-Identifier: MIT
"""A whole run on the stand-in board: reached by ssh, console and power switch alone. How else it misbehaves is in tests/long."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from boards import CHURN, BoardLab, stand_in
from drmsqueeze import lava
from drmsqueeze.execute import Lab
from drmsqueeze.machines import board_file
from drmsqueeze.scenario import parse
from lava_shell import TestShell


@pytest.fixture(scope="module")
def board(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardLab]:
    with stand_in(lab, tmp_path_factory.mktemp("board"), console_port=True) as made:
        yield made


def test_a_run_goes_well_and_leaves_nothing_behind(board: BoardLab, tmp_path: Path) -> None:
    """Booted for it from power off; its agent is copied over, its watchdog armed, and all of it gone afterwards."""
    run = board.run(tmp_path / "run")
    assert (run.verdict.reason_code, run.jobs.completed) == ("ok", 20), board.story(tmp_path / "run")
    told = board.facts(tmp_path / "run")["board"]
    assert told["left"] == "as found" and "i6300ESB" in told["watchdog"], told
    assert told["records_by_console"] == 0 and told["records_lost"] == 0
    assert board.left_behind() == []


def test_an_unmarked_board_is_refused_and_nothing_put_there(board: BoardLab, tmp_path: Path) -> None:
    board.ssh("mv /etc/drmsqueeze-target /etc/no-target")
    boots = board.stand_in.boots
    run = board.run(tmp_path / "run")
    assert run.verdict.reason_code == "infrastructure" and "not marked as a test target" in run.verdict.reasons[0], run.verdict
    assert run.jobs.submitted == 0 and board.left_behind() == [] and board.stand_in.boots == boots
    board.ssh("mv /etc/no-target /etc/drmsqueeze-target")


def test_a_board_with_another_host_key_is_refused_at_once(board: BoardLab, tmp_path: Path) -> None:
    """Its power is not cut either: it may be somebody else's."""
    known = board.stand_in.directory / "known_hosts"
    ours = known.read_text()
    public = (board.stand_in.directory / "id.pub").read_text().split()[:2]  # a key, and not that of the board
    known.write_text(" ".join([ours.split()[0], *public]) + "\n")
    boots = board.stand_in.boots
    run = board.run(tmp_path / "run")
    assert run.verdict.reason_code == "infrastructure" and "host key is not the one that is known" in run.verdict.reasons[0], run.verdict
    known.write_text("")
    assert "host key" in board.run(tmp_path / "unknown").verdict.reasons[0]
    assert board.stand_in.boots == boots
    known.write_text(ours)
    assert board.run(tmp_path / "again", jobs=1).verdict.reason_code == "ok"


def test_the_same_through_labgrid(board: BoardLab, tmp_path: Path) -> None:
    """Its kernel is booted by a strategy, and its console read by a driver; another run may follow, by the board's own file or so."""
    pytest.importorskip("labgrid", reason="python3-labgrid is not installed; `./drmsqueeze test` installs it")
    boots = board.stand_in.boots
    run = board.by_labgrid().run(tmp_path / "run", kernel="lab")
    assert (run.verdict.reason_code, run.jobs.completed) == ("ok", 20), board.story(tmp_path / "run")
    assert board.stand_in.boots == boots + 1 and board.facts(tmp_path / "run")["board"]["left"] == "as found"
    assert "sysrq: HELP" in (tmp_path / "run" / "console.log").read_text(), "what is typed arrives"


def test_a_job_of_lava_tells_what_came_out(board: BoardLab, tmp_path: Path) -> None:
    """The steps of its test definition, carried out without a dispatcher: from a board that is up to the cases that LAVA hears of."""
    document = json.loads(board.stand_in.file.read_text())
    key = (board.stand_in.directory / "known_hosts").read_text().split(maxsplit=1)[1].strip()
    document["lava"] = {"device_type": "stand-in", "actions": [{"boot": {"method": "minimal"}}], "docker": {"image": "lab/drmsqueeze"},
                        "identity": str(board.stand_in.directory / "id"), "host_key": key, "console": True}
    described = board_file.parse(json.dumps(document), "board.json", board.stand_in.directory)
    shell = TestShell(tmp_path, "127.0.0.1")
    shell.with_drmsqueeze()
    connection = ["busybox", "nc", "127.0.0.1", str(board.stand_in.console_port)]
    definition = lava.test_definition(described, [parse(json.dumps(CHURN), "board")], 1)
    done = shell.carry_out(definition, LAVA_HARD_RESET_COMMAND=shlex.join(board.stand_in.command("cycle")),
                           LAVA_CONNECTION_COMMAND=shlex.join(connection))
    assert done.returncode == 0, done.stderr
    path = shell.work / "results" / "churn" / "0000"
    jobs = json.loads((path / "run.json").read_text())["jobs"]
    cases = shell.cases()
    assert cases["churn/0000-running-level-1"]["result"] == "pass" and jobs.pop("submitted") == 20, done.stdout + done.stderr
    assert {fate: int(cases[f"churn/0000-running-level-1.{fate}"]["measurement"]) for fate in jobs} == jobs
    assert board.facts(path)["board"]["left"] == "as found" and "drmsqueeze: run of churn begins" in (path / "console.log").read_text()
