# SPDX-License-Identifier: MIT
"""Runs that belong together, for people."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drmsqueeze_results import lockdep_views, plots
from drmsqueeze_results.chain_picture import Picture, picture
from drmsqueeze_results.drawing import Plot
from drmsqueeze_results.kernel_log import BlockedTask
from drmsqueeze_results.lockdep_views import LockdepView
from drmsqueeze_results.model import Outcome, Run, Status
from drmsqueeze_results.outcomes import Judgement, consider
from drmsqueeze_results.run_tables import run_grids, witnesses_grid
from drmsqueeze_results.section_parts import FindingView, environments, findings, kernel_of, limits
from drmsqueeze_results.tables import TITLES, Grid
from drmsqueeze_results.verdicts import VERBS, milliseconds


MOST_NAMES = 6  # of blocked tasks in a sentence
MOST_COMMANDS = 6  # to reproduce runs, those first that did not pass
MOST_STACKS = 12  # tasks shown per run; the rest is in evidence/
# Frames worth a reader's eye in a stack that waits for itself.
TELLING_FRAMES = re.compile(
    r"^(?:panfrost|panthor|lima|msm|etnaviv|vgem|drm_sched|drm_gem|trap|dma_fence|dma_resv)_\w*|"
    r"^(?:try_to_free_pages|shrink_slab|do_shrink_slab|__alloc_pages\w*|kswapd|balance_pgdat)$")


@dataclass(frozen=True)
class StackView:
    """A blocked task; each frame with whether it is worth a reader's eye."""

    title: str
    frames: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class RunView:
    """One run for people."""

    name: str
    kernel: str
    run: Run
    sentence: str
    counts: tuple[tuple[str, int], ...]
    stacks: tuple[StackView, ...]
    more_stacks: int
    lost: tuple[str, ...]
    chains: tuple[Picture, ...]
    grids: tuple[Grid, ...]
    lockdep: LockdepView | None
    witnesses: Grid


@dataclass(frozen=True)
class RunsSection:
    """Runs that belong together, for people; `planted` names the faults that were planted on purpose."""

    slug: str
    title: str
    description: str
    sentence: str
    planted: tuple[str, ...]
    runs: tuple[RunView, ...]
    plots: tuple[Plot, ...]
    findings: tuple[FindingView, ...]
    environment: Grid
    commands: tuple[str, ...]
    limits: tuple[str, ...]
    kind: str = "runs"


def _stack(task: BlockedTask) -> StackView:
    when = f", seen at {task.t_s:.1f} s" if task.t_s is not None else ""
    return StackView(f"{task.name} (pid {task.pid}, state {task.state}{when})",
                     tuple((frame, bool(TELLING_FRAMES.match(frame))) for frame in task.frames))


def _aftermath(judgement: Judgement) -> str:
    """What was left of the machine, as far as anybody saw it."""
    witnesses = judgement.data.facts.witnesses
    kinds = {witness.kind for witness in witnesses}
    if "probe-ok" in kinds:
        return ", and the machine works on"
    if "probe-failed" not in kinds:
        return ""
    blocked = list(dict.fromkeys([task.name for task in judgement.blocked]
                                 + [w.text for w in witnesses if w.kind == "d-state" and w.text]))
    who = f"; blocked for good: {', '.join(blocked[:MOST_NAMES])}" if blocked else ""
    return f"; with all pressure released no job runs any more{who}"


def describe_run(judgement: Judgement) -> str:
    """What a run came to, in a sentence without its stop: the kernel is the subject."""
    run, kernel = judgement.run, kernel_of(judgement.run)
    if any(witness.kind == "heartbeat-lost" for witness in run.witnesses):
        in_flight = run.jobs.hung + run.jobs.lost
        fate = "hung" if run.jobs.hung else "lost"
        jobs = f"{in_flight} job{'s' * (in_flight != 1)} in flight ({fate})"
        return f"{kernel} locked up: the machine went silent with {jobs}"
    if run.jobs.submitted == 0:
        return f"{kernel} ran no job ({run.verdict.reason_code})"
    if run.jobs.submitted == 1 and judgement.fates.others:
        only = judgement.fates.others[0]
        took = only.record.latency_ns if only.record and only.record.latency_ns else None
        verb = {Outcome.TIMED_OUT: "timed out on", Outcome.STALLED: "stalled on", Outcome.HUNG: "hung on",
                Outcome.LOST: "lost"}.get(only.outcome, VERBS[only.outcome])
        until = ", not ended after" if only.outcome is Outcome.HUNG else " after"
        after = f"{until} {milliseconds(took)}" if took else ""
        return f"{kernel} {verb} the job{after}{_aftermath(judgement)}"
    seen = [f"{run.jobs.of(outcome)} {TITLES[outcome]}" for outcome in TITLES if run.jobs.of(outcome)]
    return f"{kernel}: of {run.jobs.submitted} jobs " + ", ".join(seen)


def _run_view(path: Path, judgement: Judgement) -> RunView:
    run = judgement.run
    reasons = dict.fromkeys(f"{TITLES[f.outcome]}: {f.reason}" for f in judgement.fates.others if f.reason)
    return RunView(
        path.name, kernel_of(run), run, describe_run(judgement),
        tuple((TITLES[outcome], run.jobs.of(outcome)) for outcome in TITLES),
        tuple(_stack(task) for task in judgement.blocked[:MOST_STACKS]),
        max(0, len(judgement.blocked) - MOST_STACKS), tuple(reasons),
        tuple(picture(chain) for chain in judgement.chains), run_grids(run),
        lockdep_views.of_run(kernel_of(run), run), witnesses_grid(run))


def runs_section(title: str, run_dirs: Sequence[Path], slug: str, directory: Path) -> RunsSection:
    """The section for runs that belong together, in the report on `directory`. Raises BadRunDirectory where one has no facts."""
    judged = [(path, consider(path)) for path in run_dirs]
    runs = [judgement.run for _, judgement in judged]
    planted = {str(entry.get("trap") or entry.get("fault")) for _, judgement in judged
               for key in ("traps", "model_faults") for entry in judgement.data.scenario.get(key, ())}
    shown = [(kernel_of(judgement.run), judgement.data.samples) for _, judgement in judged if judgement.data.samples]
    figures = [plots.over_time(shown, f"{slug}-time", "As really reached; one line for each run.")]
    commands = dict.fromkeys(
        f"./drmsqueeze run {Path('DIR') / path.relative_to(directory) / 'scenario.json'} --kernel {kernel_of(judgement.run)}"
        for path, judgement in sorted(judged, key=lambda pair: pair[1].run.status is Status.PASS)[:MOST_COMMANDS])
    sentence = "; ".join(dict.fromkeys(describe_run(judgement) for _, judgement in judged)) + "."
    if planted:
        sentence = f"With a planted fault ({', '.join(sorted(planted))}): {sentence}"
    return RunsSection(
        slug=slug, title=title, description=next((judgement.data.scenario.get("description", "") for _, judgement in judged), ""),
        sentence=sentence, planted=tuple(sorted(planted)),
        runs=tuple(_run_view(path, judgement) for path, judgement in judged),
        plots=tuple(figures) if shown else (), findings=findings(runs), environment=environments(runs),
        commands=("# DIR: where this report lies. A scenario.json is that one run, seed and level included.", *commands), limits=limits(runs))
