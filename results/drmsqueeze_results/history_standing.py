# SPDX-License-Identifier: MIT
"""How each scenario stands, machine by machine and level by level: when it was run last, and whether its outcome is settled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from statsmodels.stats.proportion import proportion_confint

from drmsqueeze_results.history import NIGHTS_FLAKY, NOON, Count, History
from drmsqueeze_results.history_counts import Reader
from drmsqueeze_results.history_index import Index


class Place(NamedTuple):
    """What a run is one of. `machine` is without its accelerator."""

    scenario: str
    machine: str
    kernel: str
    level: float
    rate_hz: float | None


@dataclass(frozen=True)
class Standing:
    """`last`: when it was run last (seconds of the epoch), `status` and `sha256` of the scenario are that run's.

    `failed` and `errors` are of the runs of the last 7 nights; `interval` is Clopper and Pearson's for the rate of failed runs.
    """

    last: float
    status: str
    sha256: str | None
    failed: Count
    errors: Count
    interval: tuple[float, float] | None
    flaky: bool


def standings(index: Index, now_s: float, history: History | None) -> Mapping[Place, Standing]:
    """Of all that was ever run, but for runs whose harness was killed: that is nobody's doing who stands here.

    `history`: what was said of the same runs, for what is flaky; none where there are none.
    """
    reader = Reader(index, now_s, NOON, {})
    if not reader.nights or not history:
        return {}
    flaky = {Place(one.series.scenario, one.series.machine.split("/")[0], one.series.kernel, one.level, one.rate_hz)
             for one in history.flaky}
    found: dict[Place, Standing] = {}
    for scenario, machine, kernel, level, rate_hz, last, status, sha256, failed, usable, errors, runs in reader.query("""
            SELECT scenario, machine, kernel, level, rate_hz, begun, status, scenario_sha256,
                   sum(night > :since AND status = 'fail') OVER place, sum(night > :since AND usable) OVER place,
                   sum(night > :since AND status = 'error') OVER place, sum(night > :since) OVER place
            FROM counted WHERE reason != 'harness-killed'
            WINDOW place AS (PARTITION BY scenario, machine, kernel, level, rate_hz) ORDER BY begun, id""",
            {"since": reader.nights[-1] - NIGHTS_FLAKY}):
        low, high = map(float, proportion_confint(failed, usable, method="beta")) if usable else (0.0, 1.0)
        place = Place(scenario, machine.split("/")[0], kernel, level, rate_hz)
        found[place] = Standing(last, status, sha256, Count(failed, usable), Count(errors, runs), (low, high) if usable else None,
                                place in flaky)
    return found
