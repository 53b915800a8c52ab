# SPDX-License-Identifier: MIT
"""What a sequential plan came to, in words: what decided, and what was open when it stopped."""

from collections.abc import Mapping, Sequence

from drmsqueeze_results.anytime import Sequential, SequentialOutcome, rounds_for_margin

CODES = {"differ": "differ", "within-margin": "no-difference-that-matters", "undecided": "undecided"}
NAMES = {"completed": "completed jobs", "corrupted": "corrupted jobs", "failed": "failed jobs", "timed_out": "timed-out jobs",
         "stalled": "runs with a stall", "hung": "runs with a hang", "lost": "runs with a lost job"}


def points(share: float) -> str:
    """A difference of shares for people, in percentage points; with a decimal where it is small."""
    value = 100 * share
    return f"{value:+.1f}" if 0 < abs(value) < 10 else f"{value:+.0f}"


def _interval(one: SequentialOutcome, alpha: float) -> str:
    if one.interval is None:
        return "no one difference fits all rounds"
    low, high = one.interval
    return f"{100 * (1 - alpha):g} % interval {points(low)} to {points(high)} percentage points"


def _what(one: SequentialOutcome, kernels: Mapping[str, str]) -> str:
    """The outcome; where there are more than two arms, between which."""
    return NAMES[one.outcome] if len(kernels) == 2 else f"{NAMES[one.outcome]} of {kernels[one.arms[1]]}"


def _list(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[:-1] else parts)


def decide(sequential: Sequential, kernels: Mapping[str, str], most_rounds: int) -> tuple[str, str]:
    """The code and the sentence. `kernels` by arm, the baseline first."""
    alpha, margin = sequential.alpha, f"{100 * sequential.margin:g} percentage points"
    rounds = f"{sequential.units} round{'' if sequential.units == 1 else 's'}"
    code = CODES[sequential.decision]
    differ = [one for one in sequential.outcomes if one.p_adjusted <= alpha]
    others = [one for one in sequential.outcomes if one not in differ]
    shown = _list([f"{_what(one, kernels)} ({_interval(one, alpha)})" for one in others]) if others else ""
    if sequential.decision == "differ":
        # Not with its interval, which assumes less than the test and so may hold 0: the table tells it, and why.
        beyond = _list([f"{_what(one, kernels)} (mean difference {points(one.difference)} percentage points, anytime-valid "
                        f"p = {one.p_adjusted:.2g})" for one in differ])
        return code, f"After {rounds} the question was answered: the difference is beyond chance in {beyond}." + (
            f" Not decided when that was clear: {shown}." if others else "")
    if sequential.decision == "within-margin":
        return code, (f"After {rounds} the question was answered: the kernels differ by no more than the {margin} that were said not to "
                      f"matter, in {shown}.")
    if not sequential.outcomes:
        return code, "Whether the kernels differ cannot be decided: no round has data of all arms."
    why = f"Its {rounds} are over" if sequential.stopped == "most-runs" else (
        f"It ended after {rounds} of {most_rounds} at the most, before its question was answered")
    needed = rounds_for_margin(sequential.margin, alpha)
    so_few = "" if needed is None or needed <= most_rounds else (
        f" To show a difference of less than {margin} takes {needed} rounds at the least.")
    seen = _list([f"{_what(one, kernels)} ({_interval(one, alpha)}"
                  + (f", anytime-valid p = {one.p_adjusted:.2g})" if one in differ else ")") for one in sequential.outcomes])
    return code, f"Whether the kernels differ cannot be decided with so few runs. {why}. Differences so far: {seen}.{so_few}"
