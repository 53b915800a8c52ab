# SPDX-License-Identifier: MIT
"""Nights on boards that are made of scripts: what is run and in which order, and what is left of it when something dies."""

import errno
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from drmsqueeze_results.outcomes import load_run

from drmsqueeze import TOP, lab_file, night_order, night_worker, nightly, timings
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.machines import sites
from drmsqueeze.machines.board import BoardSite
from drmsqueeze.night import Cell, Night, State
from drmsqueeze.ring import Kind
from drmsqueeze.scenario import parse
from fake_board import FakeBoard, record

JOBS = [record(1, Kind.HELLO, text="0.1"), record(2, Kind.INTENT, job=1, text="bo-churn"), record(3, Kind.SUBMIT, job=1),
        record(4, Kind.END, job=1, b=1000), record(5, Kind.INTENT, job=2, text="bo-churn")]
WELL = [*JOBS, record(6, Kind.END, job=2, b=1000), record(7, Kind.RELEASE), record(8, Kind.RELEASE, code=1, a=1), record(9, Kind.BYE)]
CANNOT = [record(1, Kind.HELLO, text="0.1"), record(2, Kind.BYE, a=errno.EOPNOTSUPP, text="bo-churn has nothing to churn here")]
STAYS_AWAY: dict[str, Any] = {"power": {"cycle": ["/bin/true"]},
                              "limits_s": {"boot": 0.2, "connect": 1, "command": 5, "power": 5, "reset": 0.2}}
DISPATCH = """#!/bin/sh
# The board's name is the host, which stands behind "--".
host=; for word; do if test "$host" = --; then host=$word; break; fi; test "$word" = -- && host=--; done
exec {boards}/$host/bin/ssh "$@"
"""


def scenario(name: str, **members: Any) -> dict[str, Any]:
    return {"schema": "drmsqueeze.scenario/1", "name": name, "description": "One.", "target": {"driver": "vgem"},
            "stressors": [{"kind": "bo-churn", "jobs": 2}]} | members


class Lab:
    """A lab's file with its boards and scenarios, and the command line for it."""

    def __init__(self, root: Path, results: Path | None = None) -> None:
        self.root = root
        self.results = results or root / "nights"
        self.boards: dict[str, FakeBoard] = {}
        self._entries: list[dict[str, Any]] = []
        (root / "bin").mkdir()
        ssh = root / "bin" / "ssh"
        ssh.write_text(DISPATCH.format(boards=root / "boards"))
        ssh.chmod(0o755)
        (root / "scenarios").mkdir()
        for name in "abc":
            self.scenario(name)

    def scenario(self, name: str, **members: Any) -> None:
        (self.root / "scenarios" / f"{name}.json").write_text(json.dumps(scenario(name, **members)))

    def board(self, name: str, *records: bytes, scenarios: str = "scenarios/[abc].json", entry: dict[str, Any] | None = None,
              **members: Any) -> FakeBoard:
        made = self.boards[name] = FakeBoard(self.root / "boards" / name)
        made.say(*(records or WELL))
        self._entries.append({"machine": str(made.file(name, **members).relative_to(self.root)), "scenarios": [scenarios]} | (entry or {}))
        return made

    def write(self, **members: Any) -> Path:
        path = self.root / "lab.json"
        path.write_text(json.dumps({"schema": "drmsqueeze.lab/1", "results": str(self.results), "boards": self._entries} | members))
        return path

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        environment = os.environ | {"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "FAKE_BOARDS": str(self.root / "boards"),
                                    "XDG_STATE_HOME": str(self.root / "state"), "XDG_CACHE_HOME": str(self.root / "cache")} | environment
        return subprocess.Popen([sys.executable, Path(__file__).with_name("fake_cli.py"), "nightly", str(self.root / "lab.json"), *words],
                                env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words: str, **environment: str) -> "Done":
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=300)
        return Done(process.returncode, out, err)

    @property
    def night(self) -> Night:
        """The last one."""
        return Night(max(path.parent for path in self.results.glob("*/night.json")))

    def wait_for(self, event: str, count: int = 1) -> None:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if list(self.results.glob("*/night.jsonl")) and sum(one["event"] == event for one in self.night.events()) >= count:
                return
            time.sleep(0.01)
        raise AssertionError(f"no {event} after two minutes")

    def whole(self) -> State:
        """Each planned run is there exactly once, and all that was ever begun has its verdict."""
        state, plan = self.night.state(), self.night.plan()
        finished = Counter(attempt.cell for attempt in state.attempts if attempt.status)
        assert finished == {cell.index: 1 for cell in plan.order}, state
        assert sorted(path.name for path in self.night.runs.iterdir()) == sorted(attempt.directory for attempt in state.attempts)
        for attempt in state.attempts:
            run = load_run(self.night.runs / attempt.directory)
            assert run.verdict.reason_code == (attempt.code if attempt.status else "harness-killed"), attempt
            assert run.jobs.hung == 0 and run.jobs.completed + run.jobs.lost == run.jobs.submitted
        return state


class Done:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"exit {self.code}\n{self.out}\n{self.err}"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return " Z " in stat.read_text()
    except OSError:
        return True


def test_one_boards_death_holds_up_no_other(lab: Lab) -> None:
    """One is well, one never comes up, one kills the process that talks to it, and one stops it for ever."""
    lab.board("well")
    lab.board("away", **STAYS_AWAY).set("unplugged")
    lab.board("crashes").set("crash")
    lab.board("hangs", scenarios="scenarios/a.json")
    lab.write(errors_in_a_row=2, run_limit_min=0.1)
    done = lab.run(FAKE_HANGING_LIBRARY="hangs")
    assert done.code == 3, done
    state, plan = lab.night.state(), lab.night.plan()
    ends = Counter((plan.order[index].board, attempt.code) for index, attempt in state.finished.items())
    assert ends == {("board well", "ok"): 3, ("board away", "infrastructure"): 2, ("board crashes", "infrastructure"): 2,
                    ("board hangs", "infrastructure"): 1}, done
    assert set(state.left_out) == {"board away", "board crashes", "board hangs"}, "the last one hangs also where it is to be put right"
    assert "2 runs in a row" in state.left_out["board away"]
    reasons = [event["reason"] for event in lab.night.events() if event["event"] == "crashed"]
    assert sum("SIGSEGV" in reason for reason in reasons) >= 2 and sum("0.1 min" in reason for reason in reasons) == 2, reasons
    assert all(cell.why.startswith("new: never run on board") for cell in plan.order)
    mail = (lab.night.directory / "morning.md").read_text()
    assert "\nSomebody must act: board away was left out; board crashes was left out;\n" in mail
    assert "8 of 10 planned runs were carried out; 2 were not reached." in mail and "killed by SIGSEGV (5 times)" in mail
    assert "away, running, 100 % left: It did not come up." in mail.replace("\n  ", " ")
    cases = ElementTree.parse(lab.night.directory / "junit.xml").findall(".//testcase")
    assert len(cases) == 10 and sum(case.find("error") is not None for case in cases) == 7
    ktap = (lab.night.directory / "results.ktap").read_text()
    assert ktap.count("\n  not ok") == 7 and ktap.count("\n  ok") == 3


def test_what_cannot_be_done_costs_nothing_and_what_cannot_be_restored_is_out(lab: Lab) -> None:
    lab.scenario("planted", target={"driver": "panfrost", "model": "mali-jm"}, stressors=[{"kind": "tiler-heap"}],
                 traps=[{"trap": "shrinker-waits-for-fence"}])
    lab.board("unable", *CANNOT, scenarios="scenarios/[ap]*.json", entry={"runs": 3})
    turned = lab.board("turned", *JOBS)
    turned.lives(0.1)
    turned.set("turned", "stuck")
    lab.write()
    done = lab.run()
    assert done.code == 3, done
    state, plan = lab.night.state(), lab.night.plan()
    (skipped,) = plan.skipped
    assert skipped.scenario == "planted" and "planted in the GPU model" in skipped.reason
    assert Counter(attempt.code for attempt in state.attempts) == {"unsupported": 1, "agent-died": 1}
    assert set(state.skipped.values()) == {"bo-churn has nothing to churn here"} and len(state.skipped) == 2
    assert state.left_out.keys() == {"board turned"} and "/a/knob" in state.left_out["board turned"]
    mail = " ".join((lab.night.directory / "morning.md").read_text().split())
    for words in ("Somebody must act: board turned is out of service", "drmsqueeze board restore", "bo-churn has nothing to churn"):
        assert words in mail


def test_what_does_not_fit_into_the_budget_is_not_begun(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shorter still fits."""
    lab.board("b", scenarios="scenarios/[ab].json")
    lab.write(budget_min=20)
    monkeypatch.setenv("XDG_CACHE_HOME", str(lab.root / "cache"))
    for name, seconds in (("a", 3000.0), ("b", 0.1)):
        timings.note(parse(json.dumps(scenario(name)), name), 1, seconds, "board b")
    done = lab.run("--markdown")
    assert done.code == 0, done
    state, plan = lab.night.state(), lab.night.plan()
    assert {plan.order[index].scenario for index in state.finished} == {"b"}
    ((index, reason),) = state.not_begun.items()
    assert plan.order[index].scenario == "a"
    assert reason.startswith("it takes about 3000 s (measured on board b, in 1 runs of this scenario), and 1")
    assert done.out == (lab.night.directory / "morning.md").read_text(), "the mail and nothing else"
    assert "1 of 2 planned runs was carried out; 1 was not reached." in done.out and "about 3000 s" in done.out


def ran(lab: Lab, name: str, status: str, hours_ago: float, seed: int = 1, changed: bool = False) -> None:
    """A run of an earlier night on board x."""
    template = json.loads((TOP / "tests" / "data" / "run-completed.json").read_text())
    one = parse(json.dumps(scenario(name)), name)
    directory = lab.results / "before" / "runs" / f"{len(list(lab.results.rglob('run.json'))):04d}"
    directory.mkdir(parents=True)
    environment = template["environment"] | {"machine": "board x", "accelerator": None}
    (directory / "run.json").write_text(json.dumps(template | {
        "verdict": {"status": status, "reason_code": "made", "reasons": []}, "level": 1.0, "rate_hz": None,
        "scenario": {"name": name, "sha256": "0" * 64 if changed else one.sha256, "seed": seed},
        "environment": environment | {"kernel": environment["kernel"] | {"variant": "running"}},
        "started": (datetime.now(timezone.utc) - timedelta(hours=hours_ago)).isoformat()}))


def test_new_and_unsure_ones_come_first_and_all_come_round(lab: Lab) -> None:
    """`d` has no run and `e` one of another text; `b` tosses, `c` broke; `a` has waited longer than `f`; `g` could not be done."""
    for name in "defg":
        lab.scenario(name)
    lab.board("x", scenarios="scenarios/[a-g].json", entry={"runs": 2})
    for hours, name, status in ((99, "a", "pass"), (50, "f", "pass"), (8, "b", "fail"), (7, "b", "pass"), (6, "b", "fail"),
                                (5, "b", "pass"), (9, "c", "pass"), (4, "c", "error"), (3, "g", "skip")):
        ran(lab, name, status, hours, seed=hours)
    ran(lab, "e", "pass", 2, changed=True)
    cells, _ = night_order.arrange(lab_file.load(lab.write()))
    assert "".join(cell.scenario for cell in cells) == "de" "de" "ca" "bf" "ca" "bf" "gg"
    why = {cell.scenario: cell.why for cell in cells}
    assert why["d"] == "new: never run on board x with running" and why["e"] == "new: the scenario has changed since it was run"
    assert why["b"] == "unsure: flaky, failed in 2 of 4 runs of the last 7 nights (7–93 %)"
    assert why["c"] == "unsure: its last run could not do its work" and why["a"].startswith("last run 20")
    assert why["g"].startswith("last: this machine")
    assert [cell.seed for cell in cells if cell.scenario == "a"][0] == 1 and len({cell.seed for cell in cells if cell.scenario == "a"}) == 2


def test_what_cuts_the_harness_off_again_and_again_comes_last(lab: Lab) -> None:
    lab.board("x")
    loaded = lab_file.load(lab.write())
    with nightly.alone(loaded.results):
        night = nightly.begin(loaded)
    assert [cell.scenario for cell in ahead(night)] == ["a", "b", "c"]
    for directory in ("0000", "0000.2"):
        night.note("begun", cell=0, board="board x", directory=directory)
        night.note("lost", cell=0, board="board x", directory=directory)
    assert [cell.scenario for cell in ahead(night)] == ["b", "c", "a"]


def ahead(night: Night) -> list[Cell]:
    return list(night_worker.Worker(night, "board x").ahead(night.state()))


def test_a_machine_that_cannot_be_had_now_holds_up_no_other(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a labgrid place whose coordinator is down; and where a file lies beside the lab's, it is found."""
    asked = []

    def board(machine: str) -> BoardSite:
        asked.append(machine)
        raise InfrastructureError("the coordinator does not answer")

    (lab.root / "env.yaml").touch()
    lab.board("well")
    well = sites.kept
    monkeypatch.setattr(sites, "kept", lambda machine: board(machine) if "env" in machine else well(machine))
    lab._entries.append({"machine": "env.yaml:pi", "scenarios": ["scenarios/a.json"]})
    loaded = lab_file.load(lab.write())
    assert asked == [f"{lab.root}/env.yaml:pi"]
    with nightly.alone(loaded.results):
        night = nightly.begin(loaded)
    assert night.state().left_out == {"env.yaml:pi": "the coordinator does not answer"}
    assert {cell.board for cell in night.plan().order} == {"board well"}


def test_half_a_line_that_a_loss_of_power_left_hides_nothing(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.note("resumed")
    with (tmp_path / "night.jsonl").open("a") as file:
        file.write('{"event": "beg')
    night.note("left-out", board="x", reason="it is on fire")
    assert [event["event"] for event in night.events()] == ["resumed", "left-out"] and night.state().left_out == {"x": "it is on fire"}


def test_killed_again_and_again_nothing_is_lost_and_nothing_done_twice(lab: Lab) -> None:
    """With -9, at another moment each time; each process of the harness is gone then."""
    for name in ("one", "two"):
        lab.board(name, scenarios="scenarios/[ab].json", entry={"runs": 2}).slow(0.3)
    lab.write()
    begun = 0
    for attempt in range(12):
        process = lab.start(*(["--resume"] if attempt else []))
        begun = begun + 1 if attempt < 6 else 1000
        if attempt == 0:
            lab.wait_for("begun")
        try:
            process.wait(timeout=[0.05, 1.9, 2.1, 2.3, 2.6, 3.0][attempt] if attempt < 6 else 60)
            break
        except subprocess.TimeoutExpired:
            workers = [int(path.name) for path in Path("/proc").glob("[0-9]*") if str(lab.root).encode() in _cmdline(path)]
            process.kill()
            process.communicate()
            until = time.monotonic() + 10
            while not all(map(gone, workers)) and time.monotonic() < until:
                time.sleep(0.01)
            assert all(gone(pid) or b"--start" in _cmdline(Path(f"/proc/{pid}")) for pid in workers), "only what runs on a board goes on"
    process.communicate()
    state = lab.whole()
    assert process.returncode == 0 and state.over
    assert any(not attempt.status for attempt in state.attempts), "none of the kills hit a run"
    assert all(not (board.root / "run" / "work").exists() for board in lab.boards.values())


def test_told_to_stop_it_leaves_boards_as_they_were(lab: Lab) -> None:
    """And a second nightly is refused meanwhile."""
    board = lab.board("one", scenarios="scenarios/a.json")
    board.slow(600)
    board.lives(60)
    board.set("turned")
    lab.write()
    process = lab.start()
    lab.wait_for("begun")
    while not (lab.night.runs / "0000" / "records.bin").exists() or not (lab.night.runs / "0000" / "records.bin").stat().st_size:
        time.sleep(0.01)
    second = lab.run("--resume", FAKE_LOCK_WAIT_S="0.1")
    assert second.code == 3 and "another nightly is at work" in second.err, second
    process.terminate()
    done = Done(0, *process.communicate(timeout=300))
    assert process.returncode == 3 and "--resume` goes on" in done.err, done
    assert not (board.root / "run" / "work").exists() and not (board.root / "run" / "state").exists()
    board.slow(0)
    assert lab.run("--resume").code == 0
    assert [attempt.code for attempt in lab.whole().attempts] == [None, "ok"]
    run = load_run(lab.night.runs / "0000")
    assert (run.jobs.completed, run.jobs.lost) == (2, 0), "both jobs had ended, only the goodbye had not come"
    over = lab.run("--resume")
    assert over.code == 0 and "nothing to resume" in over.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", place], capture_output=True).returncode:
        pytest.skip("no root here that may mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_stops_the_night_and_breaks_nothing(tmp_path: Path, small_disk: Path) -> None:
    """Before a run, in the middle of one, and read-only; it goes on each time once it can."""
    lab = Lab(tmp_path, small_disk / "nights")
    board = lab.board("one", scenarios="scenarios/[ab].json")
    board.set("turned")
    lab.write()
    ballast = small_disk / "ballast"

    ballast.write_bytes(bytes(20 << 20))
    full = lab.run()
    assert full.code == 3 and "MiB are free; a run needs" in full.err and "--resume` goes on" in full.err, full
    assert lab.night.state().attempts == []
    ballast.unlink()

    board.slow(8)
    process = lab.start("--resume")
    lab.wait_for("begun")
    while not (lab.night.runs / "0000" / "records.bin").exists() or not (lab.night.runs / "0000" / "records.bin").stat().st_size:
        time.sleep(0.01)
    with pytest.raises(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    done = Done(0, *process.communicate(timeout=300))
    assert process.returncode == 3 and "No space left on device" in done.err, done
    assert not (board.root / "run" / "work").exists(), "the board is no worse for it"
    assert not (lab.root / "state" / "drmsqueeze" / "boards" / "one.json").exists(), "and stays in service"
    ballast.unlink()

    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    locked = lab.run("--resume")
    assert locked.code == 3 and "Read-only file system" in locked.err, locked
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)

    board.slow(0)
    assert lab.run("--resume").code == 0
    assert [attempt.code for attempt in lab.whole().attempts] == [None, "ok", "ok"]


@pytest.mark.parametrize("members, message", [
    ({"boards": []}, "/boards: found []; expected at least 1 items"), ({"budget_min": 0}, "/budget_min: found 0; expected more than 0"),
    ({"boards": [{"machine": "vm"}]}, '/boards/0: found no member "scenarios"'), ({"bords": 1}, "/bords: found an unknown member"),
    ({"boards": [{"machine": "vm", "scenarios": ["x*.json"]}]}, '/boards/0/scenarios/0: found "x*.json", which no file matches'),
    ({"boards": [{"machine": "nobody.json", "scenarios": ["scenarios/a.json"]}]}, "/boards/0: nobody.json: cannot be read"),
    ({"boards": [{"machine": "vm", "kernels": ["lap"], "scenarios": ["scenarios/a.json"]}]}, "/boards/0: "),
    ({"boards": [{"machine": "vm", "scenarios": ["scenarios/a.json"], "levels": [0.5]}]},
     "/boards/0/levels: a: /levels: found a level below 1"),
    ({"boards": [{"machine": "vm", "scenarios": ["scenarios/a.json"]}] * 2}, '/boards/1/machine: found "vm" a second time'),
])
def test_a_bad_file_is_refused_with_the_place(lab: Lab, members: dict[str, Any], message: str) -> None:
    path = lab.write(**members)
    with pytest.raises(UsageError) as error:
        lab_file.load(path)
    assert f"{path}: {message}" in str(error.value)


def test_the_example_of_the_documentation_is_sound() -> None:
    """It runs in the VM, where tests/vm carries a part of it out."""
    example = lab_file.load(TOP / "docs" / "nightly-lab.json")
    cells, skipped = night_order.arrange(replace(example, results=Path("/nowhere")))
    assert len(cells) == 4 and not skipped and {cell.kernel for cell in cells} == {"lab", "lab+panfrost-nowait"}


def _cmdline(path: Path) -> bytes:
    try:
        return (path / "cmdline").read_bytes()
    except OSError:
        return b""
