# SPDX-License-Identifier: MIT
"""Delta debugging over anything: fewest parts, and least numbers, with which something still happens. Knows nothing of scenarios.

ddmin is the algorithm of Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE Transactions on Software
Engineering 28(2), 2002, with the empty set tried first.
"""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
# Where a search for the least number stops: when what is known to be too little is so near to what is known to suffice.
NEAR = 1 / 8
# A search of whole numbers goes by their logarithm while they are so many times apart.
FAR = 4


def _chunks(parts: Sequence[T], count: int) -> list[list[T]]:
    """`parts` in so many pieces of nearly the same length, in order."""
    ends = [round(i * len(parts) / count) for i in range(count + 1)]
    return [list(parts[a:b]) for a, b in zip(ends, ends[1:]) if a < b]


def ddmin(parts: Sequence[T], happens: Callable[[Sequence[T]], bool]) -> list[T]:
    """A 1-minimal choice of `parts` with which it still happens: without any one of them it does not.

    `happens` is never asked about all of them, with which it must; it may be asked the same twice.
    """
    kept = list(parts)
    if not kept or happens([]):
        return []
    count = 2
    while len(kept) > 1:
        chunks = _chunks(kept, count)
        rests = [[part for other in chunks[:i] + chunks[i + 1:] for part in other] for i in range(len(chunks))]
        if chunk := next((chunk for chunk in chunks if happens(chunk)), None):
            kept, count = chunk, 2
        elif count > 2 and (rest := next((rest for rest in rests if happens(rest)), None)):  # of two, one is the other's rest
            kept, count = rest, max(count - 1, 2)
        elif count < len(kept):
            count = min(len(kept), 2 * count)
        else:
            break
    return kept


def least(enough: float, little: float, happens: Callable[[float], bool], *, unit: float | None = 1, span: float | None = None) -> float:
    """A number between, near to the least with which it happens: it does with `enough` and does not with `little`.

    By bisection. `unit` is what a number must be a multiple of, None for any number; then NEAR is a share of `span` (default: of the
    way there is to go) and else of the number itself.
    """
    way = span or abs(enough - little)
    while True:
        apart = abs(enough - little)
        if apart <= (NEAR * way if unit is None else max(unit, NEAR * min(abs(enough), apart + abs(little)))):
            return enough
        middle = _between(enough, little, unit)
        if middle in (enough, little):
            return enough
        if happens(middle):
            enough = middle
        else:
            little = middle


def _between(a: float, b: float, unit: float | None) -> float:
    if unit is None:
        return (a + b) / 2
    low, high = sorted((a, b))
    middle = math.sqrt(max(low, unit) * high) if low >= 0 and high > FAR * max(low, unit) else (low + high) / 2
    return int(middle // unit * unit) if middle // unit * unit > low else int(low + unit)
