# SPDX-License-Identifier: MIT
"""Latency quantiles from the histograms of completed jobs."""

import math
from collections import Counter
from typing import Sequence

from drmsqueeze_results.facts import CompletedJobs
from drmsqueeze_results.model import Latency


def quantile(histograms: Sequence[CompletedJobs], q: float) -> int | None:
    """The q-quantile in nanoseconds, 0 < q <= 1, nearest rank; null without any job.

    The value is the geometric middle of its bucket, so it is good to half a bucket's width (2.2 % with 16 buckets per
    octave), and never outside what was measured.
    """
    buckets: Counter[float] = Counter()
    for histogram in histograms:
        for bucket, count in histogram.counts.items():
            buckets[2 ** ((int(bucket) + 0.5) / histogram.buckets_per_octave)] += count
    total = sum(buckets.values())
    if total == 0:
        return None
    rank = max(1, math.ceil(q * total))
    seen = 0
    for middle in sorted(buckets):
        seen += buckets[middle]
        if seen >= rank:
            break
    filled = [h for h in histograms if h.count]
    return round(min(max(middle, min(h.min_ns for h in filled)), max(h.max_ns for h in filled)))


def summarise(histograms: Sequence[CompletedJobs]) -> Latency:
    """Quantiles over all stressors of a run."""
    longest = max((h.max_ns for h in histograms if h.count), default=None)
    return Latency(quantile(histograms, 0.5), quantile(histograms, 0.9), quantile(histograms, 0.99), longest)
