# SPDX-License-Identifier: MIT
"""`compare --plan`: what a comparison would need, could show and would take, with nothing run."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from drmsqueeze_results import anytime, power
from drmsqueeze_results.errors import ResultsError
from drmsqueeze_results.outcomes import load_run
from drmsqueeze_results.statistics import permutation_p_attainable, upper_bound

from drmsqueeze import plan, timings
from drmsqueeze.errors import UsageError
from drmsqueeze.scenario import Scenario

DIFFERENCE = 0.1
POWER = 0.8


def assumptions(earlier: Path | None) -> power.Assumptions:
    """From the runs of an earlier comparison, else stated ones. Raises UsageError where the directory has too few."""
    if earlier is None:
        return power.ASSUMED
    runs = []
    for path in sorted(earlier.rglob("run.json")):
        try:
            runs.append(load_run(path.parent))
        except ResultsError:
            continue  # fewer to learn from
    found = power.from_runs(runs, "a", str(earlier))
    if found is None:
        raise UsageError(f"{earlier}: too few runs to learn from: expected a comparison with at least two runs of a kernel at one level")
    return found


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def lines(scenario: Scenario, kernels: Sequence[str], runs: int | None, difference: float, wanted: float, assumed: power.Assumptions,
          most_runs: int, margin: float, cold: bool) -> Iterator[str]:
    """What `--plan` prints. `runs`: for each level, rate and kernel; None: the scenario's."""
    conditions = len(scenario["levels"]) * len(scenario.rates_hz)
    runs = scenario["runs"] if runs is None else runs
    tests = len(plan.PRIMARY_OUTCOMES) * (len(kernels) - 1)
    alpha = plan.ALPHA / tests  # what the first of Holm's steps asks
    per_run, whence = timings.per_run_s(scenario)
    points = f"{100 * difference:g} percentage points"

    def takes(at_each: int) -> str:
        return f"{at_each * conditions * len(kernels)} runs in all, about {_duration(at_each * conditions * len(kernels) * per_run)}"

    def seen(at_each: int) -> float:
        blocks = at_each * conditions
        return power.power_of(blocks, plan.blocks_per_cluster(blocks, cold), difference, assumed, alpha)

    yield f"{scenario.name}: {' against '.join(kernels)}, {len(scenario['levels'])} levels, {len(scenario.rates_hz)} demand rates"
    yield f"a run takes {per_run:.1f} s ({whence})"
    yield assumed.source
    blocks = runs * conditions
    clusters = -(-blocks // plan.blocks_per_cluster(blocks, cold))
    smallest = permutation_p_attainable(clusters) or 1.0
    yield (f"with {runs} runs at each level and rate ({takes(runs)}): {blocks} blocks in {clusters} clusters, the smallest p is "
           f"{smallest:.2g}; with {tests} tests it must be {alpha:.3g} or less. " + ("That cannot decide anything." if smallest > alpha else
           f"A difference of {points} in the failed share is seen with a power of {seen(runs):.2f}."))
    fixed = power.fewest(seen, wanted)
    yield (f"to see a difference of {points} in the failed share with a power of {wanted:g}: " +
           (f"{fixed} runs at each level and rate of each kernel ({takes(fixed)})" if fixed else
            f"more than {power.MOST} runs at each level and rate"))
    other = min(1.0, assumed.hung + difference)
    rare = power.fewest(lambda count: power.exact_power(count, assumed.hung, other, alpha), wanted, 200)
    yield (f"to see that {100 * other:g} % of the runs at a level hang and not {100 * assumed.hung:.3g} %: " +
           (f"{rare} runs there of each kernel" if rare else "more than 200 runs there of each kernel") +
           " (Fisher's exact test; Boschloo's needs no more)." +
           (f" No hang in {runs} runs leaves a rate of up to {100 * bound:.0f} % possible." if (bound := upper_bound(0, runs)) else ""))
    rounds = most_runs // conditions
    if not rounds:
        yield f"--until-sure: {most_runs} runs of each kernel are less than a round of {conditions}"
        return
    often, average = power.rounds_until_sure(conditions, difference, assumed, plan.ALPHA, tests, rounds)
    within = anytime.rounds_for_margin(margin, plan.ALPHA)
    yield (f"--until-sure, at most {most_runs} runs of each kernel ({rounds} rounds): sees it with a power of {often:.2f}, after "
           f"{average:.1f} rounds on average ({takes(round(average))}); that nothing differs by more than {100 * margin:g} points it can say after "
           f"{within or 'too many'} rounds at the earliest" + ("" if within and within <= rounds else f", which needs --most-runs {(within or 0) * conditions} or more"))
