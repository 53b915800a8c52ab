# SPDX-License-Identifier: MIT
"""What a run leaves behind is told, each kind by its name; and a run that leaves nothing behind is not accused."""

import json
from typing import Any

from drmsqueeze_results.model import Status

from drmsqueeze import TOP
from whole_runs import RunOne

SCENARIO: dict[str, Any] = json.loads((TOP / "configs" / "traps" / "kept-references.json").read_text())
# trap_kept_reference.c, KEPT_OBJECTS
KEPT = 3


def test_planted_leaks_are_named_and_a_clean_run_has_none(run_one: RunOne) -> None:
    """The same scenario, with the traps and without them: sync files, dma-bufs and GEM objects."""
    done = run_one(base=SCENARIO)
    assert done.run.status is Status.PASS, done.story
    assert done.run.leaks and done.run.leaks.compared, done.story
    grown = {count.what: count.after - count.before for count in done.run.leaks.grown}
    assert grown["dma-bufs"] == KEPT, grown
    # A dma-buf holds its GEM object, which may be one of those that are kept by themselves, and imported ones have no shmem file.
    assert grown["GEM objects (shmem files)"] >= 1, grown
    assert grown["open files that no process has (sync files, dma-bufs)"] >= 2 * KEPT, grown
    assert {finding.signature for finding in done.run.findings if finding.kind == "leak"} >= {"leak: dma-bufs"}

    clean = run_one(base=SCENARIO, traps=[], expect={"lab": {"completed": [90, 90], "leak": [0, 0]}})
    assert clean.run.status is Status.PASS, clean.story
    assert clean.run.leaks and clean.run.leaks.compared and not clean.run.leaks.grown, clean.run.leaks
