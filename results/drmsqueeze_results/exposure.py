# SPDX-License-Identifier: MIT
"""What the arms were exposed to: the same, or said in words; and rates by it. Descriptive."""

from collections.abc import Mapping, Sequence

from drmsqueeze_results.comparison_model import Arm, Exposure
from drmsqueeze_results.model import Outcome, Run
from drmsqueeze_results.observations import Observation

# Injectors that make allocations fail. A comparison with one of them is no verdict on GFP flags.
INJECTS_FAILURES = frozenset({"fail-page-alloc", "failslab", "fail-function", "fail-gem-alloc", "fail-gem-iova", "fail-nth"})
PLANTED = {"trap": "trap", "model-fault": "fault"}
HEAP_GROWTHS = "heap growths"  # as stressors count them (tiler_heap.cc)
INCREMENTAL_PASSES = "incremental passes"
REFUSED, REPAIRED = "attempts refused", "jobs repaired"  # on_refusal.cc
TOLERANCE = 0.02  # differences below this share of the greater are not worth a word


def _counted(run: Run, name: str) -> int | None:
    known = [count for report in run.stressors if isinstance(count := report.counts.get(name), int)]
    return sum(known) if known else None


def _growths(run: Run) -> int | None:
    return _counted(run, HEAP_GROWTHS)


def _faults(run: Run) -> int | None:
    known = [i.fired for i in run.injections if i.fired is not None and (i.injector in INJECTS_FAILURES or i.injector in PLANTED)]
    return sum(known) if known else None


def _rates(runs: Sequence[Run], exposed: int | None) -> dict[str, float]:
    """Jobs with each outcome but "completed", per 1,000; nothing where nothing is known to have happened."""
    if not exposed:
        return {}
    counts = {outcome.value: sum(run.jobs.of(outcome) for run in runs) for outcome in Outcome if outcome is not Outcome.COMPLETED}
    return {outcome: round(1000 * count / exposed, 4) for outcome, count in counts.items()}


def exposure(items: Sequence[Observation]) -> Exposure:
    """Of one arm. A rate counts only the runs of which the exposure is known, above the line and below."""
    runs = [item.run for item in items]
    fired: dict[str, int] = {}
    for run in runs:
        for injection in run.injections:
            if injection.fired is not None:
                fired[injection.injector] = fired.get(injection.injector, 0) + injection.fired
    grown = [(run, n) for run in runs if (n := _growths(run)) is not None]
    faulted = [(run, n) for run in runs if (n := _faults(run)) is not None]
    growths = sum(n for _, n in grown) if grown else None
    faults = sum(n for _, n in faulted) if faulted else None
    sums = {name: sum(known) if (known := [n for run in runs if (n := _counted(run, name)) is not None]) else None
            for name in (INCREMENTAL_PASSES, REFUSED, REPAIRED)}
    return Exposure(sum(run.jobs.submitted for run in runs), fired, growths, faults, _rates([run for run, _ in grown], growths),
                    _rates([run for run, _ in faulted], faults), sums[INCREMENTAL_PASSES], sums[REFUSED], sums[REPAIRED])


def _apart(what: str, values: Mapping[str, float | None]) -> str:
    known = {kernel: value for kernel, value in values.items() if value is not None}
    if len(known) < len(values):
        missing = " and ".join(kernel for kernel in values if kernel not in known)
        return f"{what} are not known of {missing}"
    most = max(known.values(), default=0)
    if not most or min(known.values()) >= (1 - TOLERANCE) * most:
        return ""
    return f"{what} were not the same: " + ", ".join(f"{value:,.1f}".removesuffix(".0") + f" with {kernel}" for kernel, value in known.items())


def note(arms: Mapping[str, Arm], seen: Mapping[str, Exposure]) -> str:
    """Whether the arms were exposed to the same, by run: equal, or how not and what follows."""
    def per_run(of: Mapping[str, float | None]) -> dict[str, float | None]:
        return {arms[key].kernel: None if of[key] is None or not arms[key].runs else float(of[key] or 0) / arms[key].runs for key in arms}

    if not seen or not all(arm.runs for arm in arms.values()):
        return ""
    counted: dict[str, dict[str, float | None]] = {
        "jobs": {key: e.jobs_submitted for key, e in seen.items()},
        "heap growths": {key: e.heap_growths for key, e in seen.items()},
        "faults fired": {key: e.faults_fired for key, e in seen.items()}}
    for name in sorted({name for e in seen.values() for name in e.injections_fired} & INJECTS_FAILURES):
        counted[f"faults of {name}"] = {key: e.injections_fired.get(name) for key, e in seen.items()}
    known = {what: values for what, values in counted.items() if any(value is not None for value in values.values())}
    told = [part for what, values in known.items() if (part := _apart(f"{what} for each run", per_run(values)))]
    if not told:
        return f"The exposure was the same with all kernels, to within {100 * TOLERANCE:g} %: {', '.join(known)} for each run."
    text = "; ".join(told)
    return (f"{text[0].upper()}{text[1:]}. A kernel that fails or gets stuck early is exposed to less afterwards: read the shares, and the "
            "rates by what happened, side by side.")
