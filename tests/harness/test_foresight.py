# SPDX-License-Identifier: MIT
from pathlib import Path

import pytest
from drmsqueeze_results import power

from drmsqueeze import TOP, cli, foresight, plan, scenario, timings
from test_schedule import KERNELS, ONE, carry_out, differs

FILE = TOP / "configs" / "panfrost-heap.json"


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(power, "SIMULATED", 120)


def printed(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert cli.main(["compare", str(FILE), "--a", "lab", "--b", "lab+panfrost-nowait", "--plan", *more]) == 0
    return capsys.readouterr().out


def test_prints_and_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys)
    assert "assumed: nothing was measured here yet" in text
    assert "with 5 runs at each level and rate (50 runs in all" in text and "25 blocks in 13 clusters, the smallest p is 0.00024" in text
    assert "to see a difference of 10 percentage points in the failed share with a power of 0.8: " in text
    assert "No hang in 5 runs leaves a rate of up to 45 % possible" in text
    assert "--until-sure, at most 200 runs of each kernel (40 rounds)" in text
    assert "after 80 rounds at the earliest, which needs --most-runs 400 or more" in text
    assert not (tmp_path / "cache").exists(), "it builds nothing and keeps nothing"


def test_too_few_runs_can_decide_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert "That cannot decide anything." in printed(capsys, "--runs", "1")
    assert "That cannot decide anything." not in printed(capsys, "--runs", "2")


def needed(text: str) -> int:
    return int(text.split("with a power of 0.8: ")[1].split()[0])


def test_a_smaller_difference_takes_more_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert needed(printed(capsys, "--difference", "0.1")) > needed(printed(capsys, "--difference", "0.4"))


def test_learns_from_earlier_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    carry_out(tmp_path / "earlier", plan.make("compare", ONE, KERNELS), differs)
    found = foresight.assumptions(tmp_path / "earlier")
    assert found.failed == 0 and 0 < found.spread < 0.1 and "from 24 runs" in found.source
    assert "from 24 runs" in printed(capsys, "--earlier", str(tmp_path / "earlier"))
    assert cli.main(["compare", str(FILE), "--a", "lab", "--b", "lab-debug", "--plan", "--earlier", str(tmp_path / "none")]) == 2
    assert foresight.assumptions(None) is power.ASSUMED


def test_knows_how_long_runs_took_here() -> None:
    other = scenario.Scenario(ONE.document | {"name": "y"})
    assert timings.per_run_s(ONE)[0] == timings.ASSUMED_S
    timings.note(other, 10, 40.0)
    assert timings.per_run_s(ONE) == (4.0, "measured here, in 10 runs of other scenarios")
    timings.note(ONE, 4, 8.0)
    assert timings.per_run_s(ONE) == (2.0, "measured here, in 4 runs of this scenario")
    timings.note(ONE, 0, 8.0)
    assert timings.per_run_s(ONE)[0] == 2.0, "what ran nothing says nothing"
