# SPDX-License-Identifier: MIT
"""What many runs say over time: trends, and what is new, fixed or flaky, with the numbers behind the word.

A *night* goes from noon to noon (UTC, or another hour), so that what a lab does while people sleep is in one piece. `since` is the
last night of all, or from a night on that is named; *before* are the 30 nights ahead of it: at one run a night, nothing seen in 30
bounds a rate at 9.5 %. A *series* is one scenario on one machine and kernel. Its runs at one level and demand rate are a *stratum*:
what is compared is compared within strata, so that a night that ran other levels is no news.

The run is the unit. Rates of runs are held against each other by Fisher's exact test, stratified (the exact conditional test of
several 2 x 2 tables with common odds: Gart, Biometrika 57, 1970): given how many runs of a stratum had the event in all, how many of
those since had it is hypergeometric, and the strata's numbers add up. Errors (the test itself could not work) count where the text
says so.

Words for a finding, which goes by its signature; only those that nobody expected, in runs that did something:

- `new`: seen since, and never before in this series, which had runs in strata that were run since. The signature is what is new; that
  its *rate* rose is only said with the p-value, one-sided.
- `back`: seen since, not in the nights before, but earlier.
- `first-runs`: seen since, and the nights before have no run that could have shown it.
- `still`: seen since and in the nights before.
- `fixed`: seen in these nights, but in no night after the last one that shows it, for longer than chance explains. What is tested is
  how long the clean end is. That all events fall before it has, if nothing has changed, the probability of the product over strata of
  C(N-m, k) / C(N, k): k runs of N with the event, m in the clean end. It is exact though the data say where the end begins, for the
  length of the clean end is itself the statistic. The threshold is 0.01, since this is asked anew every night. What was as clear
  before `since` is no news: `known-fixed`.
- `not-seen`: not seen since, but that may be chance.

Words for the rates of runs by verdict and by outcome: `new` (none before), `worse`, `better`, `fixed` (none since). All are said only
of a two-sided p below alpha after Benjamini and Hochberg's adjustment over all rates that could have reached it (Tarone, Biometrics
46, 1990), so that of what is told of a night not more than one word in twenty is chance. Otherwise nothing is said.

`flaky`: one scenario (its hash), machine, kernel, level and rate, with the same code (release, configuration, driver module), has runs
that pass and runs that fail in the last 7 nights, in which a rate of 35 % is seen with 95 % at one run a night. In the order of time they
turn from one to the other at least twice: a single turn is a change of something, not a toss. With its rate and Clopper and Pearson's
interval. `same_seed`: a pass and a fail had one seed, so that it is time and not the input that decides.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from drmsqueeze_results.errors import ResultsError
from drmsqueeze_results.history_counts import (DAY_S, EVENTS, OF_ALL, Cells, Reader, Series, Span, Stratum, as_many_p, distribution, fixed_p,
                                               night_name, night_number, strata_of)
from drmsqueeze_results.history_index import Index
from drmsqueeze_results.model import Outcome, Status

ALPHA = 0.05
ALPHA_FIXED = 0.01
NIGHTS_BEFORE = 30
NIGHTS_FLAKY = 7
NOON = 12  # hour UTC at which a night begins


class BadSince(ResultsError):
    """There is no such night."""


@dataclass(frozen=True)
class Count:
    """So many runs with an event, of so many."""

    events: int
    runs: int


@dataclass(frozen=True)
class FindingWord:
    """A finding in a series. `p` belongs to the word (one-sided); null where nothing was tested. Nights are dates of their beginnings."""

    word: str
    series: Series
    kind: str
    signature: str
    before: Count
    since: Count
    clean: Count  # runs after the last night that shows it: never with the event
    p: float | None
    first_night: str
    last_night: str


@dataclass(frozen=True)
class RateWord:
    """A rate of runs that changed beyond chance. `p` is two-sided, `p_adjusted` over all rates that were tested."""

    word: str
    series: Series
    event: str
    before: Count
    since: Count
    p: float
    p_adjusted: float


@dataclass(frozen=True)
class Flaky:
    """Runs of one stratum and code that both pass and fail."""

    series: Series
    level: float
    rate_hz: float | None
    failed: Count
    interval: tuple[float, float]
    nights_failed: int
    nights: int
    same_seed: bool
    code: str


@dataclass(frozen=True)
class Night:
    """A series in one night: runs by verdict, and jobs by fate."""

    night: str
    runs: int
    verdicts: Mapping[str, int]
    jobs: Mapping[str, int]


@dataclass(frozen=True)
class Trend:
    """A series over its nights, the oldest first; and its runs that did not pass, of those that were not skipped."""

    series: Series
    nights: tuple[Night, ...]
    before: Count
    since: Count


@dataclass(frozen=True)
class History:
    """Everything that is said. `since` and `before` are the first nights of the two spans, `last` is the last night of all.

    `tested`: how many rates could have been found to differ. `not_run`: series with runs before, and none since. `file_dated`: runs
    that do not say when they began; `future`: those that say that they have not yet, which are left out.
    """

    runs: int
    before: str
    since: str
    last: str
    night_begins: int
    alpha: float
    findings: tuple[FindingWord, ...]
    rates: tuple[RateWord, ...]
    tested: int
    flaky: tuple[Flaky, ...]
    trends: tuple[Trend, ...]
    not_run: tuple[Series, ...]
    file_dated: int
    future: int


def _total(cells: Cells, series: Series, first: int, last: int, strata: Iterable[Stratum]) -> int:
    return sum(cells.count(series, stratum, first, last) for stratum in strata)


def _finding_word(kind: str, signature: str, events: Cells, runs: Cells, series: Series, span: Span) -> FindingWord | None:
    """The word of one finding in one series; None where the nights that are looked at do not show it."""
    nights = sorted({night for stratum in events.nights[series].values() for night in stratum})
    strata = list(runs.nights[series])
    shared = [stratum for stratum in strata if runs.count(series, stratum, span.since, span.last)] or strata
    before = Count(_total(events, series, span.before, span.since - 1, strata), _total(runs, series, span.before, span.since - 1, shared))
    if before.events:  # in whatever stratum
        before = Count(before.events, _total(runs, series, span.before, span.since - 1, strata))
    since = Count(_total(events, series, span.since, span.last, strata), _total(runs, series, span.since, span.last, strata))
    clean = Count(0, _total(runs, series, nights[-1] + 1, span.last, strata))
    p = None
    if not before.events and not since.events:
        return None
    if since.events and nights[0] >= span.since:
        word = "new" if before.runs else "first-runs"
    elif since.events:
        word = "still" if before.events else "back"
    else:
        word = "not-seen"
    if word in ("new", "back"):
        p = as_many_p(strata_of(events, runs, series, span.before, span.since, span.last))
    clean_p = fixed_p(events, runs, series, span.before, span.last)
    if clean_p <= ALPHA_FIXED:
        word = "known-fixed" if fixed_p(events, runs, series, span.before, span.since - 1) <= ALPHA_FIXED else "fixed"
    if word in ("fixed", "known-fixed", "not-seen"):
        p = clean_p
    return FindingWord(word, series, kind, signature, before, since, clean, p, night_name(nights[0]), night_name(nights[-1]))


def _rate_words(counted: Mapping[str, Cells], span: Span) -> tuple[list[RateWord], int]:
    """Rates of runs that changed beyond chance; and how many could have."""
    tested = []
    for event in EVENTS:
        events, runs = counted[event], counted["all" if event in OF_ALL else "usable"]
        for series in list(events.nights):
            strata = strata_of(events, runs, series, span.before, span.since, span.last)
            probabilities, seen = distribution(strata)
            if 2 * min(probabilities[0], probabilities[-1]) > ALPHA:
                continue
            p = min(1.0, 2 * float(min(probabilities[:seen + 1].sum(), probabilities[seen:].sum())))
            sums = [sum(column) for column in zip(*strata)]
            tested.append((p, series, event, Count(sums[0], sums[1]), Count(sums[2], sums[3])))
    adjusted = multipletests([test[0] for test in tested], method="fdr_bh")[1] if tested else []
    words = []
    for (p, series, event, before, since), p_adjusted in zip(tested, adjusted):
        if p_adjusted <= ALPHA:
            up = since.events * before.runs > before.events * since.runs
            word = ("worse" if before.events else "new") if up else ("better" if since.events else "fixed")
            words.append(RateWord(word, series, event, before, since, p, float(p_adjusted)))
    return sorted(words, key=lambda word: (word.p_adjusted, word.series, word.event)), len(tested)


def _flaky(reader: Reader, last: int) -> list[Flaky]:
    found = []
    newest: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    # The code that ran last stands for a stratum: what older code did is no property of today's.
    for row in reader.query("""
            SELECT scenario, machine, kernel, level, rate_hz, scenario_sha256, code, sum(status = 'fail'), count(*), count(DISTINCT night),
                   count(DISTINCT CASE WHEN status = 'fail' THEN night END), sum(turned)
            FROM (SELECT *, status != lag(status) OVER (PARTITION BY scenario, machine, kernel, level, rate_hz, scenario_sha256, code
                                                        ORDER BY begun, id) AS turned FROM counted WHERE night > ? AND usable)
            GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY max(begun)""", (last - NIGHTS_FLAKY,)):
        newest[row[:5]] = row
    for *series, level, rate_hz, sha256, code, failed, runs, nights, nights_failed, turns in newest.values():
        if turns and turns > 1:
            both = reader.query("""SELECT 1 FROM counted WHERE night > ? AND usable AND scenario = ? AND machine = ? AND kernel = ? AND level = ?
                AND rate_hz IS ? AND scenario_sha256 IS ? AND code = ? GROUP BY seed HAVING count(DISTINCT status) = 2 LIMIT 1""",
                                (last - NIGHTS_FLAKY, *series, level, rate_hz, sha256, code)).fetchone()
            low, high = proportion_confint(failed, runs, method="beta")
            found.append(Flaky(Series(*series), level, rate_hz, Count(failed, runs), (float(low), float(high)), nights_failed, nights,
                               bool(both), code))
    return sorted(found, key=lambda one: (one.series, one.level, one.rate_hz or 0.0))


def _trends(reader: Reader, span: Span) -> list[Trend]:
    nights: dict[Series, list[Night]] = defaultdict(list)
    sums: dict[Series, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    jobs = ("submitted", *(outcome.value for outcome in Outcome))
    for scenario, machine, kernel, night, runs, a_pass, a_fail, error, skip, *fates in reader.query(f"""
            SELECT scenario, machine, kernel, night, count(*), {', '.join(f"sum(status = '{status.value}')" for status in Status)},
                   {', '.join(f'sum({fate})' for fate in jobs)}
            FROM counted GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""):
        key = Series(scenario, machine, kernel)
        nights[key].append(Night(night_name(night), runs, dict(zip((status.value for status in Status), (a_pass, a_fail, error, skip))),
                                 dict(zip(jobs, fates))))
        if span.before <= night <= span.last:
            at = 0 if night < span.since else 2
            sums[key][at] += a_fail + error
            sums[key][at + 1] += runs - skip
    return [Trend(series, tuple(rows), Count(*sums[series][:2]), Count(*sums[series][2:])) for series, rows in nights.items()]


def _first_since(nights: Sequence[int], since: str | None) -> int:
    """The first night of `since`: null, a number of nights that have runs, or a date."""
    if since is None:
        return nights[-1]
    if since.isdecimal() and len(since) < 8:
        number = int(since)
        if number < 1:
            raise BadSince("since must be at least 1 night")
        return nights[-min(number, len(nights))]
    try:
        night = night_number(since)
    except ValueError as error:
        raise BadSince(f"{since}: expected a date (2026-11-20) or a number of nights") from error
    if night > nights[-1]:
        raise BadSince(f"no run since {since}: the last night with runs is {night_name(nights[-1])}")
    return night


def look(index: Index, now_s: float, since: str | None = None, night_begins: int = NOON, only: Mapping[str, str] | None = None) -> History:
    """What the runs in `index` say at the time `now_s` (seconds of the epoch).

    `since`: none for the last night, a number of nights, or a date. `night_begins`: hour in UTC, 0..23. `only`: scenario, machine
    or kernel, to look at no others. Raises BadSince, also where there is no run at all.
    """
    reader = Reader(index, now_s, night_begins, only or {})
    if not reader.nights:
        raise BadSince("there is no run to look at" + (f" ({reader.future} say that they begin in the future)" if reader.future else ""))
    cut = _first_since(reader.nights, since)
    span = Span(cut - NIGHTS_BEFORE, cut, reader.nights[-1])
    counted = reader.runs()
    words = [word for (kind, signature), events in reader.findings().items() for series in list(events.nights)
             if (word := _finding_word(kind, signature, events, counted["told"], series, span))]
    order = ("new", "back", "first-runs", "fixed", "still", "not-seen", "known-fixed")
    rates, tested = _rate_words(counted, span)
    trends = _trends(reader, span)
    runs, file_dated = reader.query("SELECT count(*), sum(dated_by != 'started') FROM counted").fetchone()
    not_run = [trend.series for trend in trends if trend.nights[-1].night < night_name(span.since) and trend.nights[-1].night >= night_name(span.before)]
    return History(runs, night_name(span.before), night_name(span.since), night_name(span.last), night_begins, ALPHA,
                   tuple(sorted(words, key=lambda word: (order.index(word.word), word.p or 0.0, word.series, word.signature))),
                   tuple(rates), tested, tuple(_flaky(reader, span.last)), tuple(trends), tuple(not_run), file_dated, reader.future)
