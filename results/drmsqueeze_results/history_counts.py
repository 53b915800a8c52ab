# SPDX-License-Identifier: MIT
"""The counts and the tests that the words of a history rest on."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from scipy import stats

from drmsqueeze_results.history_index import Index
from drmsqueeze_results.model import Outcome, Status

DAY_S = 86400
_EPOCH = date(1970, 1, 1)
# Runs whose verdict, or any of whose jobs, was that. Errors and skips are rates of all runs, the others of those that gave data.
OF_ALL = (Status.ERROR.value, Status.SKIP.value)
EVENTS = (Status.FAIL.value, *OF_ALL, *(outcome.value for outcome in Outcome if outcome is not Outcome.COMPLETED))


class Series(NamedTuple):
    """What a trend is of."""

    scenario: str
    machine: str
    kernel: str


class Stratum(NamedTuple):
    """Runs of a series that may be compared."""

    level: float
    rate_hz: float | None


def distribution(strata: Iterable[tuple[int, int, int, int]]) -> tuple[np.ndarray, int]:
    """How many runs since have the event, given the margins: probabilities, and the place of what was seen among them.

    A stratum is (events before, runs before, events since, runs since).
    """
    probabilities, seen = np.ones(1), 0
    for events_before, runs_before, events_since, runs_since in strata:
        events = events_before + events_since
        least, most = max(0, events - runs_before), min(events, runs_since)
        if most > least:  # otherwise this stratum can have come out in one way only
            pmf = stats.hypergeom.pmf(np.arange(least, most + 1), runs_before + runs_since, events, runs_since)
            probabilities = np.convolve(probabilities, pmf)
            seen += events_since - least
    return probabilities, seen


def as_few_p(strata: Iterable[tuple[int, int, int, int]]) -> float:
    """One-sided p: as few runs with the event since, or fewer, if its rate has not changed."""
    probabilities, seen = distribution(strata)
    return float(min(1.0, probabilities[:seen + 1].sum()))


def as_many_p(strata: Iterable[tuple[int, int, int, int]]) -> float:
    """One-sided p: as many runs with the event since, or more, if its rate has not changed."""
    probabilities, seen = distribution(strata)
    return float(min(1.0, probabilities[seen:].sum()))


class Cells:
    """Runs counted by series, stratum and night; `count` may be restricted to a span of nights."""

    def __init__(self) -> None:
        self.nights: dict[Series, dict[Stratum, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))

    def count(self, series: Series, stratum: Stratum, first: int, last: int) -> int:
        """Runs of nights first..last, both included."""
        return sum(number for night, number in self.nights.get(series, {}).get(stratum, {}).items() if first <= night <= last)


def night_name(night: int) -> str:
    """The date on which a night begins. Nights are numbered from the epoch."""
    return (_EPOCH + timedelta(days=night)).isoformat()


def night_number(name: str) -> int:
    """The inverse. Raises ValueError for what is no date."""
    return (date.fromisoformat(name) - _EPOCH).days


class Reader:
    """Counts from the index."""

    def __init__(self, index: Index, now_s: float, night_begins: int, only: Mapping[str, str]) -> None:
        """Leaves out runs that begin more than a day after `now_s`: one board with a wrong clock must not make the last night."""
        self.query = index.connection.execute
        wanted = "".join(f" AND {name} = :{name}" for name in only)
        parameters: dict[str, str | int] = {"begins": 3600 * night_begins, **only}
        self.query("DROP TABLE IF EXISTS temp.counted")
        self.query(f"""CREATE TEMP TABLE counted AS
            SELECT *, CAST((begun - :begins) / {DAY_S} AS INTEGER) AS night, status IN ('pass', 'fail') AS usable,
                   status = 'pass' OR status = 'fail' OR (status = 'error' AND (submitted > 0 OR id IN (SELECT run FROM finding))) AS told
            FROM known WHERE true{wanted}""", parameters)
        self.query("CREATE INDEX temp.counted_night ON counted(night)")
        self.future = self.query("DELETE FROM counted WHERE begun > ?", (now_s + DAY_S,)).rowcount
        self.nights: list[int] = [row[0] for row in self.query("SELECT DISTINCT night FROM counted ORDER BY night")]

    def runs(self) -> dict[str, Cells]:
        """Runs by what they had (EVENTS); and "all", those that gave data ("usable"), those that could show a finding ("told")."""
        wanted = {event: f"sum(status = '{event}')" if event in Status._value2member_map_ else f"sum(usable AND {event} > 0)" for event in EVENTS}
        wanted |= {"all": "count(*)", "usable": "sum(usable)", "told": "sum(told)"}
        counted = {name: Cells() for name in wanted}
        for scenario, machine, kernel, level, rate_hz, night, *numbers in self.query(f"""
                SELECT scenario, machine, kernel, level, rate_hz, night, {', '.join(wanted.values())} FROM counted GROUP BY 1, 2, 3, 4, 5, 6"""):
            for cells, number in zip(counted.values(), numbers):
                if number:
                    cells.nights[Series(scenario, machine, kernel)][Stratum(level, rate_hz)][night] = number
        return counted

    def findings(self) -> dict[tuple[str, str], Cells]:
        """By kind and signature."""
        found: dict[tuple[str, str], Cells] = defaultdict(Cells)
        for *series, level, rate_hz, night, kind, signature, number in self.query("""
                SELECT scenario, machine, kernel, level, rate_hz, night, kind, signature, count(DISTINCT id)
                FROM finding JOIN counted ON run = id WHERE NOT expected AND told GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"""):
            found[kind, signature].nights[Series(*series)][Stratum(level, rate_hz)][night] = number
        return found


@dataclass(frozen=True)
class Span:
    """The first nights of before and of since, and the last night."""

    before: int
    since: int
    last: int


def strata_of(events: Cells, runs: Cells, series: Series, first: int, cut: int, last: int) -> list[tuple[int, int, int, int]]:
    """What lies in first..cut-1 against what lies in cut..last, for each stratum that has runs in both."""
    both = []
    for stratum in runs.nights.get(series, {}):
        runs_before, runs_since = runs.count(series, stratum, first, cut - 1), runs.count(series, stratum, cut, last)
        if runs_before and runs_since:
            both.append((events.count(series, stratum, first, cut - 1), runs_before, events.count(series, stratum, cut, last), runs_since))
    return both


def fixed_p(events: Cells, runs: Cells, series: Series, first: int, last: int) -> float:
    """p of a clean end as long as that of the nights first..last, or 1 where there is none, or nothing that came before it."""
    seen = [night for stratum in events.nights[series].values() for night in stratum if first <= night <= last]
    if not seen or max(seen) == last:
        return 1.0
    return as_few_p(strata_of(events, runs, series, first, max(seen) + 1, last))
