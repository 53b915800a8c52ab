# SPDX-License-Identifier: MIT
"""Arms that are all combinations of variants (such as 2 x 2), taken apart into what each variant does. Descriptive."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from statistics import mean

from drmsqueeze_results import statistics
from drmsqueeze_results.analysis_model import FactorEffect, Factorial
from drmsqueeze_results.arm_tests import contribution
from drmsqueeze_results.comparison_model import Plan
from drmsqueeze_results.observations import DIGITS, Observations, Unit


def factors_of(kernels: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]]] | None:
    """The variants that make up the arms, and of each arm which of them it has (-1 or 1); None where arms are no full product."""
    variants = {arm: kernel.split("+")[1:] for arm, kernel in kernels.items()}
    if len({kernel.split("+")[0] for kernel in kernels.values()}) != 1:
        return None
    common = set.intersection(*(set(names) for names in variants.values()))
    factors = tuple(dict.fromkeys(v for arm in kernels for v in variants[arm] if v not in common))
    signs = {arm: tuple(1 if factor in variants[arm] else -1 for factor in factors) for arm in kernels}
    if len(factors) < 2 or len(kernels) != 2 ** len(factors) or set(signs.values()) != set(product((-1, 1), repeat=len(factors))):
        return None
    return factors, signs


def contrasts(observations: Observations, signs: Mapping[str, tuple[int, ...]], terms: Sequence[int],
              outcome: str) -> dict[Unit, list[float]]:
    """By cluster, of each block with all arms: the mean of the arms with the term at +1 minus that of those at -1."""
    blocks: dict[tuple[str, int], tuple[Unit, dict[str, float]]] = {}
    for arm in signs:
        for item in observations.by_arm.get(arm, ()):
            if item.run.jobs.submitted:
                blocks.setdefault((item.machine, item.cell.block), (item.unit, {}))[1][arm] = contribution(item.run, outcome)
    found: dict[Unit, list[float]] = {}
    for _, (unit, values) in sorted(blocks.items()):
        if len(values) < len(signs):
            continue
        sides: dict[int, list[float]] = {-1: [], 1: []}
        for arm, value in values.items():
            sign = 1
            for term in terms:
                sign *= signs[arm][term]
            sides[sign].append(value)
        found.setdefault(unit, []).append(mean(sides[1]) - mean(sides[-1]))
    return found


def analyse(plan: Plan, kernels: Mapping[str, str], observations: Observations) -> Factorial | None:
    """Main effects and interactions of pairs of variants on the primary outcomes, over all levels; None where arms are no product.

    An interaction is half the difference between what one variant does with the other and without it (Box, Hunter and Hunter 2005).
    p: the sign of a cluster's contrast is as likely + as - where the term does nothing and the errors of the arms are exchangeable.
    """
    found = factors_of(kernels)
    if found is None:
        return None
    factors, signs = found
    effects = []
    for outcome in plan.primary_outcomes:
        for terms in [*combinations(range(len(factors)), 1), *combinations(range(len(factors)), 2)]:
            units = contrasts(observations, signs, terms, outcome)
            sums = [round(sum(units[unit]), DIGITS) for unit in sorted(units)]
            blocks = [len(units[unit]) for unit in sorted(units)]
            if not blocks:
                continue
            interval, kind = statistics.share_interval(sums, blocks, plan.seed)
            effects.append(FactorEffect(outcome, " x ".join(factors[term] for term in terms), sum(sums) / sum(blocks),
                                        interval if kind == "bootstrap" and any(sums) else None, statistics.sign_flip_p(sums, plan.seed)))
    return Factorial(factors, tuple(effects)) if effects else None
