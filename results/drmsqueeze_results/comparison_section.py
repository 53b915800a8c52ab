# SPDX-License-Identifier: MIT
"""A comparison for people: the answer first, then on what it rests."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drmsqueeze_results import answer_plots, comparison_tables, lockdep_views, plots
from drmsqueeze_results.chain_picture import Picture, picture
from drmsqueeze_results.comparison import load_comparison
from drmsqueeze_results.comparison_model import Comparison
from drmsqueeze_results.documents import read_json
from drmsqueeze_results.drawing import Plot
from drmsqueeze_results.errors import BadComparison, ResultsError
from drmsqueeze_results.lockdep_views import LockdepView
from drmsqueeze_results.model import Run
from drmsqueeze_results.outcomes import consider, load_run
from drmsqueeze_results.section_parts import FindingView, environments, findings, kernel_of, limits, plan_of, samples
from drmsqueeze_results.sequential_view import SequentialView, sequential_view
from drmsqueeze_results.tables import REACHED, Grid, comparison_grid, rate_name
from drmsqueeze_results.verdicts import level_name, telling_level

BLOCKED = "evidence/blocked-tasks.json"
MANY_ROWS = 12  # more than a reader takes in above the plots: counts and intervals then stand among the details


@dataclass(frozen=True)
class WaitView:
    """Of one kernel: in how many runs tasks were blocked, and who waited for whom in one of them."""

    sentence: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class ComparisonSection:
    """A comparison for people: `answers` are the three plots below the table, `plots` those among the details.

    `whole` is the table with counts and intervals where `grid` has the shares alone.
    """

    slug: str
    title: str
    description: str
    code: str
    sentence: str
    notes: tuple[str, ...]
    grid: Grid
    whole: Grid | None
    reached: Grid
    answers: tuple[Plot, ...]
    halves: tuple[str, ...]
    plots: tuple[Plot, ...]
    tests: tuple[Grid, ...]
    details: tuple[Grid, ...]
    sequential: SequentialView | None
    bounds: tuple[str, ...]
    exposure: Grid
    exposure_note: str
    findings: tuple[FindingView, ...]
    waits: tuple[WaitView, ...]
    environment: Grid
    commands: tuple[str, ...]
    limits: tuple[str, ...]
    lockdep: tuple[LockdepView, ...]
    kind: str = "comparison"


def _waits(loaded: Sequence[tuple[Path, Run]]) -> Iterator[WaitView]:
    """Who waits for whom, of each kernel in the first run with a closed circle, or without one in the first with blocked tasks."""
    for kernel in dict.fromkeys(kernel_of(run) for _, run in loaded):
        mine = [path for path, run in loaded if kernel_of(run) == kernel]
        blocked = {path: [chain["closed"] for chain in read_json(path / BLOCKED, BadComparison).get("chains", ())]
                   for path in mine if (path / BLOCKED).exists()}
        closed = [path for path, chains in blocked.items() if any(chains)]
        if any(blocked.values()):
            shown = (closed or [path for path, chains in blocked.items() if chains])[0]
            circles = f", in {len(closed)} of them in a circle that nobody can leave" if closed else ""
            yield WaitView(f"In {len(blocked)} of {len(mine)} runs of {kernel} tasks were blocked{circles}. This is run {shown.name}:",
                           tuple(picture(chain) for chain in consider(shown).chains))


def _commands(comparison: Comparison, design: Mapping[str, Any]) -> Iterator[str]:
    """What to type to have the same again."""
    a, b, *others = (arm.kernel for arm in comparison.arms.values())
    options = [f"--a {a} --b {b}", *(f"--arm {other}" for other in others), f"--seed {comparison.plan.seed}"]
    if design.get("kind") == "sequential":
        options += ["--until-sure", *(f"--{name} {design[member]:g}" for name, member in (("most-runs", "most_runs"), ("margin", "margin"))
                                      if design.get(member) is not None)]
    else:
        options.insert(-1, f"--runs {comparison.plan.runs}")
    if design.get("cold"):
        options.append("--cold")
    yield "# DIR: where this report lies, with the scenario as it was carried out; `report` writes the page anew."
    yield f"./drmsqueeze compare DIR/scenario.json {' '.join(options)}"
    yield "./drmsqueeze report DIR"


def _runs(directory: Path, comparison: Comparison) -> list[tuple[Path, Run]]:
    usable = {cell.index for cell in comparison.cells if cell.usable}
    loaded = []
    for path in sorted((directory / "runs").glob("*/run.json")):
        try:
            run = load_run(path.parent)
        except ResultsError:  # the table of planned runs tells of it
            continue
        if run.index in usable:
            loaded.append((path.parent, run))
    return loaded


def comparison_section(directory: Path, slug: str = "comparison") -> ComparisonSection:
    """The section for `directory`/compare.json. Raises a ResultsError where it or a run is not in its format."""
    comparison = load_comparison(directory)
    whole = comparison_grid(comparison)
    many = len(whole.rows) > MANY_ROWS
    loaded = _runs(directory, comparison)
    runs = [run for _, run in loaded]
    telling = telling_level(comparison.levels, comparison.tests)
    places = {cell.index for cell in comparison.cells if (cell.level, cell.rate_hz) == (telling.level, telling.rate_hz)}
    shown = [(kernel_of(run), samples(path)) for path, run in sorted(loaded, key=lambda pair: pair[1].arm)
             if run.index in places and (path / "facts.json").exists()]
    where = f"at {level_name(telling.level)} left" + (f" and {rate_name(telling.rate_hz)}" if telling.rate_hz is not None else "")
    happened = answer_plots.incidence(comparison, telling.level, f"{slug}-incidence")
    latency = () if happened.title == plots.LATENCY else (plots.latencies(comparison, f"{slug}-latency"),)
    tables = [grid(comparison) for grid in (
        comparison_tables.dose_grid, comparison_tables.regression_grid, comparison_tables.factorial_grid, comparison_tables.strata_grid,
        comparison_tables.gaps_grid, comparison_tables.repeats_grid)]
    plan = plan_of(directory)
    return ComparisonSection(
        slug=slug, title=f"{comparison.scenario.name}: " + " against ".join(arm.kernel for arm in comparison.arms.values()),
        description=plan.get("scenario", {}).get("description", ""), code=comparison.verdict.code,
        sentence=comparison.verdict.sentence,
        notes=comparison.verdict.notes, grid=(comparison_grid(comparison, short=True) if many else whole).without(*REACHED),
        whole=whole.without("runs", *REACHED) if many else None, reached=whole.only("rate", "left", "kernel", *REACHED),
        answers=(answer_plots.dose_and_response(comparison, f"{slug}-dose"), answer_plots.trade(comparison, f"{slug}-trade"), happened),
        halves=comparison_tables.half_sentences(comparison),
        plots=(plots.outcome_shares(comparison, f"{slug}-shares"), *latency,
               plots.over_time(shown, f"{slug}-time", f"As really reached, {where}; one line for each run.")),
        tests=comparison_tables.tests_grids(comparison), details=tuple(grid for grid in tables if grid.rows),
        sequential=sequential_view(comparison, f"{slug}-sequential"), bounds=comparison_tables.bound_sentences(comparison),
        exposure=comparison_tables.exposure_grid(comparison), exposure_note=comparison.exposure_note, findings=findings(runs),
        waits=tuple(_waits(loaded)),
        environment=environments(runs), commands=tuple(_commands(comparison, plan.get("design") or {})), limits=limits(runs),
        lockdep=lockdep_views.of_comparison(comparison))
