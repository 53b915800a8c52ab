# SPDX-License-Identifier: MIT
"""Exposure and its rates, the trade between failing and being stuck, and arms that are combinations of variants."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comparisons import make
from drmsqueeze_results import incidence, statistics
from drmsqueeze_results.comparison import compare
from drmsqueeze_results.comparison_tables import exposure_grid
from drmsqueeze_results.factorial import factors_of

FINE = {"completed": 20, "growths": 160}
FAILING = {"completed": 10, "failed": 10, "growths": 100}
FOUR = {"a": "lab", "b": "lab+nowait", "c": "lab+errfix", "d": "lab+nowait+errfix"}


def test_equal_exposure_is_said_and_rates_are_by_what_happened(tmp_path: Path) -> None:
    same = compare(make(tmp_path / "same", {0.02: {"a": [FINE] * 6, "b": [FINE | {"completed": 18, "failed": 2}] * 6}}))
    assert same.exposure_note == "The exposure was the same with all kernels, to within 2 %: jobs, heap growths for each run."
    assert (same.exposure["b"].heap_growths, same.exposure["b"].faults_fired) == (960, None)
    assert same.exposure["b"].per_1000_growths["failed"] == pytest.approx(12.5) and same.exposure["b"].per_1000_faults == {}
    assert "completed" not in same.exposure["b"].per_1000_growths


def test_unequal_exposure_is_told(tmp_path: Path) -> None:
    result = compare(make(tmp_path / "c", {0.02: {"a": [FINE] * 6, "b": [FAILING] * 6}}))
    assert "Heap growths for each run were not the same: 160 with lab, 100 with lab+panfrost-nowait" in result.exposure_note
    assert result.exposure["b"].per_1000_growths["failed"] == pytest.approx(100)
    unknown = compare(make(tmp_path / "u", {0.02: {"a": [FINE] * 6, "b": [{"completed": 20}] * 6}}))
    assert "Heap growths for each run are not known of lab+panfrost-nowait" in unknown.exposure_note


def test_incremental_passes_are_counted_beside_the_failures(tmp_path: Path) -> None:
    rendered = compare(make(tmp_path / "c", {0.02: {"a": [FINE | {"passes": 0}] * 6, "b": [FINE | {"passes": 4}] * 6}}))
    assert [rendered.exposure[arm].incremental_passes for arm in "ab"] == [0, 24]
    assert [row[-1] for row in exposure_grid(rendered).rows] == ["0", "24"]
    without = compare(make(tmp_path / "w", {0.02: {"a": [FINE] * 6, "b": [FINE] * 6}}))
    assert without.exposure["a"].incremental_passes is None
    assert "incremental passes" not in exposure_grid(without).columns, "most GPUs know no such thing"


def test_what_clients_did_about_refused_memory_is_counted(tmp_path: Path) -> None:
    told = compare(make(tmp_path / "c", {0.02: {"a": [FINE | {"refused": 3}] * 6, "b": [FINE | {"refused": 2, "repaired": 1}] * 6}}))
    assert [(told.exposure[arm].attempts_refused, told.exposure[arm].jobs_repaired) for arm in "ab"] == [(18, None), (12, 6)]
    assert [row[-2:] for row in exposure_grid(told).rows] == [("18", "-"), ("12", "6")]
    assert "attempts refused" not in exposure_grid(compare(make(tmp_path / "w", {0.02: {"a": [FINE] * 6, "b": [FINE] * 6}}))).columns


def test_rates_by_faults_fired(tmp_path: Path) -> None:
    cells = [{"completed": 13, "failed": 7, "injector": "failslab"}] * 6
    seen = compare(make(tmp_path / "c", {0.02: {"a": cells, "b": cells}})).exposure["a"]
    assert (seen.faults_fired, seen.per_1000_faults["failed"]) == (42, pytest.approx(1000))


def test_the_trade_has_shares_and_never_a_ratio(tmp_path: Path) -> None:
    stuck: list[dict[str, Any]] = [{"completed": 10, "hung": 1, "stalled": 1}] * 3 + [{"completed": 12}] * 3
    result = compare(make(tmp_path / "c", {0.02: {"a": stuck, "b": [{"completed": 9, "failed": 3 + n} for n in range(6)]}}))
    a, b = result.trade
    assert (a.arm, a.level, a.rate_hz) == ("a", 0.02, None)
    assert a.stuck.share == pytest.approx(6 / 72) and a.stuck.interval_kind == "bootstrap"
    assert (a.failed.share, a.failed.interval_kind) == (0, "bound")
    assert a.failed.interval == (0, pytest.approx(1 - 0.05 ** (1 / 6))), "what was never seen is bounded"
    assert b.failed.share == pytest.approx(33 / 87) and b.stuck.interval_kind == "bound"


def test_which_arms_are_a_product() -> None:
    factors, signs = factors_of(FOUR) or ((), {})
    assert factors == ("nowait", "errfix")
    assert signs == {"a": (-1, -1), "b": (1, -1), "c": (-1, 1), "d": (1, 1)}
    assert factors_of({"a": "lab+x", "b": "lab+x+p", "c": "lab+x+q", "d": "lab+q+x+p"}), "what all have is no factor"
    assert factors_of({"a": "lab", "b": "lab+nowait"}) is None
    assert factors_of({"a": "lab", "b": "lab+nowait", "c": "lab+errfix"}) is None
    assert factors_of(FOUR | {"d": "lab-6.1+nowait+errfix"}) is None


def _failing(share: float, rng: np.random.Generator) -> dict[str, int]:
    failed = int(rng.binomial(40, share))
    return {"completed": 40 - failed, "failed": failed}


def test_factors_are_taken_apart(tmp_path: Path) -> None:
    """By hand, without noise: nowait costs 40 % of the jobs without errfix and 10 % with it; errfix alone does nothing."""
    shares = {"a": 0.1, "b": 0.5, "c": 0.1, "d": 0.2}
    cells = {arm: [{"completed": 40 - round(40 * s), "failed": round(40 * s)}] * 8 for arm, s in shares.items()}
    found = compare(make(tmp_path / "c", {0.02: cells}, FOUR)).factorial
    assert found and found.factors == ("nowait", "errfix")
    effects = {(e.outcome, e.factor): e for e in found.effects}
    assert effects["failed", "nowait"].effect == pytest.approx(0.25)
    assert effects["failed", "errfix"].effect == pytest.approx(-0.15)
    assert effects["failed", "nowait x errfix"].effect == pytest.approx(-0.15)
    assert effects["failed", "nowait"].p == pytest.approx(2 / 256)
    assert effects["hung", "nowait"].effect == 0 and effects["hung", "nowait"].p == 1
    assert compare(make(tmp_path / "two", {0.02: {k: cells[k] for k in "ab"}}, {k: FOUR[k] for k in "ab"})).factorial is None


def test_an_interaction_that_is_not_there_is_rarely_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "BOOTSTRAP_RESAMPLES", 100)
    monkeypatch.setattr(incidence, "RESAMPLES", 2)
    rng = np.random.default_rng(3)
    interactions = mains = 0
    for trial in range(15):
        base = rng.uniform(0.1, 0.4, 8)
        cells = {arm: [_failing(b + 0.2 * ("nowait" in kernel) + 0.1 * ("errfix" in kernel), rng) for b in base] for arm, kernel in FOUR.items()}
        found = compare(make(tmp_path / str(trial), {0.02: cells}, FOUR)).factorial
        p = {e.factor: e.p for e in found.effects if e.outcome == "failed"} if found else {}
        interactions += (p["nowait x errfix"] or 1) <= 0.05
        mains += (p["nowait"] or 1) <= 0.05
    assert interactions <= 3 and mains >= 13
