# SPDX-License-Identifier: MIT
"""Cumulative incidence against a worked example, and where the times of jobs come from."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from comparisons import make
from golden_data import edit
from drmsqueeze_results.comparison import compare
from drmsqueeze_results.incidence import estimate
from drmsqueeze_results.job_times import bucket_of, milliseconds_of
from drmsqueeze_results.outcomes import judge

Golden = Callable[[str], Path]


def test_by_hand() -> None:
    """Ten jobs. t=1: one fails, one completes. t=2: one is censored. t=3: two complete. t=4: one stuck. t=5: one fails; the rest censored.

    Alive before each: 10, 8, 7, 5, 4. Survival before t=3 is 8/10 (the censored one leaves 7 at risk); so completed = 1/10 + 8/10 * 2/7;
    survival before t=4 is 8/10 * 5/7 with 5 at risk, before t=5 that times 4/5 with 4 at risk.
    """
    jobs = [(1, "failed", 1), (1, "completed", 1), (2, "censored", 1), (3, "completed", 2), (4, "stuck", 1), (5, "failed", 1), (6, "censored", 3)]
    found = estimate([t for t, _, _ in jobs], [e for _, e, _ in jobs], [n for _, _, n in jobs], [1, 2, 3, 4, 5, 6])
    third = 0.8 * 2 / 7
    fourth = 0.8 * 5 / 7 / 5
    fifth = 0.8 * 5 / 7 * 4 / 5 / 4
    assert found["completed"] == pytest.approx([0.1, 0.1, 0.1 + third] + [0.1 + third] * 3)
    assert found["failed"] == pytest.approx([0.1] * 4 + [0.1 + fifth] * 2)
    assert found["stuck"] == pytest.approx([0, 0, 0, fourth, fourth, fourth])
    assert not found["oom"].any()


def test_without_censoring_it_is_the_share_that_ended_so_by_then() -> None:
    rng = np.random.default_rng(1)
    buckets, ends = rng.integers(0, 20, 300), rng.choice(["completed", "failed", "stuck", "oom"], 300)
    found = estimate(list(buckets), list(ends), [1] * 300, [5, 10, 19])
    for end in ("completed", "failed", "stuck", "oom"):
        assert found[end] == pytest.approx([np.mean((buckets <= t) & (ends == end)) for t in (5, 10, 19)])


def test_survivors_look_fast_and_incidence_does_not(tmp_path: Path) -> None:
    """The arm that fails what would be slow completes the rest faster; by its incidence fewer have completed at any time after that."""
    slow = [{"completed": 20, "p50_ms": 150}] * 6
    fast = [{"completed": 5, "failed": 15, "p50_ms": 40, "failed_ms": 30}] * 6
    result = compare(make(tmp_path / "c", {0.02: {"a": slow, "b": fast}}))
    curves = {(c.arm, c.end): c for c in result.incidence}
    assert set(curves) == {("a", "completed"), ("b", "completed"), ("b", "failed")}
    assert curves["b", "completed"].share[-1] == pytest.approx(0.25) and curves["a", "completed"].share[-1] == pytest.approx(1)
    assert curves["b", "failed"].t_ms[0] == pytest.approx(30, rel=0.05) and curves["b", "failed"].share[0] == pytest.approx(0.75)
    assert curves["b", "completed"].jobs == 120 and curves["b", "completed"].censored == 0
    assert all(low <= share <= high for c in curves.values() for low, share, high in zip(c.low, c.share, c.high))


def test_interval_is_over_runs_and_not_over_jobs(tmp_path: Path) -> None:
    """Half of the runs lose all jobs: six observations, whatever number of jobs they have."""
    cells = [{"completed": 1000}, {"failed": 1000}] * 3
    failed, = (c for c in compare(make(tmp_path / "c", {0.02: {"a": cells, "b": cells}})).incidence if (c.arm, c.end) == ("a", "failed"))
    assert failed.share[-1] == pytest.approx(0.5) and failed.low[-1] < 0.2 and failed.high[-1] > 0.8
    few = compare(make(tmp_path / "few", {0.02: {"a": cells[:4], "b": cells[:4]}})).incidence[0]
    assert (few.low[-1], few.high[-1]) == (0, 1), "too few runs for an interval"


def test_runs_without_times_have_no_incidence(tmp_path: Path) -> None:
    directory = make(tmp_path / "c", {0.02: {"a": [{"completed": 20}] * 6, "b": [{"completed": 20}] * 6}})
    for path in (directory / "runs").glob("*/run.json"):
        edit(path, times=None)
    assert compare(directory).incidence == ()


@pytest.mark.parametrize("golden_name, end, seconds", [
    ("stalled", "stuck", 3.0), ("hung-silent-sysrq", "stuck", 2.0), ("timed-out", "failed", None), ("failed-expected", "failed", None)])
def test_which_end_and_when(golden: Golden, golden_name: str, end: str, seconds: float | None) -> None:
    """A late job is stuck from its deadline on; one in flight on a machine that fell silent, from when that was last seen alive."""
    run = judge(golden(golden_name))
    assert run.times and sum(map(sum, (buckets.values() for buckets in run.times.ends.values()))) == run.jobs.submitted
    assert run.times.ends[end]
    if seconds:
        assert min(map(int, run.times.ends[end])) == bucket_of(seconds)
        assert milliseconds_of(bucket_of(seconds)) == pytest.approx(1000 * seconds, rel=0.05)


def test_a_killed_client_is_an_oom_end_only_where_the_kernel_says_that_it_killed_it(golden: Golden) -> None:
    directory = golden("failed-expected")
    path = directory / "jobs.jsonl"
    jobs = [json.loads(line) for line in path.read_text().splitlines()]
    for job in jobs:
        if "completed" not in job:
            job.update(fate="lost", reason="client killed by signal 9", latency_ns=2_000_000)
    path.write_text("".join(json.dumps(job) + "\n" for job in jobs))
    ends = judge(directory).times
    assert ends and not ends.ends["oom"] and ends.ends["censored"] == {str(bucket_of(0.002)): 3}
    with (directory / "console.log").open("a") as log:
        log.write("[    4.000000] Out of memory: Killed process 101 (drmsq-client-0) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, "
                  "UID:0 pgtables:44kB oom_score_adj:1000\n")
    ends = judge(directory).times
    assert ends and ends.ends["oom"] == {str(bucket_of(0.002)): 3} and not ends.ends["censored"]
