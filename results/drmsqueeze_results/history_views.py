# SPDX-License-Identifier: MIT
"""What a history says, for a terminal, as Markdown and as JSON."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drmsqueeze_results.documents import to_plain
from drmsqueeze_results.history import ALPHA, Count, FindingWord, Flaky, History, Trend
from drmsqueeze_results.history_counts import Series
from drmsqueeze_results.history_index import Sync
from drmsqueeze_results.model import Status
from drmsqueeze_results.statistics import upper_bound
from drmsqueeze_results.tables import Grid, markdown_table
from drmsqueeze_results.verdicts import level_name, p_value, percent

_BARS = "▁▂▃▄▅▆▇█"
_NIGHTS_DRAWN = 14
_FEW_LINES = 30  # of a table that is not asked for in full
_LONGEST = 200  # characters of why a run.json is broken: an error may quote half of it
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?|0x[0-9a-f]+|'[0-9a-f]{8,}'")
_NEWS = ("new", "back", "first-runs", "fixed")


def _of(count: Count) -> str:
    return f"{count.events} of {count.runs}" if count.runs else "no run"


def _p(p: float) -> str:
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _series(series: Series) -> tuple[str, str, str]:
    return series.scenario, series.machine, series.kernel


def finding_sentence(word: FindingWord) -> str:
    """The numbers behind the word of a finding."""
    chance = _p(word.p) if word.p is not None else ""
    if word.word in ("fixed", "known-fixed", "not-seen"):
        bound = upper_bound(0, word.clean.runs)
        clean = f"last seen in the night of {word.last_night}, then in 0 of {word.clean.runs} runs"
        clean += f" (bounds its rate at {percent(bound)})" if bound is not None else ""
        return f"{clean}; {chance}" + ("" if word.word != "not-seen" else ": may be chance")
    if word.word == "new" and word.p is not None and word.p > ALPHA:
        return f"{chance}: a rare one may have been there before"
    if word.word == "back":
        return "; ".join(part for part in (f"first seen in the night of {word.first_night}", chance) if part)
    return chance or f"first seen in the night of {word.first_night}"


def _bar(trend: Trend, nights: Sequence[str]) -> str:
    """One character a night: the share of its runs that did not pass; a dot where there was none."""
    by_night = {night.night: night for night in trend.nights}

    def one(name: str) -> str:
        night = by_night.get(name)
        told = night and night.runs - night.verdicts[Status.SKIP.value]
        if not night or not told:
            return "·"
        bad = (told - night.verdicts[Status.PASS.value]) / told
        # The lowest bar is for none at all, the highest for all.
        return _BARS[0] if not bad else _BARS[-1] if bad == 1 else _BARS[1 + int(bad * (len(_BARS) - 2))]

    return "".join(map(one, nights))


def findings_grid(words: Sequence[FindingWord], title: str) -> Grid:
    """Findings with their words; a row each."""
    rows = tuple((word.word, *_series(word.series), word.signature, _of(word.before), _of(word.since), finding_sentence(word)) for word in words)
    return Grid(title, ("word", "scenario", "machine", "kernel", "finding", "before", "since", "behind the word"), (False,) * 8, rows)


def rates_grid(history: History, words: Sequence[str] | None = None) -> Grid:
    """Rates of runs that changed beyond chance; all of them, or those with these words."""
    rows = tuple((word.word, *_series(word.series), word.event, _of(word.before), _of(word.since), _p(word.p_adjusted))
                 for word in history.rates if words is None or word.word in words)
    return Grid("rates of runs that changed beyond chance", ("word", "scenario", "machine", "kernel", "runs with", "before", "since", "adjusted"),
                (False,) * 8, rows)


def _flaky_level(one: Flaky) -> str:
    low, high = (round(100 * end) for end in one.interval)
    rate = "" if one.rate_hz is None else f", {one.rate_hz:g} Hz"
    return (f"{level_name(one.level)}{rate}: {_of(one.failed)} ({percent(one.failed.events / one.failed.runs)}; {low}–{high}), "
            f"in {one.nights_failed} of {one.nights} nights" + (", also with one seed" if one.same_seed else ""))


def flaky_grid(history: History) -> Grid:
    """What passes and fails with the same code: a row for each series."""
    levels: dict[Series, list[str]] = {}
    for one in history.flaky:
        levels.setdefault(one.series, []).append(_flaky_level(one))
    return Grid("flaky: the same code passes and fails", ("scenario", "machine", "kernel", "failed, by what was left of memory"), (False,) * 4,
                tuple((*_series(series), "; ".join(texts)) for series, texts in levels.items()))


def trends_grid(history: History) -> Grid:
    """A row for each scenario, machine and kernel."""
    nights = sorted({night.night for trend in history.trends for night in trend.nights})[-_NIGHTS_DRAWN:]
    worst_first = sorted(history.trends, key=lambda trend: (not trend.since.runs, -trend.since.events / (trend.since.runs or 1), trend.series))
    rows = tuple((*_series(trend.series), str(len(trend.nights)), str(sum(night.runs for night in trend.nights)), _of(trend.before),
                  _of(trend.since), _bar(trend, nights)) for trend in worst_first)
    return Grid("runs that failed or could not do their work, night by night",
                ("scenario", "machine", "kernel", "nights", "runs", "before", "since", f"last {len(nights)} nights"),
                (False, False, False, True, True, True, True, True), rows)


def narrow(trends: Grid) -> Grid:
    """The trends for a terminal: the bars must not be cut off, so that what is the same in all rows or says less makes room."""
    machines = {row[1] for row in trends.rows}
    return trends.without("nights", "runs", *(["machine"] if len(machines) == 1 else []))


def grids(history: History, whole: bool = False) -> Iterator[tuple[Grid, int]]:
    """The tables that have something in them, each with how many of its rows are left out (none where the `whole` is asked for)."""
    news = [word for word in history.findings if word.word in _NEWS]
    known = [word for word in history.findings if word.word not in _NEWS and (whole or word.word != "known-fixed")]
    for grid in (findings_grid(news, "findings: new, back and fixed"), rates_grid(history), flaky_grid(history),
                 findings_grid(known, "findings that are known"), trends_grid(history)):
        kept = grid.rows if whole else grid.rows[:_FEW_LINES]
        if kept:
            yield Grid(grid.title, grid.columns, grid.numeric, kept), len(grid.rows) - len(kept)


def lines(grid: Grid) -> Iterator[str]:
    """A table of words for a terminal of any width: no cell is cut off. The first line of a row has what it is about."""
    for row in grid.rows:
        cells = dict(zip(grid.columns, row))
        place = ", ".join(cells.pop(column) for column in ("scenario", "kernel", "machine"))
        first = [cells.pop(column) for column in ("word", "finding") if column in cells]
        if "runs with" in cells:
            first.append(f"runs with {cells.pop('runs with')}")
        yield "  ".join([*first, place] if len(first) < 2 else [f"{first[0]:10}", first[1]])
        told = [f"{value} {name}" if name in ("before", "since") else value if name in ("behind the word", "failed, by what was left of memory") else f"{name}: {value}"
                for name, value in cells.items()]
        yield "            " + "; ".join([place, *told] if len(first) == 2 else told)


def headline(history: History) -> str:
    """What was looked at, in a sentence."""
    counts = {word: sum(one.word == word for one in history.findings) for word in _NEWS}
    seen = ", ".join(f"{number} {word}" for word, number in counts.items() if number) or "none new, back or fixed"
    span = f"the night of {history.since}" if history.since == history.last else f"the nights from {history.since} to {history.last}"
    return (f"{span[0].upper()}{span[1:]}, against the nights from {history.before} on: findings: {seen}; rates of runs: "
            f"{len(history.rates)} of {history.tested} changed beyond chance; {len(history.flaky)} flaky.")


def notes(history: History, sync: Sync, broken: Sequence[tuple[str, str]]) -> list[str]:
    """What a reader must know of the data: one sentence each, worst first."""
    said = []
    if broken:
        by_reason: dict[str, list[str]] = {}
        for path, reason in broken:
            by_reason.setdefault(_NUMBER.sub("N", reason), []).append(path)
        for reason, paths in sorted(by_reason.items(), key=lambda item: -len(item[1]))[:5]:
            said.append(f"broken, and not counted: {paths[0]}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "") + f": {reason[:_LONGEST]}")
        if len(by_reason) > 5:
            said.append(f"broken, and not counted: {sum(map(len, by_reason.values()))} in all, for {len(by_reason)} reasons (--json names them)")
    for what, places in (("cannot be read", sync.walk.unreadable),
                         ("a run without run.json (interrupted, going on, or to be judged by `drmsqueeze report`)", sync.walk.unjudged)):
        if places:
            said.append(f"{what}: {places[0]}" + (f" and {len(places) - 1} more" if len(places) > 1 else ""))
    if history.future:
        said.append(f"left out: {history.future} runs say that they begin in the future")
    if history.file_dated:
        said.append(f"{history.file_dated} runs do not say when they began: the time of their files stands for it")
    for series in history.not_run[:5]:
        said.append(f"not run since: {series.scenario} on {series.machine}, {series.kernel}")
    if len(history.not_run) > 5:
        said.append(f"not run since: {len(history.not_run)} in all")
    return said


def markdown(history: History, said: Sequence[str]) -> str:
    """The same for a mail or a merge request."""
    parts = ["## drmsqueeze history", headline(history)]
    for grid, left_out in grids(history):
        parts += [f"### {grid.title}", markdown_table(grid)] + ([f"{left_out} more rows are not shown."] if left_out else [])
    if said:
        parts.append("\n".join(f"- {note}" for note in said))
    return "\n\n".join(parts) + "\n"


def document(history: History, sync: Sync, broken: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
    """The history as JSON: drmsqueeze.history/1."""
    plain = to_plain(history)
    for part in ("findings", "rates", "flaky", "trends"):
        for one in plain[part]:
            one["series"] = dict(zip(Series._fields, one["series"]))
    plain["not_run"] = [dict(zip(Series._fields, series)) for series in plain["not_run"]]
    return {"schema": "drmsqueeze.history/1", **plain,
            "index": {"read": sync.read, "gone": sync.gone, "note": sync.note, "broken": [{"path": path, "error": error} for path, error in broken],
                      "unjudged": sync.walk.unjudged, "unreadable": sync.walk.unreadable}}
