# SPDX-License-Identifier: MIT
"""The page that a lab reads in the morning: whether somebody must act; what is new, fixed and unsure; and what became of the boards.

What the words new, fixed and flaky mean is history's business; nothing is counted here that is not counted there.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from drmsqueeze_results import history, history_views
from drmsqueeze_results.errors import ResultsError
from drmsqueeze_results.facts import Ended, read_facts
from drmsqueeze_results.history_counts import DAY_S, night_name
from drmsqueeze_results.history_index import Index, open_index
from drmsqueeze_results.history_standing import Place, Standing, standings
from drmsqueeze_results.model import Status
from drmsqueeze_results.outcomes import load_run
from drmsqueeze_results.report import render
from drmsqueeze_results.tables import Grid
from drmsqueeze_results.verdicts import level_name

PAGE, MAIL = "morning.html", "morning.md"
LAST_LINES = 12
DEATHS = {
    Ended.PANIC: "Its kernel panicked", Ended.SILENT: "It hung, or fell silent", Ended.REBOOTED: "It reset itself",
    Ended.LINK_LOST: "It was lost sight of", Ended.BOOT_TIMEOUT: "It did not come up", Ended.POWEROFF_WITHOUT_BYE: "Its agent died",
    Ended.KILLED: "It was killed",
}
_NEW, _FIXED = ("new", "back", "first-runs"), ("fixed",)


@dataclass(frozen=True)
class Told:
    """A planned run and what came of it. `directory` is relative to the night's; null where there is none.

    `cut`: the harness was killed in it, and it was done again. `reason`: why it was not run, or broke without a run directory.
    """

    board: str
    kernel: str
    scenario: str
    level: float
    rate_hz: float | None
    why: str
    directory: str | None = None
    status: str | None = None
    cut: bool = False
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.scenario} on {self.board}, {self.kernel}, {level_name(self.level, self.rate_hz)} left"


@dataclass(frozen=True)
class ToldBoard:
    """`left_out`: why nothing more was run on it. `out`: why it is out of service. `put_back`: the command that puts it back.

    `troubles`: what else befell it.
    """

    name: str
    left_out: str | None = None
    out: str | None = None
    put_back: str | None = None
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToldNight:
    """What is known of a night beside its run directories. `stopped`: why it is not over; null where it is."""

    directory: Path
    begun: str
    until: str
    runs: tuple[Told, ...]
    boards: tuple[ToldBoard, ...]
    skipped: tuple[tuple[str, str, str, str], ...]
    """Scenario, board, kernel and reason."""
    resumed: int = 0
    stopped: str | None = None


@dataclass(frozen=True)
class RunLine:
    """A run as the page shows it. `files` are of its evidence, `words` the last that its machine said; both where it died."""

    told: Told
    sentence: str
    death: str | None = None
    left: str | None = None
    files: tuple[str, ...] = ()
    words: str = ""


def _words(directory: Path) -> str:
    for name in ("evidence/last-words.txt", "console.log"):
        path = directory / name
        if path.exists() and (lines := path.read_text(errors="replace").split("\n")):
            return "\n".join([line.rstrip() for line in lines if line.strip()][-LAST_LINES:])
    return ""


def _line(night: Path, told: Told) -> RunLine:
    if not told.directory:
        return RunLine(told, told.reason)
    directory = night / told.directory
    try:
        run, facts = load_run(directory), read_facts(directory)
    except ResultsError as error:
        return RunLine(told, told.reason or str(error))
    fates = ", ".join(f"{count} {fate}" for fate, count in vars(run.jobs).items() if count and fate != "submitted")
    # Of what could not do its work the first reason is why; the others follow from it.
    reasons = run.verdict.reasons[:1] if run.status is Status.ERROR else run.verdict.reasons
    sentence = "; ".join([fates or "no job", *(reason.split("\n")[0].rstrip(".;") for reason in reasons)])
    death = DEATHS.get(facts.machine.ended)
    left = (facts.machine.board or {}).get("left")
    left = left if left not in ("as found", "unknown") else None
    if not death and not left:
        return RunLine(told, sentence)
    evidence = sorted(path for path in (directory / "evidence").glob("*") if path.is_file())
    files = tuple(f"{told.directory}/evidence/{path.name}" for path in evidence)
    return RunLine(told, sentence, death, left, files, _words(directory) if death else "")


@dataclass(frozen=True)
class Morning:
    """What the templates show."""

    night: ToldNight
    sentence: str
    more: tuple[str, ...]
    """What else one must know, a sentence each."""
    headline: str | None
    new: tuple[Grid, ...]
    first_failures: tuple[RunLine, ...]
    fixed: tuple[Grid, ...]
    unsure: tuple[Grid, ...]
    boards: Grid
    troubled: tuple[ToldBoard, ...]
    died: tuple[RunLine, ...]
    errors: tuple[RunLine, ...]
    skipped: Grid
    unreached: Grid
    runs: tuple[RunLine, ...]


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _boards(night: ToldNight, lines: Sequence[RunLine]) -> Grid:
    def row(board: ToldBoard) -> tuple[str, ...]:
        mine = [line for line in lines if line.told.board == board.name and not line.told.cut]
        done = [line.told.status for line in mine if line.told.status]
        state = "out of service" if board.out else "left out" if board.left_out else "in service"
        return (board.name, state, f"{len(done)} of {len(mine)}", *(str(done.count(status.value)) for status in Status),
                str(sum(line.death is not None for line in mine)))

    columns = ("board", "now", "runs", *(status.value for status in Status), "died")
    return Grid("boards", columns, (False, False, *(True,) * (len(columns) - 2)), tuple(map(row, night.boards)))


def _unsure(places: dict[Place, Standing]) -> Grid:
    rows = []
    for place, standing in sorted(places.items(), key=lambda item: (not item[1].flaky, item[0][:4])):
        failed, errors = standing.failed, standing.errors
        if not failed.events and not errors.events:
            continue
        low, high = (f"{100 * end:.0f}" for end in standing.interval) if standing.interval else ("", "")
        rate = f"{failed.events} of {failed.runs} ({low}–{high} %)" if standing.interval else "-"
        rows.append((place.scenario, place.machine, place.kernel, level_name(place.level, place.rate_hz), rate,
                     f"{errors.events} of {errors.runs}", "yes" if standing.flaky else "no"))
    return Grid(f"failed, or could not do their work, in the last {history.NIGHTS_FLAKY} nights",
                ("scenario", "machine", "kernel", "left", "failed (95 % interval)", "errors", "flaky"),
                (False,) * 4 + (True, True, False), tuple(rows))


def _first_failures(index: Index, begun_s: float, lines: Sequence[RunLine]) -> Iterator[RunLine]:
    """Runs that failed where none had before this night."""
    for line in lines:
        told = line.told
        if told.status == Status.FAIL.value and not index.connection.execute(
                """SELECT 1 FROM known WHERE status = 'fail' AND begun < ? AND scenario = ? AND kernel = ?
                   AND (machine = ? OR machine LIKE ? || '/%')""",
                (begun_s, told.scenario, told.kernel, told.board, told.board)).fetchone():
            yield line


def _sentence(night: ToldNight, lines: Sequence[RunLine], first: Sequence[RunLine], looked: history.History | None) -> str:
    """The first thing on the page: whether somebody must act."""
    findings = [word for word in looked.findings if word.word in _NEW] if looked else []
    rates = [word for word in looked.rates if word.word in ("new", "worse")] if looked else []
    act = [f"{board.name} is out of service" for board in night.boards if board.out]
    act += [f"{board.name} was left out" for board in night.boards if board.left_out and not board.out]
    act += [f"{board.name} may not be as it was found" for board in night.boards
            if not board.out and any("put right" in trouble for trouble in board.troubles)]
    act += [_many(len(findings), "finding is new", "findings are new")] if findings else []
    act += [_many(len(first), "run failed", "runs failed") + " where none had failed before"] if first else []
    act += [_many(len(rates), "rate of runs", "rates of runs") + " grew worse beyond chance"] if rates else []
    act += [f"the night is not over: {night.stopped}"] if night.stopped else []
    failed = sum(line.told.status == Status.FAIL.value for line in lines) - len(first)
    errors = sum(line.told.status == Status.ERROR.value for line in lines)
    known = [_many(failed, "run failed", "runs failed") + " as others had before"] if failed else []
    known += [_many(errors, "run", "runs") + " could not do the work"] if errors else []
    done = sum(line.told.status is not None for line in lines)
    if act:
        return f"Somebody must act: {'; '.join(act)}." + (f" Besides, {' and '.join(known)}." if known else "")
    if known:
        return f"Nobody must act at once: nothing is new; {' and '.join(known)}."
    return "Nobody must act: " + (f"{'the run' if done == 1 else f'all {done} runs'} came out as expected." if done else "nothing was run.")


def _more(night: ToldNight, lines: Sequence[RunLine], unreached: Sequence[RunLine], cut: Sequence[RunLine]) -> Iterator[str]:
    done = sum(line.told.status is not None for line in lines)
    yield f"{done} of {_many(len(lines), 'planned run', 'planned runs')} {'was' if done == 1 else 'were'} carried out" + (
        f"; {_many(len(unreached), 'was', 'were')} not reached." if unreached else ".")
    if cut:
        yield (f"The harness was killed or stopped in {_many(len(cut), 'run', 'runs')}: what was known is kept, and it is done again "
               "under a new number.")
    if night.resumed:
        yield f"The night was resumed {'once' if night.resumed == 1 else f'{night.resumed} times'}."


def compose(night: ToldNight, results: Path, now_s: float) -> Morning:
    """All that the page says at the time `now_s` (seconds of the epoch). `results` holds all nights of the lab."""
    index, _ = open_index([results])
    begun_s = datetime.fromisoformat(night.begun).timestamp()
    since = night_name(int((begun_s - history.NOON * 3600) // DAY_S))
    try:
        looked = history.look(index, now_s, since)
    except history.BadSince:
        looked = None
    all_lines = [_line(night.directory, told) for told in night.runs]
    lines, cut = [line for line in all_lines if not line.told.cut], [line for line in all_lines if line.told.cut]
    first = tuple(_first_failures(index, begun_s, lines))
    unreached = [line for line in lines if not line.told.status]
    words = looked.findings if looked else ()

    def changed(findings: Sequence[str], rates: Sequence[str]) -> tuple[Grid, ...]:
        if not looked:
            return ()
        grids = (history_views.findings_grid([word for word in words if word.word in findings], "findings"),
                 history_views.rates_grid(looked, rates))
        return tuple(grid for grid in grids if grid.rows)

    unsure = [_unsure(dict(standings(index, now_s, looked))), *([history_views.flaky_grid(looked)] if looked else [])]
    index.connection.close()
    return Morning(
        night, _sentence(night, lines, first, looked), tuple(_more(night, lines, unreached, cut)),
        history_views.headline(looked) if looked else None,
        changed(_NEW, ("new", "worse")), first, changed(_FIXED, ("fixed", "better")), tuple(grid for grid in unsure if grid.rows),
        _boards(night, lines), tuple(board for board in night.boards if board.left_out or board.out or board.troubles),
        tuple(line for line in lines if line.death or line.left),
        tuple(line for line in lines if line.told.status == Status.ERROR.value and not line.death and not line.left),
        Grid("skipped", ("scenario", "board", "kernel", "reason"), (False,) * 4, night.skipped),
        Grid("not reached", ("run", "reason"), (False,) * 2, tuple((line.told.name, line.told.reason) for line in unreached)),
        tuple(all_lines))


def write_morning(night: ToldNight, results: Path, now_s: float | None = None) -> Path:
    """Write morning.html and morning.md into the night's directory; returns the path of the first. `now_s`: null for now."""
    context = {"morning": compose(night, results, time.time() if now_s is None else now_s), "title": f"Night of {night.begun[:10]}"}
    for name in (PAGE, MAIL):
        draft = night.directory / f".{name}.new"
        draft.write_text(render(f"{name}.j2", context).rstrip() + "\n", encoding="utf-8")
        draft.replace(night.directory / name)
    return night.directory / PAGE
