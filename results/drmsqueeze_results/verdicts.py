# SPDX-License-Identifier: MIT
"""Sentences about a comparison: no more than the data carry, with what they exclude instead of "never"."""

from collections.abc import Mapping, Sequence

from drmsqueeze_results import sequential_verdict
from drmsqueeze_results.anytime import Sequential
from drmsqueeze_results.comparison_model import Arm, ArmLevel, Bound, Cell, ComparisonVerdict, Level, Plan, Share, Test
from drmsqueeze_results.model import RARE, Outcome
from drmsqueeze_results.statistics import CONFIDENCE, permutation_p_attainable

VERBS = {
    Outcome.CORRUPTED: "corrupted", Outcome.FAILED: "failed", Outcome.TIMED_OUT: "timed out on",
    Outcome.STALLED: "stalled", Outcome.HUNG: "hung", Outcome.LOST: "lost track",
}
ADJECTIVES = {
    "completed": "completed jobs", "corrupted": "corrupted jobs", "failed": "failed jobs",
    "timed_out": "timed-out jobs", "stalled": "stalls", "hung": "hangs", "lost": "lost jobs",
}
INJECTION_NOTE = ("Allocations were made to fail by injection ({}). That tests error paths; it cannot say which GFP "
                  "flags are better, only real pressure can.")


def percent(share: float) -> str:
    """A share for people: whole percents, with a decimal where a whole percent would hide it."""
    value = 100 * share
    return f"{value:.1f} %" if 0 < value < 1 or 99 < value < 100 else f"{value:.0f} %"


def milliseconds(ns: float | None) -> str:
    """A latency for people."""
    if ns is None:
        return "-"
    ms = ns / 1e6
    if ms >= 10_000:
        return f"{ms / 1000:.1f} s"
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.2g} ms"


def level_name(level: float, rate_hz: float | None = None) -> str:
    """A level for people: how much of the idle MemAvailable is left; with the demand rate where rates are swept."""
    return f"{100 * level:g} %" + ("" if rate_hz is None else f", {rate_hz:g} jobs/s")


def p_value(p: float | None) -> str:
    """A p for people."""
    if p is None:
        return "-"
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def interval(share: Share) -> str:
    """The interval of a share for people, with its kind; empty where there is none."""
    if share.interval is None:
        return ""
    low, high = (round(100 * end) for end in share.interval)
    if share.interval_kind == "range":
        return f"{low} to {high} % in single runs"
    return f"{100 * CONFIDENCE:g} % interval {low} to {high} %"


def describe(kernel: str, arm: ArmLevel) -> str:
    """What became of one arm's jobs at one level."""
    if not arm.submitted:
        return f"{kernel} has no run to count"
    completed = arm.outcomes[Outcome.COMPLETED.value].count
    median = arm.latency_ns["p50"].median
    speed = f" (median {milliseconds(median)})" if median is not None else ""
    parts = []
    for outcome, verb in VERBS.items():
        share = arm.outcomes[outcome.value]
        if share.count and outcome.value in RARE:
            parts.append(f"{verb} in {share.runs_with} of {arm.runs} runs")
        elif share.count:
            portion = f"{percent(share.share or 0)}, {interval(share)}"
            parts.append(f"{verb} {share.count} of {arm.submitted} jobs ({portion})")
    if completed or not parts:
        parts.append(f"completed {completed}{'' if parts else f' of {arm.submitted}'} jobs{speed}")
    return f"{kernel} " + " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[:-1] else parts)


def _number_of(level: Level, keys: Sequence[str], units: int) -> str:
    """The runs that something was not seen in. Runs from one snapshot are one observation, and told apart from runs."""
    runs = min(level.arms[key].runs for key in keys)
    return f"{runs} runs" if units == runs else f"{runs} runs from {units} snapshots"


def _hangs(arms: Mapping[str, Arm], level: Level, bounds: Sequence[Bound]) -> str:
    """What can be said of hangs at this level: a bound where none was seen, runs with one where there were."""
    hung = Outcome.HUNG.value
    upper = {b.arm: b for b in bounds if (b.level, b.rate_hz) == (level.level, level.rate_hz) and b.outcome == hung}
    clean = [key for key in level.arms if key in upper]
    if not clean:
        return ""
    worst = max((upper[key] for key in clean), key=lambda bound: bound.upper)
    seen = (f"in {_number_of(level, clean, worst.runs)}, which bounds the true rate at {percent(worst.upper)} "
            f"({100 * CONFIDENCE:g} % confidence)")
    if len(clean) == len(level.arms):
        return f"; {'neither' if len(clean) == 2 else 'none'} hung {seen}"
    return f"; {' and '.join(arms[key].kernel for key in clean)} did not hang {seen}"


def deciding(tests: Sequence[Test]) -> list[Test]:
    """Those over all levels and rates, of primary outcomes: no other decides."""
    return [t for t in tests if t.primary and t.level is None and t.rate_hz is None]


def telling_level(levels: Sequence[Level], tests: Sequence[Test]) -> Level:
    """The level (and rate) with the greatest difference in a primary outcome; among equals the one with the least memory left."""
    effects: dict[tuple[float, float | None], float] = {}
    for test in tests:
        if test.level is not None and test.effect is not None and test.measure != "latency":
            place = test.level, test.rate_hz
            effects[place] = max(effects.get(place, 0.0), abs(test.effect))
    return max(levels, key=lambda level: (effects.get((level.level, level.rate_hz), 0.0), -level.level, level.rate_hz or 0.0))


def _decision(plan: Plan, tests: Sequence[Test], kernels: Mapping[str, str]) -> tuple[str, str]:
    """The code, and the sentence on whether it could be chance. Only tests over all levels decide."""
    primary = deciding(tests)
    several = len({t.arms for t in primary}) > 1
    everywhere = "Over all levels and demand rates" if len(plan.rates_hz) > 1 else "Over all levels"
    unit = "blocks" if all(cell.unit == cell.block for cell in plan.order if cell.repeats is None) else "clusters of blocks"
    beyond = [t for t in primary if t.p_adjusted is not None and t.p_adjusted <= plan.alpha]
    if beyond:
        def named(test: Test) -> str:
            whose = f" of {kernels[test.arms[1]]}" if several else ""
            return f"{ADJECTIVES[test.outcome]}{whose} (p = {p_value(test.p_adjusted)})"
        return "differ", f"{everywhere} the difference is beyond chance in {', '.join(map(named, beyond))}."
    undecided = "Whether the kernels differ cannot be decided with so few runs: "
    blocks, differing = max(t.n for t in primary), max(t.differing for t in primary)
    attainable = permutation_p_attainable(blocks)
    if attainable is None:
        return "undecided", undecided + "no block has data of both."
    if attainable > plan.alpha:
        return "undecided", undecided + (f"the smallest p that {blocks} {unit} could reach is {p_value(attainable)}, "
                                         f"at alpha {plan.alpha:g}.")
    outcomes = " or ".join(dict.fromkeys(ADJECTIVES[t.outcome] for t in primary))
    if not differing:
        return "no-difference-seen", f"In none of {blocks} {unit} did the kernels differ in {outcomes}."
    if all(t.p_adjusted is None for t in primary):
        attainable = permutation_p_attainable(differing)
        return "undecided", undecided + (f"they differ in only {differing} of {blocks} {unit}, with which the smallest "
                                         f"p that could be reached is {p_value(attainable)}, at alpha {plan.alpha:g}.")
    smallest = min(t.p_adjusted for t in primary if t.p_adjusted is not None)
    return "no-difference-seen", (f"No difference beyond chance was seen {everywhere.lower()} in {outcomes} (smallest "
                                  f"adjusted p {p_value(smallest)}); that does not show that there is none.")


def _unfinished(cells: Sequence[Cell]) -> list[str]:
    repeated = {cell.repeats for cell in cells if cell.repeats is not None}
    notes = []
    short = [cell for cell in cells if cell.owed]
    if short:
        kinds = sorted({f"{cell.status}{f' ({cell.reason_code})' if cell.reason_code else ''}" for cell in short})
        notes.append(f"{len(short)} of {len(cells)} planned runs gave no data: {', '.join(kinds)}. Their blocks are not tested.")
    if repeated:
        notes.append(f"{len(repeated)} {'block' if len(repeated) == 1 else 'blocks'} that lost a run to the machine or the lab "
                     f"{'was' if len(repeated) == 1 else 'were'} carried out again; what was left of the first try does not count.")
    return notes


def _machines(machines: Sequence[str], cells: Sequence[Cell], tests: Sequence[Test]) -> list[str]:
    if len(machines) < 2:
        return []
    paired = max((test.n for test in deciding(tests)), default=0)
    alone = "" if paired else " No block had its runs on one machine: the machines cannot be told from the kernels."
    return [f"Runs were on {len(machines)} machines ({', '.join(machines)}); kernels are compared within each of them only.{alone}"]


def compose(plan: Plan, arms: Mapping[str, Arm], cells: Sequence[Cell], levels: Sequence[Level], tests: Sequence[Test],
            bounds: Sequence[Bound], injected: Sequence[str], planted: Sequence[str], machines: Sequence[str] = (),
            sequential: Sequential | None = None) -> ComparisonVerdict:
    """The verdict. `injected` and `planted` name what made allocations fail and what was planted, if anything."""
    notes = _unfinished(cells) + _machines(machines, cells, tests)
    if planted:
        notes.append(f"Faults were planted on purpose: {', '.join(planted)}.")
    if any(arm.runs == 0 for arm in arms.values()):
        without = " and ".join(arm.kernel for arm in arms.values() if arm.runs == 0)
        return ComparisonVerdict("not-comparable", f"There is nothing to compare: no run of {without} gave data.",
                                 tuple(notes))
    if sequential:
        code, decision = sequential_verdict.decide(sequential, {key: arm.kernel for key, arm in arms.items()}, plan.runs)
    else:
        code, decision = _decision(plan, tests, {key: arm.kernel for key, arm in arms.items()})
    level = telling_level(levels, tests)
    seen = "; ".join(describe(arms[key].kernel, level.arms[key]) for key in level.arms)
    rate = "" if level.rate_hz is None else f" and {level.rate_hz:g} jobs/s"
    sentence = f"At {level_name(level.level)} of memory left{rate}, {seen}{_hangs(arms, level, bounds)}. {decision}"
    if injected:
        notes.append(INJECTION_NOTE.format(", ".join(injected)))
        code = f"injected-{code}"
    return ComparisonVerdict(code, sentence, tuple(notes))
