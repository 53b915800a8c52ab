# SPDX-License-Identifier: MIT
"""Jobs for LAVA: held against LAVA's own schemas, and their steps carried out without a dispatcher (lava_shell.py)."""

import copy
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from drmsqueeze_results.finished import results_of
from drmsqueeze_results.outcomes import judge

from drmsqueeze import TOP, cli, lava, lava_command
from drmsqueeze.errors import UsageError
from drmsqueeze.machines import board_file
from drmsqueeze.scenario import parse
from lava_shell import TestShell

RUNS = TOP / "tests" / "data" / "runs"
LAVA: dict[str, Any] = {
    "device_type": "rock-5b", "tags": ["gpu"], "docker": {"image": "registry.example.org/lab/drmsqueeze:bookworm"}, "identity": "/etc/lab/id",
    "host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE7y",
    "actions": [
        {"deploy": {"to": "tftp", "timeout": {"minutes": 10}, "os": "debian", "kernel": {"url": "https://lab.example.org/Image", "type": "image"},
                    "dtb": {"url": "https://lab.example.org/rock-5b.dtb"}, "nfsrootfs": {"url": "https://lab.example.org/r.tar.gz", "compression": "gz"}}},
        {"boot": {"method": "u-boot", "commands": "nfs", "prompts": ["root@rock"], "timeout": {"minutes": 5}}},
    ],
}
BOARD = {"schema": "drmsqueeze.board/1", "name": "rock5b", "ssh": {"host": "192.0.2.17"}, "limits_s": {"boot": 90}, "lava": LAVA}
HOSTILE = "$(touch pwned); `touch pwned` ' \" \\ | & > pwned\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=x RESULT=pass> é"
CHURN = {"schema": "drmsqueeze.scenario/1", "name": "churn", "description": HOSTILE, "target": {"driver": "vgem"},
         "stressors": [{"kind": "bo-churn", "jobs": 2}]}


def board(**changes: Any) -> board_file.BoardFile:
    return board_file.parse(json.dumps(BOARD | {"lava": {name: value for name, value in (LAVA | changes).items() if value is not None}}), "b.json")


def job(**changes: Any) -> dict[str, Any]:
    return lava.job(board(**changes), [parse(json.dumps(CHURN), "c")])


def definition_of(made: dict[str, Any]) -> dict[str, Any]:
    return made["actions"][-1]["test"]["definitions"][0]["repository"]  # type: ignore[no-any-return]


def test_the_files_are_what_lavas_schemas_want(tmp_path: Path) -> None:
    """Of the package lava-common; strictly, so that a member that LAVA does not know fails."""
    schemas, testdef = (pytest.importorskip(f"lava_common.schemas{name}", reason="lava-common is not installed; `./drmsqueeze test` installs it")
                        for name in ("", ".test.testdef"))
    (tmp_path / "board.json").write_text(json.dumps(BOARD))
    suite = [str(path) for path in sorted((TOP / "configs" / "suite").glob("*vgem*.json"))]
    assert suite and cli.main(["lava", "job", str(tmp_path / "board.json"), *suite, "--out", str(tmp_path)]) == 0
    made, alone = (yaml.safe_load((tmp_path / name).read_text()) for name in ("job.yaml", "drmsqueeze.yaml"))
    schemas.validate(made, strict=True)
    testdef.validate(alone)
    assert definition_of(made) == alone and made["actions"][:2] == LAVA["actions"]


@pytest.mark.parametrize("spoil", [
    lambda made: made.pop("timeouts"), lambda made: made.update(visible="public"), lambda made: made["timeouts"].update(job={"minutes": 1}),
    lambda made: made["actions"][-1]["test"]["docker"].pop("image"), lambda made: definition_of(made).pop("metadata"),
    lambda made: definition_of(made)["run"].update(steps="true"), lambda made: made["actions"][0]["deploy"].update(to="nowhere"),
    lambda made: made["actions"][1]["boot"].update(methods="u-boot"),
])
def test_lavas_schemas_do_refuse(spoil: Callable[[dict[str, Any]], Any]) -> None:
    schemas = pytest.importorskip("lava_common.schemas", reason="lava-common is not installed; `./drmsqueeze test` installs it")
    made = copy.deepcopy(job())
    spoil(made)
    with pytest.raises(Exception, match="."):
        schemas.validate(made, strict=True)


def test_namespaces_and_times_follow_the_labs_actions() -> None:
    actions = copy.deepcopy(LAVA["actions"])
    for action in actions:
        next(iter(action.values()))["namespace"] = "dut"
    made = job(actions=actions)
    assert made["actions"][-1]["test"]["namespace"] == "dut"
    assert made["timeouts"]["job"]["minutes"] >= made["actions"][-1]["test"]["timeout"]["minutes"] + 15


@pytest.mark.parametrize("changes, message", [
    ({"device_type": None}, '/lava: found no member "device_type"'), ({"host_key": "x; touch y"}, "/lava/host_key: found"),
    ({"program": "a;b"}, "/lava/program: found"), ({"docker": {"image": "A b"}}, "/lava/docker/image: found"), ({"hots": 1}, "/lava/hots: found an unknown"),
    ({"actions": [{"test": {}}]}, "/lava/actions/0"), ({"actions": []}, "/lava/actions: found"), ({"host_key": None}, 'found no member "host_key"'),
])
def test_a_bad_member_is_refused_with_the_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        job(**changes)
    assert message in str(error.value)


def test_a_board_without_the_labs_part_has_no_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.json").write_text(json.dumps({name: value for name, value in BOARD.items() if name != "lava"}))
    (tmp_path / "c.json").write_text(json.dumps(CHURN))
    assert cli.main(["lava", "job", str(tmp_path / "b.json"), str(tmp_path / "c.json"), "--out", str(tmp_path)]) == 2
    assert 'has no member "lava"' in capsys.readouterr().err and not (tmp_path / "job.yaml").exists()


def test_the_example_of_the_docs_makes_a_job() -> None:
    example = (TOP / "docs" / "labs.md").read_text().partition("```json\n")[2].partition("```")[0]
    described = json.loads("{" + example + "}")["lava"] | {"host_key": LAVA["host_key"]}
    assert job(**described)["actions"][:-1] == described["actions"]


def test_hostile_words_reach_no_shell(tmp_path: Path) -> None:
    """They arrive as they are, and what is printed of them is no signal to LAVA. A hostile name does not get so far."""
    shell = TestShell(tmp_path, "192.0.2.99")
    shell.program("drmsqueeze", '#!/bin/sh\nprintf "%s\\n" "$@" >>../argv\nsed "s/.*TESTCASE/<LAVA_SIGNAL_TESTCASE/" scenarios/churn.json\n')
    done = shell.carry_out(definition_of(job()))
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("pwned"))
    assert json.loads((shell.work / "scenarios/churn.json").read_text())["description"] == HOSTILE
    assert "<LAVA-SIGNAL_TESTCASE" in done.stdout.splitlines()[0] and (tmp_path / "argv").read_text().split()[:2] == ["run", "scenarios/churn.json"]
    assert board_file.load(shell.work / "board.json").ssh.host == "192.0.2.99"  # type: ignore[union-attr]
    assert (shell.work / "known_hosts").read_text() == f"192.0.2.99 {LAVA['host_key']}\n"
    with pytest.raises(UsageError, match="/name: found"):
        parse(json.dumps(CHURN | {"name": "a; touch pwned"}), "c")


def test_where_nothing_ran_lava_hears_of_it(tmp_path: Path) -> None:
    shell = TestShell(tmp_path, "")
    shell.with_drmsqueeze()
    assert shell.carry_out(definition_of(job())).returncode == 0
    assert shell.cases() == {"drmsqueeze": {"result": "fail"}}


def test_what_is_told_is_what_run_json_says(tmp_path: Path) -> None:
    """A test set for each, and in it a case for the verdict, for each fate with its number, and for each finding."""
    names = ("completed", "hung-live", "injected", "infrastructure", "leak", "leak-board", "lost-link")
    for name in names:
        shutil.copytree(RUNS / name, tmp_path / "results" / f"{name} suite" / "0000")
        judge(tmp_path / "results" / f"{name} suite" / "0000")
    shell = TestShell(tmp_path, "192.0.2.99")
    shell.with_drmsqueeze()
    done = shell.carry_out({"run": {"steps": ["drmsqueeze lava report ../results"]}})
    assert done.returncode == 0, done.stderr
    statuses = set()
    for name in names:
        cases = {case.partition("/")[2]: told for case, told in shell.cases().items() if case.startswith(f"{name}-suite-")}
        verdict = min(cases, key=len)
        document = json.loads((tmp_path / "results" / f"{name} suite" / "0000" / "run.json").read_text())
        status = document["verdict"]["status"]
        statuses.add(status)
        assert verdict.startswith("0000") and cases[verdict]["result"] == {"pass": "pass", "fail": "fail", "error": "unknown"}[status]
        fates = {fate: count for fate, count in document["jobs"].items() if fate != "submitted"}
        assert {fate: int(cases[f"{verdict}.{fate}"]["measurement"]) for fate in fates} == fates
        for fate, count in fates.items():
            bad = "fail" if count and fate != "completed" else "pass"
            assert cases[f"{verdict}.{fate}"]["result"] == {"pass": "pass", "error": "unknown", "fail": bad}[status]
        kinds = {finding["kind"]: finding["expected"] or status != "fail" for finding in document["findings"]}
        assert {case.rpartition(".finding.")[2]: told["result"] == "pass" for case, told in cases.items() if ".finding." in case} == kinds
        for reason in document["verdict"]["reasons"]:
            assert reason in done.stdout, "and the log says why"
    assert statuses == {"pass", "fail", "error"}


def test_a_hang_fails_with_its_chain_on_the_log(tmp_path: Path) -> None:
    shutil.copytree(RUNS / "hung-silent-sysrq", tmp_path / "hung" / "0000")
    facts = tmp_path / "hung" / "0000" / "facts.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"expect": None}))
    calls: list[Sequence[str]] = []
    said: list[str] = []
    lava_command.tell(results_of(tmp_path), lambda words: calls.append([*words, str(len(said))]), said.append)
    failed = [words for words in calls if "fail" in words]
    assert failed[0][1].startswith("0000") and f"{failed[0][1]}.hung" in {words[1] for words in failed}
    chain = next(at for at, line in enumerate(said) if "who waits for whom:" in line)
    assert chain < int(failed[0][-1]), "and before its verdict"


def test_outside_of_lava_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["lava", "report", str(RUNS)]) == 3 and "this is no test shell of LAVA" in capsys.readouterr().err


def test_what_a_kernel_says_is_no_signal() -> None:
    assert lava_command.harmless("x <LAVA_SIGNAL_TESTCASE TEST_CASE_ID=y RESULT=pass>\r\x1b") == "x <LAVA-SIGNAL_TESTCASE TEST_CASE_ID=y RESULT=pass>??"


@pytest.mark.parametrize("text, made", [("a b/c", "a-b-c"), ("--result", "result"), ("0003[lab,level=0.05]", "0003-lab-level-0.05"), ("$(x)", "x"), ("é", "unnamed")])
def test_identifiers(text: str, made: str) -> None:
    assert lava_command.identifier(text) == made
