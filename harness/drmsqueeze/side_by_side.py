# SPDX-License-Identifier: MIT
"""Runs side by side: as many guests at once as do not disturb each other (machines/speed.py finds out how many that are).

What is compared must be had on equal terms: either all runs of a block have company, or none has. So whole blocks go side by side, in
step: the first run of each, and when all of those are over the second of each. What is left over at the end of a batch goes alone.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from drmsqueeze.machines import vm
from drmsqueeze.plan import PlannedRun

Outcome = BaseException | None


def steps(runs: Sequence[PlannedRun], at_once: int) -> list[list[PlannedRun]]:
    """The runs in steps; those of one step go side by side."""
    blocks: dict[int, list[PlannedRun]] = {}
    for run in runs:
        blocks.setdefault(run.block, []).append(run)
    found: list[list[PlannedRun]] = []
    waiting = list(blocks.values())
    while waiting:
        together = waiting[:at_once]
        if len(together) < at_once or len({len(block) for block in together}) > 1:
            together = waiting[:1]
        del waiting[: len(together)]
        found += [list(step) for step in zip(*together, strict=True)]
    return found


def carry_out(jobs: Mapping[int, Callable[[], None]]) -> dict[int, Outcome]:
    """Do all of these at once; what each of them raised. Where this process is interrupted their guests are ended first."""
    if len(jobs) == 1:
        ((index, job),) = jobs.items()
        try:
            job()
        except Exception as error:
            return {index: error}
        return {index: None}
    pool = ThreadPoolExecutor(len(jobs))
    futures: dict[int, Future[None]] = {}
    try:  # from the first job on: an interrupt may come before the last is under way
        for index, job in jobs.items():
            futures[index] = pool.submit(job)
        wait(futures.values())
    except BaseException:
        vm.HALTED.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        vm.HALTED.clear()
    return {index: future.exception() for index, future in futures.items()}
