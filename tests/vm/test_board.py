# SPDX-License-Identifier: MIT
"""A whole run on the stand-in board: reached by ssh, console and power switch alone. What goes wrong there is in tests/long."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from boards import BoardLab, stand_in
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
