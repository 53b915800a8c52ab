# SPDX-License-Identifier: MIT
"""sync-file and fence-wait: clean runs, and each kind of wrong that they must find."""

import json
import re
from typing import Any

from conftest import Executed, RunOne

SYNC: dict[str, Any] = {
    "schema": "drmsqueeze.scenario/1", "name": "sync", "description": "Planted by a test.",
    "target": {"driver": "vgem", "companions": ["panfrost", "virtio_gpu"], "model": "mali-jm"},
    "stressors": [{"kind": "sync-file", "exporters": ["vgem", "udmabuf", "dma-heap", "panfrost"], "jobs": 84}],
    "deadline_ms": 10000, "grace_ms": 5000, "time_scale": 4,
}


def cases(done: Executed) -> dict[str, list[Any]]:
    """The rows of sync-file's table by the name of the case."""
    [report] = json.loads((done.directory / "stressors.json").read_text())
    return {row[0]: row[1:] for row in report["tables"][0]["rows"]}


def test_every_rule_is_kept_and_every_check_finds_it_broken(run_one: RunOne) -> None:
    """With `mutated` each case breaks its own rule before the kernel's eyes: a case that still says "kept" could never fail."""
    clean = run_one(base=SYNC)
    assert clean.fates == {"completed": 84}, clean.story
    assert all(executed > 0 and violated == failed == 0 for executed, violated, failed, _ in cases(clean).values()), cases(clean)

    broken = run_one(base=SYNC, stressors=[SYNC["stressors"][0] | {"mutated": True}])
    assert broken.fates == {"corrupted": 84}, broken.story
    assert all(executed == violated > 0 for executed, violated, _, _ in cases(broken).values()), cases(broken)
    assert set(cases(broken)) == set(cases(clean))
    reasons = (broken.directory / "jobs.jsonl").read_text()
    assert re.search(r"snapshot: a later fence is in the snapshot", reasons)
