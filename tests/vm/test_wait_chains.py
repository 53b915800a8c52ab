# SPDX-License-Identifier: MIT
"""Each planted deadlock comes out with its expected fate, and with the chain that waits for itself named in full."""

import json
import re

import pytest
from drmsqueeze_results.model import Status
from drmsqueeze_results.outcomes import consider
from drmsqueeze_results.wait_chain import describe

from drmsqueeze import TOP

from whole_runs import Executed, RunOne

FAULT_HANDLER = r"irq/\d+-panfrost \(answers the page faults of the running jobs\) → allocates under panfrost_mmu_map_fault_addr → direct reclaim → "
NEEDS_ITSELF = r"whose job needs irq/\d+-panfrost: a circle, nobody in it can go on"


def closed_chains(done: Executed) -> list[str]:
    return [describe(chain) for chain in consider(done.directory).chains if chain.closed]


def run_trap(run_one: RunOne, name: str, kernel: str = "lab", **members: object) -> Executed:
    document = json.loads((TOP / f"configs/traps/{name}.json").read_text())
    return run_one(base=document, kernel=kernel, level=document["levels"][0], **members)


TRAPS = {
    "shrinker-waits-for-fence": FAULT_HANDLER + r"shrinker trap_scan → waits for fence panfrost-js-\d#\d+, " + NEEDS_ITSELF,
    "shrinker-waits-for-other-device": FAULT_HANDLER + r"shrinker trap_scan → waits for fence trap-device#\d+ → the job behind that fence, of another device → "
                                                       r"waits for fence panfrost-js-\d#\d+, which it was given, " + NEEDS_ITSELF,
}


@pytest.mark.parametrize("name", TRAPS)
def test_fault_handler_waits_for_the_job_that_waits_for_it(run_one: RunOne, name: str) -> None:
    done = run_trap(run_one, name)
    assert done.fates == {"hung": 1}, done.story
    assert done.run.status is Status.PASS, done.story
    chains = closed_chains(done)
    assert chains and re.fullmatch(TRAPS[name], chains[0]), "\n".join(chains) + done.story


def test_timeout_handler_waits_for_a_lock_that_it_holds(run_one: RunOne) -> None:
    done = run_trap(run_one, "timeout-lock", "lab+panfrost-timeout-lock")
    assert done.fates == {"hung": 1}, done.story
    assert done.run.status is Status.PASS, done.story
    chains = closed_chains(done)
    assert any(re.fullmatch(r"kworker/\S+ \(ends jobs that take too long\) → allocates under panfrost_job_timedout → direct reclaim → "
                            r"shrinker panfrost_gem_shrinker_count → waits for mutex, which it holds itself: a circle, nobody in it can go on", chain)
               for chain in chains), "\n".join(chains) + done.story
