# SPDX-License-Identifier: MIT
"""lima on the model of a Mali-400: each fate of a job appears when its fault is planted, the GPU works afterwards, and a heap
that cannot grow fails its job. What a heap that grows slowly stands on goes away, and error paths are swept. With nothing planted all complete:
configs/suite/*lima*.json."""

import json
from typing import Any

import pytest
from drmsqueeze_results.model import Status

from drmsqueeze import TOP

from whole_runs import Executed, RunOne

TARGET: dict[str, Any] = {"driver": "lima", "model": "mali-utgard"}
HEAP: dict[str, Any] = {"kind": "tiler-heap", "heap_mib": 4, "step_kib": 256, "jobs": 5}
# A job takes 1,024 blocks, copies 16 values out of them, and grows its heap seven times, from 32 KiB to 4 MiB. Times are stretched fourfold
# (time_scale of PLANTED).
AXI_BUS_ERROR = 1 << 11
FAULTS: dict[str, dict[str, Any]] = {
    "corrupted": {"model_faults": [{"fault": "corrupt_write", "nth": 2 * 1040 + 65, "value": 1}]},
    "failed": {"model_faults": [{"fault": "finish_with_events", "nth": 3, "value": AXI_BUS_ERROR}]},
    "timed_out": {"model_faults": [{"fault": "never_finish", "nth": 3}], "driver_timeout_ms": 2000},
}


@pytest.mark.parametrize("fate", FAULTS)
def test_planted_fault_makes_its_fate(run_one: RunOne, fate: str) -> None:
    done = run_one(target=TARGET, stressors=[HEAP], **FAULTS[fate])
    assert done.fates.get(fate) == 1 and set(done.fates) <= {fate, "completed"}, done.story
    assert done.run.status is Status.FAIL, "nothing but completed jobs was expected: " + done.story
    assert done.run.restored is True, done.story
    assert done.fates["completed"] == 4, "the GPU works afterwards: " + done.story
    if fate == "timed_out":
        assert done.run.first_witness == "driver-timeout", done.story


def test_a_heap_that_is_full_fails_its_jobs(run_one: RunOne) -> None:
    """Two chunks of 1 MiB for jobs of 4 MiB. Beside them jobs that fit in go on."""
    full = HEAP | {"chunk_kib": 1024, "max_chunks": 2}
    done = run_one(target=TARGET, stressors=[full, HEAP])
    assert done.fates == {"failed": 5, "completed": 5}, done.story
    assert not done.run.witnesses, "no job timed out: " + done.story


PP_BUS_ERROR = 1 << 4
# As above, but the last 16 of a job's 1,040 writes are those of the PPs, and each job starts five units: the GP and four PPs.
RENDERED: list[dict[str, Any]] = [{"fault": "corrupt_write", "nth": 1040 + 1024 + 5, "value": 1},
                                  {"fault": "finish_with_events", "nth": 3 * 5 + 3, "value": PP_BUS_ERROR}]


def test_what_pps_find_in_a_heap_is_looked_at(run_one: RunOne) -> None:
    """The second job's PPs write something else than they found, one of the fourth job's fails."""
    done = run_one(target=TARGET, stressors=[HEAP | {"render": True}], model_faults=RENDERED)
    assert done.fates == {"completed": 3, "corrupted": 1, "failed": 1}, done.story


LIFETIMES = json.loads((TOP / "configs/lima-lifetimes/parts.json").read_text())


def _rows(done: Executed) -> list[dict[str, Any]]:
    """The rows of the table of the only stressor that has one, by the names of its columns."""
    told = json.loads((done.directory / "stressors.json").read_text())
    (table,) = [one for stressor in told for one in stressor.get("tables", ())]
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


def test_what_a_growth_stands_on_goes_away(run_one: RunOne) -> None:
    """A job of lima keeps what it has: it completes whatever its client gives back, and nobody but the end of a file waits for the growth."""
    parts = ["nothing", "heap", "group", "process"]
    done = run_one(base=LIFETIMES, stressors=[LIFETIMES["stressors"][0] | {"parts": parts, "jobs": len(parts)}])
    assert done.fates == {"completed": len(parts)}, done.story
    cases = {row["gone"]: row for row in _rows(done)}
    assert list(cases) == parts
    assert all(case["growth seen"] == "yes" and case["client behind"] == "0" and case["of them failed"] == "0" for case in cases.values()), cases
    assert all(cases[part]["fence"] == "0" for part in ("nothing", "heap", "group")), cases
    assert all("growths 1" in case["the model counted"] for case in cases.values()), cases


def test_an_address_space_of_lima_cannot_be_taken_away(run_one: RunOne) -> None:
    done = run_one(base=LIFETIMES, stressors=[LIFETIMES["stressors"][0] | {"parts": ["vm"]}])
    assert not done.fates and any("goes with it only" in reason for reason in done.run.verdict.reasons), done.story


def test_a_shared_heap_grows_for_one_client_only(run_one: RunOne) -> None:
    """The job of the other client has an MMU fault: it is lost, and the GPU works afterwards. With a heap for each client none is."""
    shared = json.loads((TOP / "configs/lima-lifetimes/shared-heap.json").read_text())
    done = run_one(base=shared)
    assert done.fates.get("failed", 0) >= 1 and set(done.fates) <= {"failed", "completed"}, done.story
    assert done.run.status is Status.PASS, done.story
    own = run_one(base=shared, stressors=[shared["stressors"][0] | {"heap": "persistent"}], expect={"lab": {"failed": [0, 0]}})
    assert own.fates == {"completed": 8} and own.run.status is Status.PASS, own.story


def test_the_timeout_waits_for_a_growth_with_lima_errfix(run_one: RunOne) -> None:
    """Three jobs whose growths outlast the timeout are lost, and nothing else. (On lab the kernel goes on with memory that was freed.)"""
    timeout = json.loads((TOP / "configs/lima-lifetimes/timeout.json").read_text())
    done = run_one(base=timeout, kernel="lab+lima-errfix")
    assert done.fates == {"failed": 3} and done.run.status is Status.PASS, done.story


def test_the_sweep_sees_a_job_that_was_never_run_and_a_recovery_that_works(run_one: RunOne) -> None:
    """Where the hardware's fence cannot be had the job's fence says that all is well; a job with an MMU fault ends, and the next one works."""
    sweep = json.loads((TOP / "configs/error-sweep-lima-run.json").read_text())
    operations = ["lima-job/run-pp", "lima-recover/fault"]
    done = run_one(base=sweep, stressors=[sweep["stressors"][0] | {"operations": operations, "repeats": 2}], expect={})
    verdicts = {(row["operation"], row["n"]): row["verdict"] for row in _rows(done)}
    assert "the job was never run" in verdicts["lima-job/run-pp", 1], verdicts
    assert all(verdicts[operation, 0].startswith("clean") for operation in operations), verdicts
    assert {finding.kind for finding in done.run.findings} <= {"gpu-page-fault", "gpu-job-fault"}, done.story


def test_a_client_that_cannot_exit_does_not_hold_the_run(run_one: RunOne) -> None:
    """The oops of the import leaves a lock, behind which the client waits for good when it closes its file. Once that has
    taken longer than a job may the run is over, and what waits is told."""
    sweep = json.loads((TOP / "configs/error-sweep-lima-heap-import.json").read_text())
    done = run_one(base=sweep, stressors=[sweep["stressors"][0] | {"repeats": 2}], deadline_ms=10000)
    assert done.run.verdict.reason_code == "ok" and not {"hung", "lost"} & set(done.fates), done.story
    blocked = [witness.text for witness in done.run.witnesses if witness.kind == "d-state"]
    assert blocked and "drmsq-client" in blocked[0] and "client cannot be killed" in blocked[0], done.story
