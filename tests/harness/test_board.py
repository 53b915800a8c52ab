# SPDX-License-Identifier: MIT
"""Machine `board` against a board that is made of scripts (fake_board.py): what becomes of a run, of what it turned, and of strange words."""

import errno
import json
import os
import subprocess
import time
import sys
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Run
from drmsqueeze_results.outcomes import judge

from drmsqueeze import execute as execution
from drmsqueeze import guest as guests
from drmsqueeze import unfinished
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.limits import Limits
from drmsqueeze.machines import board as boards
from drmsqueeze.machines import on_board, received, service
from drmsqueeze.machines.board import BoardSite
from drmsqueeze.machines.link import HostKeyError, SshLink
from drmsqueeze.machines.machine import UNTIL_WE_DIE, wait
from drmsqueeze.plan import PlannedRun
from drmsqueeze.ring import Kind
from drmsqueeze.scenario import parse
from fake_board import FakeBoard, on_path, record

JOBS = [record(1, Kind.HELLO, text="0.1"), record(2, Kind.INTENT, job=1, text="bo-churn"), record(3, Kind.SUBMIT, job=1),
        record(4, Kind.END, job=1, b=1000), record(5, Kind.INTENT, job=2, text="bo-churn")]
WELL = [*JOBS, record(6, Kind.END, job=2, b=1000), record(7, Kind.RELEASE), record(8, Kind.RELEASE, code=1, a=1), record(9, Kind.BYE)]
LATE = [*JOBS, record(6, Kind.WITNESS, job=2, text="late-fence")]
SCENARIO: dict[str, Any] = {
    "schema": "drmsqueeze.scenario/1", "name": "fake", "description": "One.", "target": {"driver": "vgem"},
    "stressors": [{"kind": "bo-churn", "jobs": 2}],
}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    made = FakeBoard(tmp_path / "board")
    monkeypatch.setenv("PATH", on_path(made))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(guests, "build_for_boards", lambda architecture: made.root / "programs")
    monkeypatch.setattr(received, "RETRY_S", 0.1)
    monkeypatch.setattr(received, "GAP_S", 0.3)
    monkeypatch.setattr(Limits, "of", classmethod(lambda cls, *_: cls(1, 1, 1, 1, 2, 1, 1, silence=made.silence_s)))
    return made


def carry_out(fake: FakeBoard, directory: Path, watch: Any = None, scenario: dict[str, Any] = SCENARIO, kernel: str = "running", **members: Any) -> Run:
    site = BoardSite(fake.board(**members))
    execution.execute(site, parse(json.dumps(scenario), "fake"), PlannedRun(0, 0, 1.0, "a", 1), kernel, directory, watch)
    return judge(directory)


def left(directory: Path) -> str:
    return str(json.loads((directory / "facts.json").read_text())["machine"]["board"]["left"])


def test_a_run_that_goes_well(fake: FakeBoard, tmp_path: Path) -> None:
    fake.say(*WELL)
    run = carry_out(fake, tmp_path / "run")
    assert (run.verdict.reason_code, run.jobs.completed, run.environment.machine) == ("ok", 2, "board fake"), run.verdict
    assert left(tmp_path / "run") == "as found"
    assert not (fake.root / "run" / "work").exists() and not (fake.root / "run" / "state").exists()
    assert [r.seq for r in received.stored(tmp_path / "run")] == list(range(1, 10))


def test_how_long_a_build_takes_says_nothing_of_the_board(fake: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.say(*WELL)

    def build(architecture: str) -> Path:
        if not (fake.root / "built").exists():
            time.sleep(fake.board().limits.boot + 0.5)
            (fake.root / "built").touch()
        return fake.root / "programs"

    monkeypatch.setattr(guests, "build_for_boards", build)
    assert carry_out(fake, tmp_path / "run").verdict.reason_code == "ok"


def test_hostile_words_of_a_scenario_reach_no_shell(fake: FakeBoard, tmp_path: Path) -> None:
    fake.say(*WELL)
    hostile = f"$(touch {tmp_path}/pwned); `touch {tmp_path}/pwned` '\" & | > {tmp_path}/pwned"
    carry_out(fake, tmp_path / "run", scenario=SCENARIO | {"description": hostile,
              "injectors": [{"kind": "failslab", "scope": {"thread": hostile}}]})
    assert "pwned" not in fake.argv and not list(tmp_path.rglob("pwned"))
    assert hostile in json.dumps(json.loads((fake.root / "request").read_text()), ensure_ascii=False).replace('\\"', '"'), "it went through stdin"


@pytest.mark.parametrize("word", ["$(touch x)", "; touch x", "a b", "'", '"', "-oProxyCommand=touch x", "\n", "", "é"])
def test_words_are_words_on_the_board_too(fake: FakeBoard, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = SshLink(fake.board()).output(["printf", "%s|", word, "end"])
    assert done == f"{word}|end|" and not (tmp_path / "x").exists()


@pytest.mark.parametrize("kernel", ["x", "running; touch x", "../x"])
def test_no_kernel_but_those_of_the_file(fake: FakeBoard, kernel: str) -> None:
    with pytest.raises(UsageError, match="found no kernel"):
        BoardSite(fake.board()).refuse_kernel(kernel)


def test_an_unmarked_machine_is_refused_and_nothing_put_there(fake: FakeBoard, tmp_path: Path) -> None:
    (fake.root / "target").unlink()
    run = carry_out(fake, tmp_path / "run")
    assert run.verdict.reason_code == "infrastructure" and "/etc/drmsqueeze-target" in run.verdict.reasons[0]
    assert not (fake.root / "run" / "work").exists() and not (fake.root / "power").exists()


def test_a_stranger_is_refused_at_once(fake: FakeBoard, tmp_path: Path) -> None:
    fake.set("stranger")
    run = carry_out(fake, tmp_path / "run")
    assert run.verdict.reason_code == "infrastructure" and "host key" in run.verdict.reasons[0]
    assert not (fake.root / "power").exists(), "its power is not ours to cut"
    with pytest.raises(HostKeyError):
        SshLink(fake.board()).wait_up(60, ["true"])
    assert "StrictHostKeyChecking=yes" in fake.argv.splitlines()


def test_a_connection_that_breaks_is_made_again(fake: FakeBoard, tmp_path: Path) -> None:
    fake.say(*WELL[:5])
    broken = False

    def watch(machine: boards.BoardRun, journal: Any) -> None:
        nonlocal broken
        if journal.intents == 2 and not broken and machine.records._process:
            broken = True
            fake.say(*WELL)
            machine.records._process.kill()

    run = carry_out(fake, tmp_path / "run", watch)
    assert run.verdict.reason_code == "ok" and run.jobs.completed == 2
    assert json.loads((tmp_path / "run" / "facts.json").read_text())["machine"]["board"]["connections"] == 2


@pytest.mark.parametrize("records, code, fate", [(JOBS, "link-lost", "lost"), (LATE, "link-lost", "lost")])
def test_a_board_that_we_do_not_hear_hangs_not(fake: FakeBoard, tmp_path: Path, records: list[bytes], code: str, fate: str) -> None:
    """It has no console: whether it hangs nobody can tell, a late fence or not."""
    fake.silence_s = 1.5
    fake.say(*records)

    def watch(machine: boards.BoardRun, journal: Any) -> None:
        if journal.intents == 2 and machine.records._process:
            fake.set("unplugged")
            machine.records._process.kill()

    run = carry_out(fake, tmp_path / "run", watch)
    assert run.verdict.reason_code == code and getattr(run.jobs, fate) == 1 and run.jobs.completed == 1
    assert (fake.root / "power").read_text() == "cycled\n" and left(tmp_path / "run") == "as found"


@pytest.mark.parametrize("records, status, code, fate", [(JOBS, "error", "machine-rebooted", "lost"), (LATE, "fail", "unexpected-outcome", "hung")])
def test_a_board_that_resets_itself(fake: FakeBoard, tmp_path: Path, records: list[bytes], status: str, code: str, fate: str) -> None:
    fake.say(*records)
    fake.set("turned")
    (fake.root / "pstore" / "dmesg-old").write_text("of another day")
    done = False

    def watch(machine: boards.BoardRun, journal: Any) -> None:
        nonlocal done
        if journal.intents == 2 and not done and machine.records._process:
            done = True
            fake.reboots()
            (fake.root / "pstore" / "dmesg-new").write_text("last words")
            (fake.root / "pstore" / "bad name").write_text("who calls a file so")
            machine.records._process.kill()

    run = carry_out(fake, tmp_path / "run", watch)
    assert (run.status.value, run.verdict.reason_code, getattr(run.jobs, fate)) == (status, code, 1), run.verdict
    assert (tmp_path / "run" / "evidence" / "pstore-dmesg-new").read_text() == "last words"
    assert sorted(path.name for path in (fake.root / "pstore").iterdir()) == ["bad name", "dmesg-old"]
    assert "--restore" in fake.calls[-1] and left(tmp_path / "run") == "as found" and run.restored is True


def test_a_late_job_and_a_kernel_that_answers_nothing(fake: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was asked for evidence again and again, and its silence never noticed."""
    fake.silence_s = 1.5
    fake.say(*LATE)
    monkeypatch.setattr(boards.BoardRun, "sysrq", lambda self, keys: False)
    run = carry_out(fake, tmp_path / "run")
    assert (run.status.value, run.jobs.hung) == ("fail", 1) and left(tmp_path / "run") == "as found"


def test_an_agent_that_died_is_no_machine_that_hangs(fake: FakeBoard, tmp_path: Path) -> None:
    """Nobody waits until the machine counts as silent."""
    fake.silence_s = 10000
    fake.say(*JOBS)
    fake.lives(0.1)
    run = carry_out(fake, tmp_path / "run")
    assert run.verdict.reason_code == "agent-died" and run.jobs.lost == 1


def test_a_board_that_cannot_be_restored_is_taken_out(fake: FakeBoard, tmp_path: Path) -> None:
    fake.silence_s = 1.5
    fake.say(*JOBS)
    fake.lives(0.1)
    fake.set("turned", "stuck")
    run = carry_out(fake, tmp_path / "run")
    assert run.restored is False and "taken out" in left(tmp_path / "run")
    assert "/a/knob" in (service.why_out("fake") or "")
    again = carry_out(fake, tmp_path / "again")
    assert again.verdict.reason_code == "infrastructure" and "out of service" in again.verdict.reasons[0]
    with pytest.raises(InfrastructureError, match="/a/knob"):
        BoardSite(fake.board()).restore()
    (fake.root / "stuck").unlink()
    BoardSite(fake.board()).restore()
    fake.silence_s = 60
    fake.say(*WELL)
    fake.lives(30)
    (fake.root / "turned").unlink()
    assert carry_out(fake, tmp_path / "third").verdict.reason_code == "ok"


def test_what_a_killed_harness_left_is_put_back_first(fake: FakeBoard, tmp_path: Path) -> None:
    fake.say(*WELL)
    (fake.root / "run" / "state").mkdir()
    (fake.root / "run" / "state" / "restore.json").touch()
    assert carry_out(fake, tmp_path / "run").verdict.reason_code == "ok"
    assert "--restore" in fake.calls[0]


def test_a_board_that_stays_away_is_taken_out(fake: FakeBoard, tmp_path: Path) -> None:
    fake.silence_s = 1.5
    fake.say(*JOBS)

    def watch(machine: boards.BoardRun, journal: Any) -> None:
        if journal.intents == 2 and machine.records._process:
            fake.set("unplugged")
            machine.records._process.kill()

    run = carry_out(fake, tmp_path / "run", watch, power={"cycle": ["/bin/true"]})
    assert run.verdict.reason_code == "link-lost" and "taken out" in left(tmp_path / "run")
    assert carry_out(fake, tmp_path / "again").verdict.reason_code == "infrastructure"


def test_a_kernel_is_booted_and_the_one_before_put_back(fake: FakeBoard, tmp_path: Path) -> None:
    fake.say(*WELL)
    kernels = fake.kernels(stock="6.1", other="6.9")
    run = carry_out(fake, tmp_path / "run", kernel="other", kernels=kernels)
    assert run.verdict.reason_code == "ok" and run.environment.kernel.release == "6.9"
    assert fake.booted == ["6.9", "6.1"] and left(tmp_path / "run") == "as found"
    assert carry_out(fake, tmp_path / "again", kernel="stock", kernels=kernels).verdict.reason_code == "ok"
    assert fake.booted == ["6.9", "6.1", "6.1"], "booted anew for the run, and there is nothing to put back"


def test_the_kernel_of_a_killed_harness_is_put_back_later(fake: FakeBoard, tmp_path: Path) -> None:
    fake.say(*WELL)
    service.note_own_kernel("fake", "stock")
    (fake.root / "release").write_text("6.9\n")
    kernels = fake.kernels(stock="6.1", other="6.9")
    BoardSite(fake.board(kernels=kernels)).check()
    assert not (fake.root / "booted").exists(), "a look turns nothing"
    run = carry_out(fake, tmp_path / "run", kernels=kernels)
    assert run.verdict.reason_code == "ok" and fake.booted == ["6.1"] and service.own_kernel("fake") is None


def test_a_kernel_that_nobody_knows_is_not_put_back_and_that_is_said(fake: FakeBoard, tmp_path: Path) -> None:
    fake.say(*WELL)
    carry_out(fake, tmp_path / "run", kernel="other", kernels=fake.kernels(other="6.9"))
    assert fake.booted == ["6.9"] and "release 6.1, with which it was found" in left(tmp_path / "run")


def test_a_kernel_that_does_not_come_back_takes_the_board_out(fake: FakeBoard, tmp_path: Path) -> None:
    fake.say(*WELL)
    kernels = fake.kernels(stock="6.1", other="6.9")
    kernels["stock"]["boot"] = [["/bin/false"]]
    run = carry_out(fake, tmp_path / "run", kernel="other", kernels=kernels)
    assert run.jobs.completed == 2 and "taken out" in left(tmp_path / "run") and "kernel stock" in (service.why_out("fake") or "")


def test_another_kernel_than_wanted_is_no_run(fake: FakeBoard, tmp_path: Path) -> None:
    kernels = fake.kernels(stock="6.1", other="6.9")
    kernels["other"]["release"] = "6.10"
    run = carry_out(fake, tmp_path / "run", kernel="other", kernels=kernels)
    assert run.verdict.reason_code == "infrastructure" and "6.9 runs" in run.verdict.reasons[0] and run.jobs.submitted == 0


def test_one_run_at_a_time_on_a_board(fake: FakeBoard, tmp_path: Path) -> None:
    with service.in_use("fake"), pytest.raises(InfrastructureError, match="in use"):
        carry_out(fake, tmp_path / "run")


def test_a_model_is_not_needed_where_the_gpu_is_real(fake: FakeBoard) -> None:
    site = BoardSite(fake.board())
    with_model = SCENARIO | {"target": {"driver": "panfrost", "model": "mali-jm"}, "stressors": [{"kind": "tiler-heap", "jobs": 2}]}
    assert "model" not in site.suited(parse(json.dumps(with_model), "x"))["target"]
    with pytest.raises(UsageError, match="planted"):
        site.suited(parse(json.dumps(with_model | {"model_faults": [{"fault": "never_finish", "count": 1}]}), "x"))


@pytest.mark.parametrize("members, message", [
    ({"name": "../x"}, "/name: found"), ({"ssh": {"host": "-oProxyCommand=x"}}, "/ssh/host: found"), ({"ssh": {}}, '/ssh: found no member "host"'),
    ({"power": {"off": ["x"]}}, '/power: found no way'), ({"console": {"baud": 9600}}, "/console: found none"),
    ({"console": {"socket": "a", "command": ["b"]}}, "/console: found command, socket"), ({"directory": "/"}, "/directory: found"),
    ({"directory": "/run/../etc"}, "/directory: found"), ({"power": {"cycle": "reboot"}}, "/power/cycle: found"), ({"hots": 1}, "/hots: found an unknown"),
    ({"kernels": {"running": {"boot": [["x"]]}}}, "/kernels/running: found the name"), ({"time_scale": 0}, "/time_scale: found 0; expected at least 1"),
])
def test_a_bad_file_is_refused_with_the_place(fake: FakeBoard, members: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        fake.board(**members)
    assert str(error.value).startswith(f"fake.json: {message}")


def test_the_real_ssh_takes_our_options() -> None:
    """`ssh -G` reads them and connects to nobody."""
    from drmsqueeze.machines import board_file
    link = SshLink(board_file.parse('{"schema": "drmsqueeze.board/1", "name": "x", "ssh": {"host": "h.invalid", "known_hosts": "k"}}', "x"))
    done = subprocess.run(["/usr/bin/ssh", "-G", *link.argv(["true"])[len(UNTIL_WE_DIE) + 1:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "stricthostkeychecking true" in done.stdout and "batchmode yes" in done.stdout and "forwardagent no" in done.stdout


def test_a_run_that_is_stopped_leaves_the_board_as_it_was(fake: FakeBoard, tmp_path: Path) -> None:
    """And what was known is kept: the job that ended has its fate, the other is lost, whatever had witnessed a hang."""
    fake.say(*LATE)
    fake.set("turned")

    def watch(machine: boards.BoardRun, journal: Any) -> None:
        if journal.intents == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(fake, tmp_path / "run", watch)
    assert not (fake.root / "run" / "work").exists() and not (fake.root / "run" / "state").exists()
    assert unfinished.is_unfinished(tmp_path / "run") and service.why_out("fake") is None
    unfinished.finish(tmp_path / "run")
    run = judge(tmp_path / "run")
    assert (run.verdict.reason_code, run.jobs.completed, run.jobs.lost, run.environment.machine) == ("harness-killed", 1, 1, "board fake")
    assert not unfinished.is_unfinished(tmp_path / "run")


@pytest.mark.parametrize("place", ["records", "log"])
def test_a_disk_that_is_full_is_no_fault_of_the_board(fake: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    fake.say(*WELL)
    fake.set("turned")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if place == "records":
        monkeypatch.setattr(received, "write_whole", full)
    else:
        monkeypatch.setattr(on_board.OnBoard, "log", full)
    with pytest.raises(OSError, match="No space left"):
        carry_out(fake, tmp_path / "run")
    assert service.why_out("fake") is None and not (fake.root / "run" / "state").exists()


def test_no_ssh_outlives_a_harness_that_is_killed(fake: FakeBoard) -> None:
    """Or it would keep the connection, or the console, from the harness that goes on."""
    def alive() -> bool:
        return subprocess.run(["pgrep", "-f", f"^sleep {for_s}$"], capture_output=True).returncode == 0

    for_s = f"{os.getpid()}.5"
    code = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(1000)"
    harness = subprocess.Popen([sys.executable, "-c", code, *SshLink(fake.board()).argv(["sleep", for_s])])
    assert wait(alive, 20)
    harness.kill()
    harness.wait()
    assert wait(lambda: not alive(), 20)
