# SPDX-License-Identifier: MIT
"""What a report is made of: a comparison, or runs that belong together.

Everything is worked out here; templates only show it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drmsqueeze_results import lockdep_views, plots
from drmsqueeze_results.chain_picture import Picture, picture
from drmsqueeze_results.comparison import load_comparison
from drmsqueeze_results.comparison_model import Comparison, Test
from drmsqueeze_results.documents import read_json, to_plain
from drmsqueeze_results.errors import BadComparison, ResultsError
from drmsqueeze_results.facts import read_run
from drmsqueeze_results.kernel_log import BlockedTask
from drmsqueeze_results.lockdep_views import LockdepView
from drmsqueeze_results.model import Environment, Finding, Outcome, Run, Status
from drmsqueeze_results.outcomes import Judgement, consider, load_run
from drmsqueeze_results.run_tables import run_grids, witnesses_grid
from drmsqueeze_results.tables import TITLES, Grid, comparison_grid
from drmsqueeze_results.verdicts import ADJECTIVES, VERBS, level_name, milliseconds, p_value, percent, telling_level

MOST_NAMES = 6  # of blocked tasks in a sentence
MOST_COMMANDS = 6  # to reproduce runs, those first that did not pass
MOST_STACKS = 12  # tasks shown per run; the rest is in evidence/
# Frames worth a reader's eye in a stack that waits for itself.
TELLING_FRAMES = re.compile(
    r"^(?:panfrost|panthor|lima|msm|etnaviv|vgem|drm_sched|drm_gem|trap|dma_fence|dma_resv)_\w*|"
    r"^(?:try_to_free_pages|shrink_slab|do_shrink_slab|__alloc_pages\w*|kswapd|balance_pgdat)$")


@dataclass(frozen=True)
class FindingView:
    """A finding over all runs of a section: in how many runs of which kernel, and the first excerpt."""

    finding: Finding
    seen: str


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
class ComparisonSection:
    """A comparison for people."""

    slug: str
    title: str
    description: str
    code: str
    sentence: str
    notes: tuple[str, ...]
    grid: Grid
    plots: tuple[tuple[str, str], ...]  # caption, SVG
    tests: Grid
    bounds: tuple[str, ...]
    exposure: Grid
    gaps: Grid
    findings: tuple[FindingView, ...]
    environment: Grid
    commands: tuple[str, ...]
    limits: tuple[str, ...]
    lockdep: tuple[LockdepView, ...]
    kind: str = "comparison"


@dataclass(frozen=True)
class RunsSection:
    """Runs that belong together, for people; `planted` names the faults that were planted on purpose."""

    slug: str
    title: str
    description: str
    sentence: str
    planted: tuple[str, ...]
    runs: tuple[RunView, ...]
    plots: tuple[tuple[str, str], ...]
    findings: tuple[FindingView, ...]
    environment: Grid
    commands: tuple[str, ...]
    limits: tuple[str, ...]
    kind: str = "runs"


Section = ComparisonSection | RunsSection


def kernel_of(run: Run) -> str:
    """The kernel as the user named it."""
    return run.environment.kernel.variant or run.arm


def _flat(value: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, item in value.items():
        if isinstance(item, dict):
            yield from _flat(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "not known" if item is None else str(item)


def environment_grid(environments: Mapping[str, Environment]) -> Grid:
    """The environments side by side, one column for each kernel."""
    flat = {kernel: dict(_flat(to_plain(environment))) for kernel, environment in environments.items()}
    names = dict.fromkeys(name for column in flat.values() for name in column)
    rows = tuple((name, *(column.get(name, "") for column in flat.values())) for name in names)
    return Grid("Environment", ("", *flat), (False,) * (len(flat) + 1), rows)


def _environments(runs: Sequence[Run]) -> Grid:
    first: dict[str, Environment] = {}
    for run in sorted(runs, key=lambda run: run.arm):
        first.setdefault(kernel_of(run), run.environment)
    return environment_grid(first)


def _findings(runs: Sequence[Run]) -> tuple[FindingView, ...]:
    """Findings by signature; what nobody expected comes first."""
    seen: dict[tuple[str, bool], list[tuple[str, Finding]]] = {}
    for run in runs:
        for finding in run.findings:
            seen.setdefault((finding.signature, finding.expected), []).append((kernel_of(run), finding))
    views = []
    for group in seen.values():
        kernels = [kernel for kernel, _ in group]
        where = ", ".join(f"{kernel}: {kernels.count(kernel)} of {sum(kernel_of(r) == kernel for r in runs)} runs"
                          for kernel in dict.fromkeys(kernels))
        views.append(FindingView(group[0][1], where))
    return tuple(sorted(views, key=lambda view: view.finding.expected))


def limits(runs: Sequence[Run]) -> tuple[str, ...]:
    """What results like these do not show."""
    sentences = ["One machine, one scenario: other heaps, rates, amounts of memory or swap may answer otherwise."]
    environments = [run.environment for run in runs]
    models = sorted({e.driver.model for e in environments if e.driver.model})
    if models:
        sentences.append(f"The GPU is a software model ({', '.join(models)}) behind the real driver: what the "
                         "driver and the kernel's memory management do is real, the GPU's own speed is not.")
    scales = sorted({e.time_scale for e in environments if e.time_scale and e.time_scale != 1})
    if any(e.accelerator == "tcg" for e in environments):
        scaled = f"deadlines and timeouts are stretched {' or '.join(f'{s:g}' for s in scales)} times" if scales else (
            "deadlines and timeouts are unscaled")
        sentences.append(f"The CPU is emulated (TCG) and slower than a board; {scaled}. Compare the kernels with each "
                         "other; do not take the latencies for those of a board.")
    sentences.append("Latencies are those of jobs that completed: survivors. A kernel that fails its slow jobs looks "
                     "fast.")
    return tuple(sentences)


def _tests_grid(comparison: Comparison) -> Grid:
    def where(test: Test) -> str:
        return "all" if test.level is None else level_name(test.level)

    def adjusted(test: Test) -> str:
        if test.differing and test.p_adjusted is None:
            return "cannot be decided"
        return p_value(test.p_adjusted)

    rows = tuple(
        (ADJECTIVES[t.outcome], where(t), " / ".join(comparison.arms[arm].kernel for arm in t.arms),
         t.method.replace("-", " "), str(t.n), str(t.differing),
         "-" if t.effect is None else f"{100 * t.effect:+.0f} points", p_value(t.p), adjusted(t),
         p_value(t.p_attainable))
        for t in comparison.tests)
    grid = Grid("Tests", ("outcome", "left", "kernels", "method", "n", "differing", "difference", "p", "adjusted",
                          "smallest possible"), (False,) * 4 + (True,) * 6, rows)
    return grid if len(comparison.arms) > 2 else grid.without("kernels")


def _bound_sentences(comparison: Comparison) -> tuple[str, ...]:
    """Over all levels: what was never seen, and what that excludes."""
    sentences = []
    for key, arm in comparison.arms.items():
        mine = [b for b in comparison.bounds if b.arm == key and b.level is None]
        if mine:
            *others, last = (ADJECTIVES[b.outcome] for b in mine)
            never = f"{', '.join(others)} or {last}" if others else last
            sentences.append(f"{arm.kernel}: no {never} in {mine[0].runs} runs. At {100 * mine[0].confidence:g} % "
                             f"confidence each of these happens in at most {percent(mine[0].upper)} of such runs.")
    return tuple(sentences)


def _exposure_grid(comparison: Comparison) -> Grid:
    rows = tuple((comparison.arms[key].kernel, str(seen.jobs_submitted),
                  ", ".join(f"{name} {count}" for name, count in seen.injections_fired.items()) or "nothing to count")
                 for key, seen in comparison.exposure.items())
    return Grid("Exposure", ("kernel", "jobs submitted", "injections fired"), (False, True, False), rows)


def _gaps_grid(comparison: Comparison) -> Grid:
    rows = tuple((str(c.index), str(c.block), level_name(c.level), comparison.arms[c.arm].kernel, c.status,
                  c.reason_code or "")
                 for c in comparison.cells if not c.usable)
    return Grid("Planned runs without data", ("run", "block", "level", "kernel", "status", "reason"),
                (True, True, True, False, False, False), rows)


def _plan_of(group: Path) -> Mapping[str, Any]:
    """The plan in a directory, or nothing where there is none."""
    path = group / "plan.json"
    document = read_json(path, BadComparison) if path.exists() else {}
    return document if isinstance(document, dict) else {}


def _samples(run_dir: Path) -> plots.Samples:
    return read_run(run_dir).samples


def comparison_section(directory: Path, slug: str = "comparison") -> ComparisonSection:
    """The section for `directory`/compare.json. Raises a ResultsError where it or a run is not in its format."""
    comparison = load_comparison(directory)
    usable = {cell.index for cell in comparison.cells if cell.usable}
    loaded = []
    for path in sorted((directory / "runs").glob("*/run.json")):
        try:
            run = load_run(path.parent)
        except ResultsError:  # the table of planned runs tells of it
            continue
        if run.index in usable:
            loaded.append((path.parent, run))
    runs = [run for _, run in loaded]
    telling = telling_level(comparison.levels, comparison.tests).level
    shown = [(kernel_of(run), _samples(path)) for path, run in sorted(loaded, key=lambda pair: pair[1].arm)
             if run.level == telling and (path / "facts.json").exists()]
    figures = [
        ("What became of the jobs. Whiskers: interval of the completed share. "
         + ", ".join(f"{key.upper()} = {arm.kernel}" for key, arm in comparison.arms.items()) + ".",
         plots.outcome_shares(comparison, f"{slug}-shares")),
        ("Latency of the jobs that completed; lines are the median of the runs, whiskers their range.",
         plots.latencies(comparison, f"{slug}-latency")),
    ]
    if any(samples for _, samples in shown):
        figures.append((f"Memory and pressure as really reached, at {level_name(telling)} left; one line for each run.",
                        plots.over_time(shown, f"{slug}-time")))
    kernels = list(comparison.arms.values())
    return ComparisonSection(
        slug=slug, title=f"{comparison.scenario.name}: " + " against ".join(arm.kernel for arm in kernels),
        description=_plan_of(directory).get("scenario", {}).get("description", ""), code=comparison.verdict.code, sentence=comparison.verdict.sentence, notes=comparison.verdict.notes,
        grid=comparison_grid(comparison), plots=tuple(figures), tests=_tests_grid(comparison),
        bounds=_bound_sentences(comparison), exposure=_exposure_grid(comparison), gaps=_gaps_grid(comparison),
        findings=_findings(runs), environment=_environments(runs),
        commands=tuple(f"./drmsqueeze compare configs/{comparison.scenario.name}.json --a {kernels[0].kernel} "
                       f"--b {other.kernel} --runs {comparison.plan.runs} --seed {comparison.plan.seed}"
                       for other in kernels[1:]),
        limits=limits(runs), lockdep=lockdep_views.of_comparison(comparison))


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
    figures = [("Memory and pressure as really reached; one line for each run.",
                plots.over_time(shown, f"{slug}-time"))]
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
        plots=tuple(figures) if shown else (), findings=_findings(runs), environment=_environments(runs),
        commands=("# DIR: where this report lies. A scenario.json is that one run, seed and level included.", *commands), limits=limits(runs))


def find_sections(directory: Path) -> tuple[Section, ...]:
    """What there is to report on in `directory`: a run; a comparison; sets of runs; or several of them.

    Comparisons come first. Raises BadComparison where there is nothing.
    """
    if (directory / "facts.json").exists():
        run = consider(directory).run
        return (runs_section(f"{run.scenario.name} on {kernel_of(run)}", [directory], "run", directory),)
    comparisons = sorted(path.parent for path in directory.rglob("compare.json"))
    groups: dict[Path, list[Path]] = {}
    for facts in sorted(directory.rglob("facts.json")):
        group = facts.parent.parent
        if not (group.name == "runs" and group.parent in comparisons):
            groups.setdefault(group, []).append(facts.parent)
    sections: list[Section] = [comparison_section(path, f"comparison-{number}")
                               for number, path in enumerate(comparisons)]
    for number, (group, run_dirs) in enumerate(groups.items()):
        document = _plan_of(group)
        name = document.get("scenario", {}).get("name", group.name)
        traps = document.get("scenario", {}).get("traps")
        sections.append(runs_section(f"Trap: {name}" if traps else name, run_dirs, f"runs-{number}", directory))
    if not sections:
        raise BadComparison(f"{directory}: there is no run and no comparison to report on")
    return tuple(sections)
