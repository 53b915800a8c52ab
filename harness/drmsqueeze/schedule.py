# SPDX-License-Identifier: MIT
"""Which runs of a plan come next: all of them, or round by round until the question is answered; and again what was lost to the lab.

A block that lost an arm to infrastructure is run again as a whole, at the end of a fixed plan and of its round in a sequential one: to
run only the lost arm again would break what makes a block fair. That it will be is written into plan.json before it is.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from drmsqueeze_results import anytime, comparison_model, rounds
from drmsqueeze_results.documents import from_plain
from drmsqueeze_results.model import Run, Status

from drmsqueeze.plan import Plan, PlannedRun

# How often a block is run, the first time included.
TRIES = 3
# So many runs, one after the other, that the lab lost: it is broken, and to go on would use up the tries of every block.
BROKEN_AFTER = 5


class Schedule:
    """Of one plan file, for whoever carries it out: `batch()` hands out what can be run now, in any order or at once.

    `took()` is told of each.
    A run that left no verdict is one that the lab lost.
    """

    def __init__(self, plan_file: Path) -> None:
        self._file = plan_file
        self.plan = Plan.load(plan_file)
        self._handed_out: set[int] = set()
        self._runs: dict[int, Run] = {}
        self._without_verdict: set[int] = set()
        self._lost_in_a_row = 0
        self.sequential: anytime.Sequential | None = None  # of the rounds so far

    def batch(self) -> Sequence[PlannedRun]:
        """The runs to be carried out now; none where the plan is through, its question answered, or the lab broken.

        To be asked for once all of the batch before is over. Writes plan.json before it hands out a block that is run again.
        """
        for stage in self._stages():
            if self.broken:
                return ()
            fresh = [run for run in stage if run.index not in self._handed_out]
            if not fresh:
                fresh = self._repeats(stage)
            if fresh:
                self._handed_out.update(run.index for run in fresh)
                return fresh
            if self.plan.design.sequential and self._ends_here(stage):
                return ()
        return ()

    def took(self, planned: PlannedRun, run: Run | None) -> None:
        """A run that was handed out is over."""
        if run:
            self._runs[planned.index] = run
        else:
            self._without_verdict.add(planned.index)
        self._lost_in_a_row = self._lost_in_a_row + 1 if self._reason(planned) else 0

    @property
    def waiting(self) -> bool:
        """Whether some run that was handed out is not over."""
        return len(self._runs) + len(self._without_verdict) < len(self._handed_out)

    @property
    def broken(self) -> str | None:
        """Why it makes no sense to go on."""
        if self.plan.purpose != "compare" or self._lost_in_a_row < BROKEN_AFTER:
            return None
        return f"the lab lost {self._lost_in_a_row} runs one after the other: the comparison stops"

    def _stages(self) -> Iterator[Sequence[PlannedRun]]:
        if not self.plan.design.sequential:
            yield self.plan.order
            return
        for cluster in sorted({run.cluster for run in self.plan.order}):
            yield [run for run in self.plan.order if run.cluster == cluster]

    def _reason(self, planned: PlannedRun) -> str | None:
        """Why the lab lost this run; None where it did not."""
        if planned.index in self._without_verdict:
            return "no verdict"
        run = self._runs[planned.index]
        lost = rounds.lost_to_infrastructure(run.status.value, run.verdict.reason_code)
        return run.verdict.reason_code if lost else None

    def _tries(self, block: int) -> int:
        first = {run.block: run.repeats for run in self.plan.order}
        tries = 1
        earlier = first[block]
        while earlier is not None:
            tries, earlier = tries + 1, first[earlier]
        return tries

    def _repeats(self, stage: Sequence[PlannedRun]) -> list[PlannedRun]:
        """Plans again the blocks of a stage that were lost and not given up; the new runs."""
        if self.plan.purpose != "compare":
            return []
        repeated = {entry.block for entry in self.plan.repeated_blocks}
        lost: dict[int, str] = {}
        for run in stage:
            reason = self._reason(run)
            if reason and run.block not in repeated and self._tries(run.block) < TRIES:
                named = f"{self.plan.arms[run.arm]}: {reason}"
                lost[run.block] = f"{lost[run.block]}; {named}" if run.block in lost else named
        if not lost:
            return []
        known = len(self.plan.order)
        self.plan = self.plan.with_repeats(lost)
        self.plan.write(self._file)
        return list(self.plan.order[known:])

    def _ends_here(self, stage: Sequence[PlannedRun]) -> bool:
        """Of a sequential plan, after a round: whether the question is answered, or there is no use in asking on."""
        planned = from_plain(comparison_model.Plan, self.plan.to_json())
        self.sequential = rounds.follow(planned, tuple(self.plan.arms), self._runs)
        repeated = {entry.block for entry in self.plan.repeated_blocks}
        # A round that stays incomplete ends what can be concluded from; a target that lacks something lacks it in every round.
        incomplete = any(run.index in self._without_verdict and run.block not in repeated for run in stage)
        nothing_to_measure = all(run.status is Status.SKIP for run in self._runs.values())
        return incomplete or nothing_to_measure or (self.sequential is not None and self.sequential.stopped == "answered")
