# SPDX-License-Identifier: MIT
"""The morning page: whether somebody must act, and that it has what a lab must see."""

import json
import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from drmsqueeze_results.morning import Told, ToldBoard, ToldNight, write_morning
from drmsqueeze_results.outcomes import judge
from golden_data import DATA, edit
from many_runs import FIRST, Made, document, make

TONIGHT = 20
NOW = (FIRST + timedelta(days=TONIGHT, hours=9)).timestamp()
SPLAT = "hung-task: irq/N-panfro: shrink_slab"
WARN = "warn: panfrost_mmu.c:N panfrost_mmu_map"


def told(scenario: str, number: int, status: str | None = "pass", board: str = "vm", **rest: object) -> Told:
    made = Told(board, "lab", scenario, 0.05, None, "new: never run", f"runs/{number:04d}" if status else None, status)
    return replace(made, **rest)  # type: ignore[arg-type]


def a_night(results: Path, tonight: list[tuple[Told, Made | str]], boards: tuple[ToldBoard, ...] = (ToldBoard("vm"),),
            **members: object) -> ToldNight:
    """A night with these runs: each is made, or a copy of a golden run; and what the page takes."""
    directory = results / "20261021-220000"
    for told_run, made in tonight:
        place = directory / (told_run.directory or "")
        if isinstance(made, str):
            shutil.copytree(DATA / "runs" / made, place)
            facts = json.loads((place / "facts.json").read_text())
            edit(place / "facts.json", started=(FIRST + timedelta(days=TONIGHT)).isoformat(),
                 scenario=facts["scenario"] | {"name": told_run.scenario},
                 machine=facts["machine"] | {"kind": told_run.board}, kernel=facts["kernel"] | {"variant": "lab"})
            judge(place)
        else:
            place.mkdir(parents=True)
            shutil.copy(DATA / "runs" / "completed" / "facts.json", place)
            (place / "run.json").write_text(json.dumps(document(made, 1000 + len(list(directory.glob("runs/*"))))))
    directory.mkdir(exist_ok=True)
    begun = FIRST + timedelta(days=TONIGHT)
    night = ToldNight(directory, begun.isoformat(), (begun + timedelta(hours=8)).isoformat(), tuple(one for one, _ in tonight), boards, ())
    return replace(night, **members)  # type: ignore[arg-type]


def pages(night: ToldNight) -> tuple[str, str]:
    page = write_morning(night, night.directory.parent, NOW)
    return page.read_text(), page.with_name("morning.md").read_text()


def test_a_bad_night(tmp_path: Path) -> None:
    """One finding is new, one is gone for long, one scenario tosses, a board panicked, and another is out of service."""
    before = [Made(n, scenario=name, findings=[WARN] if name == "was-bad" else [], status="fail" if name == "was-bad" else
                   ("fail", "pass")[n % 2] if name == "tosses" else "pass", after_s=60 * at)
              for n in range(TONIGHT) for at, name in enumerate(("steady", "was-bad", "tosses", "was-bad"))]
    make(tmp_path, [*before, *(Made(TONIGHT, scenario="was-bad", after_s=60 * at) for at in range(8))])
    boards = (ToldBoard("vm"), ToldBoard("board rock5b"),
              ToldBoard("board pi", "it is out of service: a knob", "/sys/a/knob is not restored (2026-10-21T23:00:00+00:00)",
                        "drmsqueeze board restore /lab/pi.json", ("the board's process was killed by SIGSEGV",)))
    night = a_night(tmp_path, [
        (told("steady", 0, "fail"), Made(TONIGHT, "fail", "steady", findings=[SPLAT])),
        (told("was-bad", 1), Made(TONIGHT, "pass", "was-bad")),
        (told("tosses", 2, "fail"), Made(TONIGHT, "fail", "tosses")), (told("panics", 3, "fail", "board rock5b"), "panic"),
        (told("cut", 4, None, "board rock5b", directory="runs/0004", cut=True), "lost-harness"),
    ], boards, skipped=(("planted", "board pi", "mainline", "it has no model"),), resumed=1)
    late = told("steady", 0, None, reason="it takes about 300 s (measured here), and 20 s were left")
    page, mail = pages(replace(night, runs=(*night.runs, late)))
    first = " ".join(mail.split("\n\n")[1].split())
    # Of the panic two things are told: the finding, and that a run failed where none had.
    assert first == ("Somebody must act: board pi is out of service; 2 findings are new; 2 runs failed where none had failed before. "
                     "Besides, 1 run failed as others had before."), first
    for text in (page, mail):
        flat = " ".join(text.split())
        assert SPLAT in flat and WARN in flat and "drmsqueeze board restore /lab/pi.json" in flat and "planted" in flat
        assert "Its kernel panicked" in flat and "Kernel panic" in flat, "with its last words"
        assert "300 s (measured here)" in flat.replace("\u00a0", " ") and "stopped in 1 run:" in flat.replace("\u00a0", " ")
    new, fixed, unsure = (page.split(f'id="{part}"')[1].split("<h2")[0] for part in ("new", "fixed", "unsure"))
    assert SPLAT in new and SPLAT not in fixed and WARN in fixed and WARN not in new
    assert "flaky" in unsure.lower() and "4 of 7 (18–90 %)" in re.sub("</?span>", "", unsure)
    assert "rock5b" in unsure and ">cut<" not in unsure, "a run whose harness was killed is no error of its scenario"
    assert 'href="runs/0003/"' in page and not re.search(r'(src|href)="(?!runs/|#)', page), "all in one file, and links to its runs"


def test_a_quiet_night_says_so(tmp_path: Path) -> None:
    make(tmp_path, [Made(n, scenario="steady") for n in range(TONIGHT)])
    page, mail = pages(a_night(tmp_path, [(told("steady", 0), Made(TONIGHT, scenario="steady"))]))
    assert "\nNobody must act: the run came out as expected.\n" in mail and "Nobody must act" in page
    assert "1 of 1 planned run was carried out." in mail and mail.count("Nothing") == 3


def test_what_is_known_needs_nobody_at_once(tmp_path: Path) -> None:
    make(tmp_path, [Made(n, "fail", scenario="bad", findings=[WARN]) for n in range(TONIGHT)])
    _, mail = pages(a_night(tmp_path, [(told("bad", 0, "fail"), Made(TONIGHT, "fail", "bad", findings=[WARN])),
                                       (told("broke", 1, "error"), "infrastructure")]))
    said = "Nobody must act at once: nothing is new; 1 run failed as others had before and 1 run could not do the work."
    assert said in " ".join(mail.split())


def test_a_night_that_stopped_is_not_taken_for_one_that_went_well(tmp_path: Path) -> None:
    _, mail = pages(a_night(tmp_path, [(told("steady", 0), Made(TONIGHT, scenario="steady"))], stopped="somebody stopped it"))
    assert "Somebody must act: the night is not over: somebody stopped it." in " ".join(mail.split())
