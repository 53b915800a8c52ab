# SPDX-License-Identifier: MIT
"""Two rounds of the campaign in the VM; the stand-in board's are in tests/long, and a hundred of both in docs/campaign.md."""

from pathlib import Path

from campaigns import campaign


def test_harness_and_guest_are_killed(tmp_path: Path) -> None:
    code, summary, said = campaign(tmp_path / "out", "--machine", "vm", "--kills", "2", "--at-once", "2", "--killer", "harness", "--killer", "guest")
    assert code == 0 and summary["done"] == 2, said
