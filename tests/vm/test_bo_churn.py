# SPDX-License-Identifier: MIT
"""bo-churn: what it counts beside fates, wrong values that it must find, and drivers that lack what a scenario wants."""

import json
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze import TOP

from whole_runs import Executed, RunOne


def suite(name: str) -> dict[str, Any]:
    scenario: dict[str, Any] = json.loads((TOP / f"configs/suite/{name}.json").read_text())
    return scenario


def report(done: Executed) -> dict[str, Any]:
    reports: list[dict[str, Any]] = json.loads((done.directory / "stressors.json").read_text())
    return reports[0]


def rungs(done: Executed) -> dict[str, dict[str, int]]:
    table = report(done)["tables"][0]
    return {row[0]: dict(zip(table["columns"][1:], row[1:], strict=True)) for row in table["rows"]}


def test_each_rung_serves_what_the_ones_before_it_could_not(run_one: RunOne) -> None:
    done = run_one(base=suite("bo-churn-panfrost-full"))
    assert done.fates == {"completed": 100}, done.story
    ladder = rungs(done)
    assert list(ladder) == ["take from cache", "allocate", "evict and allocate", "wait for busy"]
    assert ladder["take from cache"]["tried"] == report(done)["counts"]["requests"] == 100
    for before, after in zip(list(ladder.values()), list(ladder.values())[1:], strict=False):
        assert before["failed"] == after["tried"], ladder
    assert ladder["allocate"]["served"] >= 8 and ladder["wait for busy"]["served"] > 0, ladder
    assert report(done)["counts"]["found_busy"] > 0


def test_shrinker_purges_and_says_so(run_one: RunOne) -> None:
    done = run_one(base=suite("bo-churn-panfrost-purge"), level=0.1)
    assert done.fates == {"completed": 100}, done.story
    counts = report(done)["counts"]
    assert counts["purged"] > 0 and counts["retained"] > 0 and counts["verified"] > 0, counts


def test_without_pressure_nothing_is_purged(run_one: RunOne) -> None:
    done = run_one(base=suite("bo-churn-panfrost-purge"), level=1.0)
    assert done.fates == {"completed": 100}, done.story
    counts = report(done)["counts"]
    assert counts["purged"] == 0 and counts["retained"] > 0, counts


def test_a_value_that_the_gpu_wrote_wrongly_is_found(run_one: RunOne) -> None:
    """A bit of one value; the BO is looked at when it is let go, by a cycle that is therefore corrupted."""
    done = run_one(base=suite("bo-churn-panfrost"), model_faults=[{"fault": "corrupt_write", "nth": 20, "value": 1}],
                   stressors=[{"kind": "bo-churn", "jobs": 50, "gpu": 1, "working_set": 8}])
    assert done.fates == {"completed": 49, "corrupted": 1}, done.story
    assert "GPU value" in (done.directory / "jobs.jsonl").read_text()


def test_sigbus_fails_the_cycle_and_not_the_client(run_one: RunOne) -> None:
    done = run_one(base=suite("bo-churn-bochs-sigbus"))
    assert set(done.fates) == {"completed", "failed"}, done.story
    assert report(done)["counts"]["sigbus"] == done.fates["failed"], done.story


@pytest.mark.parametrize(("option", "reason"), [({"policy": "full"}, "no madvise"), ({"gpu": 1}, "no jobs")], ids=["policy", "gpu"])
def test_what_a_driver_lacks_is_a_skip_with_the_reason(run_one: RunOne, option: dict[str, Any], reason: str) -> None:
    done = run_one(base=suite("bo-churn-vgem"), stressors=[{"kind": "bo-churn"} | option])
    assert done.run.status is Status.SKIP, done.story
    assert reason in " ".join(done.run.verdict.reasons), done.story
    assert done.run.jobs.submitted == 0
