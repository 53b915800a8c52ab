# SPDX-License-Identifier: MIT
"""Sentences about a comparison: no more than the data carry, with what they exclude instead of "never"."""

from collections.abc import Mapping, Sequence

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


def level_name(level: float) -> str:
    """A level for people: how much of the idle MemAvailable is left."""
    return f"{100 * level:g} %"


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


def _hangs(arms: Mapping[str, Arm], level: Level, bounds: Sequence[Bound]) -> str:
    """What can be said of hangs at this level: a bound where none was seen, runs with one where there were."""
    hung = Outcome.HUNG.value
    upper = {b.arm: b for b in bounds if b.level == level.level and b.outcome == hung}
    clean = [key for key in level.arms if key in upper]
    if not clean:
        return ""
    worst = max(upper[key].upper for key in clean)
    runs = min(level.arms[key].runs for key in clean)
    seen = f"in {runs} runs, which bounds the true rate at {percent(worst)} ({100 * CONFIDENCE:g} % confidence)"
    if len(clean) == len(level.arms):
        return f"; {'neither' if len(clean) == 2 else 'none'} hung {seen}"
    return f"; {' and '.join(arms[key].kernel for key in clean)} did not hang {seen}"


def telling_level(levels: Sequence[Level], tests: Sequence[Test]) -> Level:
    """The level with the greatest difference in a primary outcome; among equals the one with the least memory left."""
    effects: dict[float, float] = {}
    for test in tests:
        if test.level is not None and test.effect is not None:
            effects[test.level] = max(effects.get(test.level, 0.0), abs(test.effect))
    return max(levels, key=lambda level: (effects.get(level.level, 0.0), -level.level))


def _decision(plan: Plan, tests: Sequence[Test]) -> tuple[str, str]:
    """The code, and the sentence on whether it could be chance. Only tests over all levels decide."""
    primary = [t for t in tests if t.level is None]
    beyond = [t for t in primary if t.p_adjusted is not None and t.p_adjusted <= plan.alpha]
    if beyond:
        named = ", ".join(f"{ADJECTIVES[t.outcome]} (p = {p_value(t.p_adjusted)})" for t in beyond)
        return "differ", f"Over all levels the difference is beyond chance in {named}."
    undecided = "Whether the kernels differ cannot be decided with so few runs: "
    blocks, differing = max(t.n for t in primary), max(t.differing for t in primary)
    attainable = permutation_p_attainable(blocks)
    if attainable is None:
        return "undecided", undecided + "no block has data of both."
    if attainable > plan.alpha:
        return "undecided", undecided + (f"the smallest p that {blocks} blocks could reach is {p_value(attainable)}, "
                                         f"at alpha {plan.alpha:g}.")
    outcomes = " or ".join(dict.fromkeys(ADJECTIVES[t.outcome] for t in primary))
    if not differing:
        return "no-difference-seen", f"In none of {blocks} blocks did the kernels differ in {outcomes}."
    if all(t.p_adjusted is None for t in primary):
        attainable = permutation_p_attainable(differing)
        return "undecided", undecided + (f"they differ in only {differing} of {blocks} blocks, with which the smallest "
                                         f"p that could be reached is {p_value(attainable)}, at alpha {plan.alpha:g}.")
    smallest = min(t.p_adjusted for t in primary if t.p_adjusted is not None)
    return "no-difference-seen", (f"No difference beyond chance was seen over all levels in {outcomes} (smallest "
                                  f"adjusted p {p_value(smallest)}); that does not show that there is none.")


def _unfinished(cells: Sequence[Cell]) -> list[str]:
    short = [cell for cell in cells if not cell.usable]
    if not short:
        return []
    kinds = sorted({f"{cell.status}{f' ({cell.reason_code})' if cell.reason_code else ''}" for cell in short})
    return [f"{len(short)} of {len(cells)} planned runs gave no data: {', '.join(kinds)}. Their blocks are not tested."]


def compose(plan: Plan, arms: Mapping[str, Arm], cells: Sequence[Cell], levels: Sequence[Level], tests: Sequence[Test],
            bounds: Sequence[Bound], injected: Sequence[str], planted: Sequence[str]) -> ComparisonVerdict:
    """The verdict. `injected` and `planted` name what made allocations fail and what was planted, if anything."""
    notes = _unfinished(cells)
    if planted:
        notes.append(f"Faults were planted on purpose: {', '.join(planted)}.")
    if any(arm.runs == 0 for arm in arms.values()):
        without = " and ".join(arm.kernel for arm in arms.values() if arm.runs == 0)
        return ComparisonVerdict("not-comparable", f"There is nothing to compare: no run of {without} gave data.",
                                 tuple(notes))
    code, decision = _decision(plan, tests)
    level = telling_level(levels, tests)
    seen = "; ".join(describe(arms[key].kernel, level.arms[key]) for key in level.arms)
    sentence = f"At {level_name(level.level)} of memory left, {seen}{_hangs(arms, level, bounds)}. {decision}"
    if injected:
        notes.append(INJECTION_NOTE.format(", ".join(injected)))
        code = f"injected-{code}"
    return ComparisonVerdict(code, sentence, tuple(notes))
