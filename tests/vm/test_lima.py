# SPDX-License-Identifier: MIT
"""lima on the model of a Mali-400: each fate of a job appears when its fault is planted, the GPU works afterwards, and a heap
that cannot grow fails its job. With nothing planted all complete: configs/suite/*lima*.json."""

from typing import Any

import pytest
from drmsqueeze_results.model import Status

from whole_runs import RunOne

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
