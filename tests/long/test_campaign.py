# SPDX-License-Identifier: MIT
"""The campaign on the stand-in board: each killer once."""

from pathlib import Path

from campaigns import campaign

from drmsqueeze.campaign import killers


def test_each_killer_on_the_stand_in(tmp_path: Path) -> None:
    kills = len(killers.of(killers.STAND_IN))
    code, summary, said = campaign(tmp_path / "out", "--machine", "stand-in", "--kills", str(kills))
    assert code == 0 and summary["done"] == kills, said
