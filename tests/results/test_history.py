# SPDX-License-Identifier: MIT
"""The words of a history: each is said where it should be, and not where it should not."""

import itertools
import random

import pytest
from pathlib import Path
from scipy import stats

from drmsqueeze_results import history, history_counts, history_views
from drmsqueeze_results.history_index import open_index
from many_runs import FIRST, Made, make, night

NOW = FIRST.timestamp() + 400 * 86400
SPLAT = "hung-task: irq/N-panfro: shrink_slab"


def look(directory: Path, runs: list[Made], since: str | None = None, **only: str) -> history.History:
    index, _ = open_index([make(directory, runs)])
    return history.look(index, NOW, since, only=only)


def words(seen: history.History) -> list[str]:
    return [finding.word for finding in seen.findings]


def test_tables_of_one_stratum_are_fishers() -> None:
    for table in [(0, 40, 3, 20), (5, 10, 0, 10), (2, 7, 6, 9), (0, 3, 1, 1)]:
        before, runs_before, since, runs_since = table
        fisher = [[since, runs_since - since], [before, runs_before - before]]
        assert history_counts.as_many_p([table]) == pytest.approx(stats.fisher_exact(fisher, alternative="greater")[1])
        assert history_counts.as_few_p([table]) == pytest.approx(stats.fisher_exact(fisher, alternative="less")[1])


def test_strata_are_not_thrown_together() -> None:
    """Each stratum fails as often as before; taken together they would look much worse, since the hard level was run more."""
    strata = [(1, 100, 0, 10), (9, 10, 90, 100)]
    assert history_counts.as_many_p(strata) > 0.3
    assert history_counts.as_many_p([(10, 110, 90, 110)]) < 1e-6
    assert history_counts.as_many_p([(0, 0, 3, 3)]) == 1.0  # nothing to hold it against


def test_a_clean_end_is_no_longer_than_chance_makes_it() -> None:
    """Whatever the order of two strata's runs, all equally likely: p is at most x with a probability of at most x."""
    series, nights = history_counts.Series("s", "m", "k"), range(5)
    one, two = history_counts.Stratum(0.1, None), history_counts.Stratum(0.5, None)
    runs = history_counts.Cells()
    runs.nights[series] = {one: {n: 2 for n in nights}, two: {n: 1 for n in nights}}  # type: ignore[assignment]
    found = []
    for first, second in itertools.product(itertools.combinations(range(10), 2), itertools.combinations(nights, 1)):
        events = history_counts.Cells()
        for slot in first:
            events.nights[series][one][slot // 2] = events.nights[series][one].get(slot // 2, 0) + 1
        for slot in second:
            events.nights[series][two][slot] = 1
        found.append(history_counts.fixed_p(events, runs, series, 0, 4))
    for p in sorted(set(found)):
        if p < 1:
            share = sum(other <= p + 1e-12 for other in found) / len(found)
            assert share <= p + 1e-9
    assert min(found) < 0.05


def test_new_has_its_numbers(tmp_path: Path) -> None:
    runs = [Made(n) for n in range(8) for _ in range(5)] + [Made(8, "fail", findings=[SPLAT])] * 3 + [Made(8)] * 17
    seen = look(tmp_path, runs)
    [word] = seen.findings
    assert (word.word, word.signature, word.kind) == ("new", SPLAT, "hung-task")
    assert (word.before, word.since) == (history.Count(0, 40), history.Count(3, 20))
    assert word.p == pytest.approx(stats.fisher_exact([[3, 17], [0, 40]], alternative="greater")[1])
    assert (seen.since, seen.last, word.first_night) == (night(8), night(8), night(8))


def test_what_is_expected_is_no_news(tmp_path: Path) -> None:
    assert not look(tmp_path, [Made(0)] * 20 + [Made(1, expected=[SPLAT])] * 20).findings


def test_a_finding_of_first_runs_is_not_new(tmp_path: Path) -> None:
    """Neither of the first night of all, nor at a level that was never run."""
    assert words(look(tmp_path / "a", [Made(0, "fail", findings=[SPLAT])])) == ["first-runs"]
    assert words(look(tmp_path / "b", [Made(0)] * 5 + [Made(1, "fail", level=0.01, findings=[SPLAT])])) == ["first-runs"]


def test_back_and_still(tmp_path: Path) -> None:
    runs = [Made(0, "fail", findings=[SPLAT]), *(Made(n) for n in range(5, 60)), Made(60, "fail", findings=[SPLAT, "leak: pins"]),
            Made(59, "fail", findings=["leak: pins"])]
    assert {word.signature: word.word for word in look(tmp_path, runs).findings} == {SPLAT: "back", "leak: pins": "still"}


def test_fixed_needs_more_than_luck(tmp_path: Path) -> None:
    """3 of 40 runs had it, and then 20 do not: chance. All runs had it, and then 20 do not: fixed; a night later that is known."""
    rare = [Made(n // 10, *(("fail",) if n % 13 == 0 else ()), findings=[SPLAT] if n % 13 == 0 else []) for n in range(40)] + [Made(4)] * 20
    [word] = look(tmp_path / "rare", rare).findings
    assert word.word == "not-seen" and word.p is not None and word.p > 0.05
    often = [Made(n, "fail", findings=[SPLAT]) for n in range(4) for _ in range(10)] + [Made(4)] * 20
    [word] = look(tmp_path / "often", often).findings
    assert word.word == "fixed" and word.p is not None and word.p < 1e-6 and word.clean == history.Count(0, 20)
    assert words(look(tmp_path / "later", often + [Made(5)] * 20)) == ["known-fixed"]
    assert words(look(tmp_path / "later-since", often + [Made(5)] * 20, since=night(4))) == ["fixed"]


def test_runs_that_could_not_work_fix_nothing(tmp_path: Path) -> None:
    runs = [Made(n, "fail", findings=[SPLAT]) for n in range(4) for _ in range(10)] + [Made(4, "error")] * 40
    seen = look(tmp_path, runs)
    assert words(seen) == ["not-seen"]
    assert [(word.word, word.event, word.since) for word in seen.rates] == [("new", "error", history.Count(40, 40))]


def test_another_kernel_is_another_series(tmp_path: Path) -> None:
    runs = [Made(0, "fail", findings=[SPLAT])] * 9 + [Made(0, kernel="lab+x")] * 9 + [Made(1, "fail", kernel="lab+x", findings=[SPLAT])] * 9
    assert {word.series.kernel: word.word for word in look(tmp_path, runs).findings} == {"lab+x": "new", "lab": "not-seen"}


def test_rates_beyond_chance(tmp_path: Path) -> None:
    runs = [Made(n, jobs={"failed": 3}) for n in range(4) for _ in range(10)] + [Made(4, "fail", jobs={"hung": 1})] * 6 + [Made(4)] * 4
    seen = look(tmp_path, runs)
    assert {(word.event, word.word) for word in seen.rates} == {("fail", "new"), ("hung", "new"), ("failed", "fixed")}
    [hung] = [word for word in seen.rates if word.event == "hung"]
    assert (hung.before, hung.since) == (history.Count(0, 40), history.Count(6, 10))


def test_one_more_failure_is_no_news(tmp_path: Path) -> None:
    runs = [Made(n // 10, "fail" if n % 10 == 0 else "pass") for n in range(50)] + [Made(4, "fail")]
    assert not look(tmp_path, runs).rates


def test_few_words_are_said_of_nothing(tmp_path: Path) -> None:
    """40 series that fail now and then and have not changed: at p < 0.05 each, some would be called worse or better."""
    chance = random.Random(5)
    runs = [Made(n, "fail" if chance.random() < 0.3 else "pass", f"s{s:02d}") for s in range(40) for n in range(4) for _ in range(6)]
    seen = look(tmp_path, runs)
    assert seen.tested >= 30
    assert not seen.rates


def test_other_levels_are_no_news(tmp_path: Path) -> None:
    """The last night had only the hard level, at which half of the runs always failed."""
    hard = [Made(n, "fail" if k % 2 else "pass", level=0.01) for n in range(5) for k in range(10)]
    easy = [Made(n, level=1.0) for n in range(4) for _ in range(30)]
    assert not look(tmp_path, hard + easy).rates


def test_flaky_is_the_same_code(tmp_path: Path) -> None:
    runs = [Made(n, "fail" if n == 3 else "pass", seed=7) for n in range(8)]
    runs += [Made(n, "fail" if n > 5 else "pass", "changed", release="6.12.1" if n < 6 else "6.12.2") for n in range(8)]
    runs += [Made(n, "fail" if n % 2 else "pass", "two-levels", level=(0.1, 0.5)[n % 2]) for n in range(8)]
    runs += [Made(n, "fail" if n > 5 else "pass", "broke") for n in range(8)]
    runs += [Made(n, "error" if n % 2 else "pass", "broken-lab") for n in range(8)]
    [flaky] = look(tmp_path, runs).flaky
    assert (flaky.series.scenario, flaky.failed, flaky.nights_failed, flaky.nights) == ("panfrost-heap", history.Count(1, 7), 1, 7)
    assert flaky.same_seed
    low, high = stats.binomtest(1, 7).proportion_ci(method="exact")
    assert flaky.interval == pytest.approx((low, high))


def test_long_ago_is_not_flaky(tmp_path: Path) -> None:
    assert not look(tmp_path, [Made(0, "fail"), *(Made(n) for n in range(1, 9))]).flaky


def test_since(tmp_path: Path) -> None:
    runs = [Made(n) for n in (0, 1, 5, 9)]
    assert look(tmp_path, runs).since == night(9)
    index, _ = open_index([tmp_path])
    assert history.look(index, NOW, "2").since == night(5)
    assert history.look(index, NOW, "99").since == night(0)
    assert history.look(index, NOW, night(3)).since == night(3)
    for wrong in (night(10), "0", "yesterday"):
        with pytest.raises(history.BadSince):
            history.look(index, NOW, wrong)


def test_a_night_goes_over_midnight(tmp_path: Path) -> None:
    """What began at 22:00 and at 03:00 is one night; where a night begins at 02:00, it is two."""
    [trend] = look(tmp_path, [Made(0), Made(0, after_s=5 * 3600)]).trends
    assert [(one.night, one.runs) for one in trend.nights] == [(night(0), 2)]
    index, _ = open_index([tmp_path])
    assert [one.night for one in history.look(index, NOW, night_begins=2).trends[0].nights] == [night(0), night(1)]


def test_a_clock_that_is_ahead_makes_no_last_night(tmp_path: Path) -> None:
    index, _ = open_index([make(tmp_path, [Made(3), Made(3000)])])
    seen = history.look(index, FIRST.timestamp() + 5 * 86400)
    assert (seen.last, seen.future, seen.runs) == (night(3), 1, 1)


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    runs = [Made(0), Made(0, scenario="other"), Made(0, kernel="lab+x")]
    assert [trend.series.kernel for trend in look(tmp_path, runs, scenario="panfrost-heap").trends] == ["lab", "lab+x"]


def test_a_series_that_ends_is_told(tmp_path: Path) -> None:
    seen = look(tmp_path, [Made(0), Made(0, scenario="forgotten"), Made(1)])
    assert [series.scenario for series in seen.not_run] == ["forgotten"]


def test_the_trend_is_drawn(tmp_path: Path) -> None:
    runs = [Made(0), Made(1, "fail"), Made(3, "fail"), Made(3), Made(4, "skip"), Made(4, scenario="other")]
    rows = {row[0]: row[-1] for row in history_views.trends_grid(look(tmp_path, runs)).rows}
    assert rows["panfrost-heap"] == "▁█▅·"
    assert rows["other"] == "···▁"
