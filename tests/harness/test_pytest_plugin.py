# SPDX-License-Identifier: MIT
"""Scenarios as tests of pytest, in sessions of their own: a lab's directory, and boards that are made of scripts (fake_board.py)."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze import TOP, pytest_command
from drmsqueeze.machines.machine import wait
from drmsqueeze.ring import Kind

from fake_board import FakeBoard, record
from test_result_files import in_junit

HUNG_CONSOLE = TOP / "tests" / "data" / "runs" / "hung-silent-sysrq" / "console.log"
HELLO = record(1, Kind.HELLO, text="0.1")
JOB = [record(2, Kind.INTENT, job=1, text="bo-churn"), record(3, Kind.SUBMIT, job=1)]
WELL = [HELLO, *JOB, record(4, Kind.END, job=1, b=1000), record(5, Kind.RELEASE), record(6, Kind.RELEASE, code=1, a=1), record(7, Kind.BYE)]
HUNG = [HELLO, *JOB, record(4, Kind.WITNESS, job=1, text="late-fence")]
LACKING = [HELLO, record(2, Kind.BYE, a=19, text="no device of driver vgem")]

# What a lab has in its own conftest.py is the first line; the others are for boards that are not there.
CONFTEST = """pytest_plugins = ["drmsqueeze.pytest_plugin"]
import os
from pathlib import Path
from drmsqueeze import guest
from drmsqueeze.limits import Limits
from drmsqueeze.machines import received
guest.build_for_boards = lambda architecture: Path(os.environ["FAKE_PROGRAMS"])
received.RETRY_S, received.GAP_S = 0.1, 0.3
Limits.of = classmethod(lambda cls, *_: cls(1, 1, 1, 1, 2, 1, 1, silence=float(os.environ.get("SILENCE_S", 4))))
"""
OWN = "import os, pathlib\ndef test_own():\n    assert pathlib.Path('fine').exists()\ndef test_other():\n    pass\n"


def scenario(name: str, **members: Any) -> str:
    return json.dumps({"schema": "drmsqueeze.scenario/1", "name": name, "description": "One.", "target": {"driver": "vgem"},
                       "stressors": [{"kind": "bo-churn", "jobs": 1}], "runs": 2} | members)


class LabDirectory:
    """A lab's directory with tests of its own, scenarios, and boards; and sessions of pytest in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("tests", "configs", "bin", "boards"):
            (root / name).mkdir(parents=True)
        (root / "conftest.py").write_text(CONFTEST)
        (root / "tests" / "test_own.py").write_text(OWN)
        (root / "fine").touch()
        (root / "configs" / "churn.json").write_text(scenario("churn"))
        (root / "configs" / "heap.json").write_text(scenario(
            "heap", target={"driver": "panfrost", "model": "mali-jm"}, stressors=[{"kind": "tiler-heap", "jobs": 1}],
            injectors=[{"kind": "fail-page-alloc"}], runs=1))
        (root / "configs" / "plan.json").write_text('{"resources": []}')
        self._dispatch = "#!/bin/sh\n"
        self.boards: dict[str, FakeBoard] = {}

    def board(self, name: str, *records: bytes, **members: Any) -> FakeBoard:
        """A board by this name, whose agent says this; BOARD.json is its file."""
        fake = self.boards[name] = FakeBoard(self.root / "boards" / name)
        fake.say(*records)
        self._dispatch += f'case "$*" in *{name}.invalid*) exec "{fake.bin}/ssh" "$@";; esac\n'
        ssh = self.root / "bin" / "ssh"
        ssh.write_text(self._dispatch)
        ssh.chmod(0o755)
        document = {"schema": "drmsqueeze.board/1", "name": name, "ssh": {"host": f"{name}.invalid"}, "power": {"cycle": [str(fake.bin / "cycle")]},
                    "limits_s": {"boot": 30, "connect": 20, "command": 20, "power": 20, "reset": 20},
                    "directory": f"{fake.root}/run/work", "state": f"{fake.root}/run/state"}
        (self.root / f"{name}.json").write_text(json.dumps(document | members))
        return fake

    def pytest(self, *words: object) -> subprocess.CompletedProcess[str]:
        done = self.begin(*words)
        out, err = done.communicate()
        return subprocess.CompletedProcess(words, done.returncode, out, err)

    def begin(self, *words: object, **more: str) -> subprocess.Popen[str]:
        """A session, with these in its environment."""
        programs = next((fake.root / "programs" for fake in self.boards.values()), self.root)
        environment = os.environ | more | {
            "PYTHONPATH": f"{TOP}/harness:{TOP}/results", "PYTHONDONTWRITEBYTECODE": "1", "XDG_STATE_HOME": str(self.root / "state"),
            "FAKE_PROGRAMS": str(programs), "PATH": f"{self.root / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST"):
            environment.pop(name, None)
        return subprocess.Popen([sys.executable, "-m", "pytest", "-p", "no:labgrid", *map(str, words)], cwd=self.root, env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ids(self, *words: object) -> list[str]:
        """The node ids that these words select."""
        return [line for line in self.pytest("--collect-only", "-q", *words).stdout.splitlines() if "::" in line]

    def runs(self, out: str) -> list[str]:
        """The run directories below this one."""
        return sorted(str(path.parent.relative_to(self.root / out)) for path in (self.root / out).rglob("facts.json"))


@pytest.fixture
def lab(tmp_path: Path) -> LabDirectory:
    return LabDirectory(tmp_path / "lab")


def passed_by(worker_lines: str) -> dict[str, set[str]]:
    """Of a session with -v and workers: which worker ran the items of each board."""
    found: dict[str, set[str]] = {}
    for worker, name in re.findall(r"^\[(gw\d+)\].* PASSED .*\.json::\d+\[(\w+),", worker_lines, re.M):
        found.setdefault(name, set()).add(worker)
    return found


def test_a_lab_that_does_not_ask_has_its_own_tests_and_nothing_else(lab: LabDirectory) -> None:
    """A scenario among its files, a plan.json of another tool, the plugin loaded: all as before."""
    before = set(lab.root.rglob("*"))
    done = lab.pytest("-p", "no:cacheprovider", "-n", 2)
    assert done.returncode == 0 and "2 passed" in done.stdout and "drmsqueeze" not in done.stdout, done.stdout + done.stderr
    assert set(lab.root.rglob("*")) == before
    alone = lab.pytest("-p", "no:cacheprovider", "configs")
    assert alone.returncode == 5 and "left 2 scenario files alone; --machine or --kernel" in alone.stdout, alone.stdout


def test_ids_keywords_and_markers(lab: LabDirectory) -> None:
    lab.board("one", *WELL, kernels={"mainline": {"boot": [["true"]]}})
    lab.board("two", *WELL)
    both = ["configs/churn.json::0000[running,level=1]", "configs/churn.json::0001[running,level=1]", "configs/heap.json::0000[running,level=1]"]
    assert lab.ids("configs", "--machine", "one.json") == both == lab.ids("configs", "--machine", "one.json")
    assert lab.ids("--machine", "one.json")[-1] == "tests/test_own.py::test_other", "beside the lab's own"
    assert lab.ids("configs/churn.json", "--machine", "one.json", "--machine", "two.json", "--drmsqueeze-runs", 1) == [
        "configs/churn.json::0000[one,running,level=1]", "configs/churn.json::0000[two,running,level=1]"]
    assert lab.ids("configs/heap.json", "--machine", "one.json", "--machine", "two.json", "--kernel", "mainline", "--kernel", "running") == [
        "configs/heap.json::0000[one,mainline,level=1]", "configs/heap.json::0001[one,running,level=1]", "configs/heap.json::0000[two,running,level=1]"]
    assert lab.ids(both[1], "--machine", "one.json") == [both[1]]
    assert lab.ids("configs", "--machine", "one.json", "-k", "heap") == [both[2]]
    strict = ("configs", "--machine", "one.json", "--strict-markers", "-m")
    assert lab.ids(*strict, "bo_churn and vgem") == both[:2]
    assert lab.ids(*strict, "fail_page_alloc and not vgem") == lab.ids(*strict, "tiler_heap") == lab.ids(*strict, "panfrost") == [both[2]]
    assert "@pytest.mark.shrinker_scan: drmsqueeze: runs with the injector shrinker-scan" in lab.pytest("--markers").stdout


@pytest.mark.parametrize(("words", "complaint"), [
    (["--machine", "none.json"], "none.json: cannot be read"), (["--machine", "one.json", "--kernel", "nix"], 'found no kernel "nix"'),
    (["--machine", "vm", "--kernel", "lab+nix"], "there is no variant `nix`"), (["--machine", "one.json", "--drmsqueeze-runs", 0], "not at least 1"),
    (["--machine", "one.json", "--drmsqueeze-out", "configs"], "configs is not empty"),
    (["--machine", "one.json", "-n", 2, "--dist", "loadfile"], "--dist loadfile would have two workers"),
])
def test_bad_usage_is_said_before_anything_is_run(lab: LabDirectory, words: Sequence[object], complaint: str) -> None:
    fake = lab.board("one", *WELL)
    done = lab.pytest("configs", *words)
    assert done.returncode == 4 and complaint in done.stderr and "Traceback" not in done.stderr, done.stdout + done.stderr
    assert not (fake.root / "argv").exists()


def test_a_wrong_scenario_is_a_collection_error_with_its_place(lab: LabDirectory) -> None:
    lab.board("one", *WELL)
    (lab.root / "configs" / "typo.json").write_text(scenario("typo", levles=[1]))
    (lab.root / "configs" / "half.json").write_text(scenario("half")[:-9])
    (lab.root / "configs" / "again.json").write_text(scenario("churn", runs=1))
    (lab.root / "configs" / "other.json").write_text('{"schema": "somebody.else/1"')
    done = lab.pytest("configs", "tests", "--machine", "one.json", "--continue-on-collection-errors", "--drmsqueeze-out", "out", "--junitxml", "x.xml")
    assert done.returncode == 1 and "6 passed, 2 errors" in done.stdout, done.stdout
    assert "typo.json: /levles: found an unknown member; expected one of:" in done.stdout
    assert lab.runs("out") == ["churn-2/0000", "churn-2/0001", "churn/0000", "heap/0000"], "two scenarios have one name"
    assert re.search(r"half\.json:1:\d+: not JSON", done.stdout)
    assert "other.json" not in done.stdout and "Traceback" not in done.stdout and "run_items.py" not in done.stdout


def test_every_kind_of_end_is_told_as_such(lab: LabDirectory) -> None:
    """One scenario on boards that do well, hang, lack something, and do not come up; the terminal and junit.xml say the same."""
    lab.board("well", *WELL)
    console = "\n".join(line for line in HUNG_CONSOLE.read_text().splitlines() if "planted" not in line)
    (lab.root / "console").write_text(console + "\n")
    lab.board("hung", *HUNG, console={"command": ["sh", "-c", f"cat {lab.root / 'console'}; exec sleep 60"]})
    lab.board("lacking", *LACKING)
    lab.board("gone", power={"cycle": ["true"]}, limits_s={"boot": 2, "connect": 1}).set("unplugged")
    machines = [word for name in lab.boards for word in ("--machine", f"{name}.json")]
    done = lab.pytest("configs/churn.json", *machines, "--drmsqueeze-runs", 1, "--drmsqueeze-out", "out", "--junitxml", "x.xml", "-rs",
                      "-p", "no:cacheprovider")
    assert done.returncode == 1 and "1 failed, 1 passed, 1 skipped, 1 error" in done.stdout, done.stdout + done.stderr
    name = "0000[{},running,level=1]"
    assert in_junit(lab.root / "x.xml") == {("configs.churn.json", name.format(board)): verdict for board, verdict in (
        ("well", "pass"), ("hung", "fail"), ("lacking", "skip"), ("gone", "error"))}
    cases = {case.attrib["name"].split("[")[1].split(",")[0]: case for case in ET.parse(lab.root / "x.xml").iter("testcase")}
    assert "target-missing: no device of driver vgem" in done.stdout and cases["lacking"][-1].attrib["message"].startswith("target-missing")
    failure, error = cases["hung"].findtext("failure") or "", cases["gone"].findtext("error") or ""
    for said in ("hung: 1 of 1 jobs, none expected", "who waits for whom", "    waits for a fence, whose job needs irq/25-panfrost",
                 "a circle, in which nobody can ever go on", f"evidence: {lab.root}/out/hung/churn/0000, evidence/: blocked-tasks.json"):
        assert said in failure and said in done.stdout, f"{said}\n{failure}"
    assert "infrastructure: board gone does not come up" in error and "Traceback" not in done.stdout and "result_items.py" not in done.stdout
    facts = {entry.attrib["name"]: entry.attrib["value"] for entry in cases["hung"].iter("property")}
    assert (facts["machine"], facts["kernel"], facts["driver"], facts["hung"], facts["seed"]) == ("board hung", "running", "vgem", "1", "1")
    assert facts["run_directory"] == f"{lab.root}/out/hung/churn/0000" and f"drmsqueeze: results in {lab.root}/out\n" in done.stdout
    again = lab.pytest("out", "--machine", "vm", "--collect-only", "-q")
    assert "out/well/churn/0000/scenario.json::0000[lab,level=1]" in again.stdout, "a run's scenario.json is a scenario"


def test_two_boards_with_two_workers(lab: LabDirectory) -> None:
    """Each board has one worker, and all write into one directory; node ids are those of a session without workers."""
    for name in ("one", "two"):
        lab.board(name, *WELL)
    machines = ("--machine", "one.json", "--machine", "two.json")
    out = lab.root.parent / "elsewhere"
    done = lab.pytest("configs", "tests", *machines, "--drmsqueeze-out", out, "-n", 2, "-v", "--junitxml", "x.xml")
    assert done.returncode == 0 and "8 passed" in done.stdout, done.stdout + done.stderr
    workers = passed_by(done.stdout)
    assert set(workers) == {"one", "two"} and all(len(of) == 1 for of in workers.values()) and workers["one"] != workers["two"], done.stdout
    assert lab.runs("../elsewhere") == [f"{board}/{run}" for board in ("one", "two") for run in ("churn/0000", "churn/0001", "heap/0000")]
    told = {f"{suite.replace('.json', '').replace('.', '/')}.json::{name}" for suite, name in in_junit(lab.root / "x.xml") if "json" in suite}
    assert told == {one for one in lab.ids("configs", *machines)}
    order = json.loads((out / "one/churn/plan.json").read_text())["order"]
    assert [run["index"] for run in order] == [0, 1] and done.stdout.count("drmsqueeze: results in ") == 1


def test_a_path_of_ours_is_no_place_of_tests() -> None:
    assert pytest_command.joined(["a", "--machine", "/x.json", "-k", "b", "--drmsqueeze-out", "out", "--machine=y"]) == [
        "a", "--machine=/x.json", "-k", "b", "--drmsqueeze-out=out", "--machine=y"]


def test_again_without_writing_over_what_was(lab: LabDirectory) -> None:
    """-x, --lf and --reruns; and what was not selected is no part of the plan in the results."""
    lab.board("one", HELLO, *JOB, record(4, Kind.END, job=1, code=2, a=-12, b=1000), *WELL[4:])
    first = lab.pytest("configs", "--machine", "one.json", "--reruns", 1, "-x", "--drmsqueeze-out", "out", "-p", "no:randomly")
    assert first.returncode == 1 and "1 failed, 1 rerun" in first.stdout, first.stdout + first.stderr
    assert lab.runs("out") == ["churn/0000", "churn/0000-2"]
    again = lab.pytest("configs", "tests", "--machine", "one.json", "--lf", "--drmsqueeze-out", "again", "-n", 1)
    assert again.returncode == 1 and "1 failed" in again.stdout and "passed" not in again.stdout, again.stdout
    assert lab.runs("again") == ["churn/0000"]
    assert [run["index"] for run in json.loads((lab.root / "again/churn/plan.json").read_text())["order"]] == [0]


def test_a_session_that_is_told_to_end_leaves_its_board_as_it_was(lab: LabDirectory) -> None:
    fake = lab.board("one", HELLO, *JOB)
    under_way = lab.begin("configs/churn.json", "--machine", "one.json", "--drmsqueeze-out", "out", SILENCE_S="600")
    assert wait(lambda: (fake.root / "request").exists() and "--send-records" in (fake.root / "agent-calls").read_text(), 120)
    under_way.terminate()
    said, _ = under_way.communicate()
    assert under_way.returncode == pytest.ExitCode.INTERRUPTED, said
    assert not (fake.root / "run" / "work").exists() and not (lab.root / "state/drmsqueeze/boards/one.json").exists()
