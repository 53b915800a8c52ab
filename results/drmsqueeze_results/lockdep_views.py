# SPDX-License-Identifier: MIT
"""Lockdep's verdict for people: the same words in report.html and in summary.md."""

from collections.abc import Sequence
from dataclasses import dataclass

from drmsqueeze_results.comparison_model import ArmLockdep, Comparison
from drmsqueeze_results.lockdep import describe
from drmsqueeze_results.model import LockCycle, Run

NOT_CHECKED = "not checked (a kernel without lockdep, as lab is; lab-debug has it), or lockdep was off"
UNEXPLAINED = "We have no explanation for this one"
SILENT_AFTERWARDS = ("Lockdep reports one thing and then looks no more: what came later in that run was not checked, and a second "
                     "fault may hide behind the first.")


@dataclass(frozen=True)
class CycleView:
    """A cycle: what it means, the locks one by one, and in how many runs it came."""

    explanation: str
    steps: str
    where: str


@dataclass(frozen=True)
class LockdepView:
    """What lockdep says of one kernel."""

    kernel: str
    sentence: str
    cycles: tuple[CycleView, ...]


def _cycle(cycle: LockCycle, where: str) -> CycleView:
    by = f" (by {cycle.task}{f' at {cycle.first_s:.1f} s' if cycle.first_s is not None else ''})" if cycle.task else ""
    return CycleView(cycle.explanation or f"{UNEXPLAINED}; kind: {cycle.kind}.", describe(cycle), where + by)


def _arm(kernel: str, arm: ArmLockdep) -> LockdepView:
    if not arm.checked:
        return LockdepView(kernel, NOT_CHECKED, ())
    checked = f"checked in {arm.checked} of {arm.runs} runs"
    if not arm.found:
        return LockdepView(kernel, f"{checked}: nothing reported", ())
    return LockdepView(kernel, f"{checked}: reported in {sum(one.runs for one in arm.found)}",
                       tuple(_cycle(one.cycle, f"{one.runs} of {arm.runs} runs") for one in arm.found))


def of_comparison(comparison: Comparison) -> tuple[LockdepView, ...]:
    """One view for each arm; none where no arm was checked."""
    if not any(arm.checked for arm in comparison.lockdep.values()):
        return ()
    return tuple(_arm(comparison.arms[key].kernel, arm) for key, arm in comparison.lockdep.items())


def of_run(kernel: str, run: Run) -> LockdepView | None:
    """The view of a run; None where nothing was checked."""
    said = run.lockdep
    if said is None or not said.checked:
        return None
    if not said.cycles:
        return LockdepView(kernel, "checked to the end: nothing reported", ())
    return LockdepView(kernel, "reported", tuple(_cycle(cycle, "this run") for cycle in said.cycles))


def sentence(views: Sequence[LockdepView]) -> str:
    """All views in one line each, for the terminal."""
    lines = [f"lockdep, {view.kernel}: {view.sentence}" + "".join(f"\n  {cycle.explanation}" for cycle in view.cycles) for view in views]
    return "\n".join(lines)
