# SPDX-License-Identifier: MIT
"""The command line from end to end, on the scenarios of the tree and on a small one."""

import json
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from drmsqueeze import TOP, scenario

from whole_runs import SMALL

def drmsqueeze(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOP / "drmsqueeze", *map(str, arguments)], capture_output=True, text=True, cwd=TOP)


def fates(run_json: Path) -> dict[str, int]:
    jobs = json.loads(run_json.read_text())["jobs"]
    return {fate: count for fate, count in jobs.items() if count and fate != "submitted"}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SMALL))
    return path


def test_run(small: Path, tmp_path: Path) -> None:
    done = drmsqueeze("run", small, "--runs", 1, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "out")
    assert sorted(fates(path)["completed"] for path in (tmp_path / "out/small").glob("*/run.json")) == [4, 4]
    assert json.loads((tmp_path / "out/summary.json").read_text())["exit_code"] == 0
    again = drmsqueeze("run", tmp_path / "out/small/0000/scenario.json", "--runs", 1, "--out", tmp_path / "again")
    assert again.returncode == 0, "a run's scenario.json is a scenario: " + again.stderr
    assert drmsqueeze("report", tmp_path / "out", "--junit", tmp_path / "again.xml").returncode == 0
    tests = [[(case.get("classname"), case.get("name")) for case in ET.parse(file).iter("testcase")]
             for file in (tmp_path / "out/junit.xml", tmp_path / "again.xml")]
    assert tests[0] == tests[1] and len(tests[0]) == 2, "one test has one name, when it is run and when it is reported on"


def test_suite(tmp_path: Path) -> None:
    """One short scenario for each stressor and injector; all are as they expect, and the table names each."""
    suite = sorted((TOP / "configs/suite").glob("*.json"))
    done = drmsqueeze("run", *suite, "--out", tmp_path / "out")
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    unlike = [run for run in summary["runs"] if run["status"] != "pass"]
    assert done.returncode == 0 and not unlike, f"{unlike}\n{done.stdout}"
    for path in suite:
        assert json.loads(path.read_text())["name"] in done.stdout


def test_scenarios_as_tests_of_pytest(small: Path, tmp_path: Path) -> None:
    """Two workers, one lab; in JUnit as in the directory that `report` takes."""
    small.write_text(json.dumps(SMALL | {"levels": [1.0], "runs": 1, "model_faults": [{"fault": "corrupt_write", "value": 1}]}))
    done = drmsqueeze("pytest", "configs/suite", small, "-k", "bo-churn-vgem.json or small.json", "--machine", "vm", "-n", 2, "-p", "no:cacheprovider",
                      "--drmsqueeze-out", tmp_path / "out", "--junitxml", tmp_path / "junit.xml")
    assert done.returncode == 1 and "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    junit = (tmp_path / "junit.xml").read_text()
    assert "unexpected-outcome: corrupted: " in junit and f"evidence: {tmp_path}/out/small/0000" in junit and 'failures="1"' in junit, junit
    assert fates(tmp_path / "out/bo-churn-vgem/0000/run.json") == {"completed": 200}
    told = drmsqueeze("report", tmp_path / "out", "--ktap", "-")
    assert [line.split(" # ")[0] for line in told.stdout.splitlines() if line.strip().startswith(("ok ", "not ok "))] == [
        "  ok 1 0000[lab,level=1]", "ok 1 bo-churn-vgem", "  not ok 1 0000[lab,level=1]", "not ok 2 small"], told.stdout


def test_compare(small: Path, tmp_path: Path) -> None:
    done = drmsqueeze("compare", small, "--a", "lab", "--b", "lab+panfrost-nowait", "--runs", 1, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    compared = json.loads((tmp_path / "out/compare.json").read_text())
    assert compared["schema"] == "drmsqueeze.compare/1"
    assert len(list((tmp_path / "out/runs").glob("*/run.json"))) == 4
    for name in ("report.html", "summary.md", "junit.xml", "results.ktap"):
        assert (tmp_path / "out" / name).stat().st_size > 0, name


def test_unexpected_outcome_exits_with_1(small: Path, tmp_path: Path) -> None:
    small.write_text(json.dumps(SMALL | {"levels": [1.0], "model_faults": [{"fault": "corrupt_write", "value": 1}]}))
    assert drmsqueeze("run", small, "--runs", 1, "--out", tmp_path / "out").returncode == 1


@pytest.mark.parametrize(("arguments", "complaint"), [
    (("run", "none.json"), "none.json: cannot be read"),
    (("run", "configs/panfrost-heap.json", "--kernel", "lab+none"), "there is no variant `none`"),
    (("compare", "configs/panfrost-heap.json", "--a", "lab", "--b", "lab"), "two arms are `lab`"),
    (("report", "docs"), "found no run"),
])
def test_bad_usage_exits_with_2_and_starts_nothing(arguments: tuple[str, ...], complaint: str) -> None:
    done = drmsqueeze(*arguments)
    assert (done.returncode, complaint in done.stderr) == (2, True), done.stderr


def test_results_are_not_written_over(small: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious").write_text("x")
    assert drmsqueeze("run", small, "--out", tmp_path / "out").returncode == 2


def test_trap_pair(tmp_path: Path) -> None:
    """The planted lock-up: the blocking driver hangs and the harness has its stacks; the non-blocking one fails the job and lives."""
    config = TOP / "configs/traps/shrinker-waits-for-fence.json"
    for kernel, fate in (("lab", "hung"), ("lab+panfrost-nowait", "failed")):
        directory = tmp_path / fate
        done = drmsqueeze("run", config, "--kernel", kernel, "--out", directory)
        assert done.returncode == 0, done.stdout + done.stderr
        run = directory / "shrinker-waits-for-fence/0000"
        assert fates(run / "run.json") == {fate: 1}
        assert "(planted)" in (run / "console.log").read_text()
    seen = json.loads((tmp_path / "hung/shrinker-waits-for-fence/0000/run.json").read_text())
    order = ["late-fence", "no-progress", "d-state", "hung-task"]
    kinds = [witness["kind"] for witness in seen["witnesses"] if witness["kind"] in order]
    # The driver's own timeout is shorter than the deadline, and its handler hangs as well.
    assert seen["first_witness"] == "driver-timeout" and kinds == [kind for kind in order if kind in kinds], seen["witnesses"]
    # Who looks for tasks in state D reads /proc, which takes memory: it may be caught in the trap before it sees one.
    assert {"late-fence", "no-progress", "hung-task"} <= set(kinds), seen["witnesses"]
    blocked = json.loads((tmp_path / "hung/shrinker-waits-for-fence/0000/evidence/blocked-tasks.json").read_text())["tasks"]
    handler = next(task for task in blocked if task["name"].startswith("irq/"))
    assert "panfrost_mmu_map_fault_addr" in " ".join(handler["frames"]), handler


@pytest.mark.parametrize("kernel", ["lab", "lab+panfrost-errfix"])
def test_case_study(tmp_path: Path, kernel: str) -> None:
    """What a failed allocation of the fault path costs the jobs behind it, and that the repair takes that away."""
    done = drmsqueeze("run", TOP / "configs/panfrost-fault-error.json", "--kernel", kernel, "--runs", 1, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr


def test_demo(tmp_path: Path) -> None:
    """The README's first command, as it is."""
    done = drmsqueeze("demo", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-2:] == [f"report: {tmp_path / 'out/report.html'}", str(tmp_path / "out")]
    page = (tmp_path / "out/report.html").read_text()
    for words in ("In short", "lab against lab+panfrost-nowait", "Trap: shrinker-waits-for-fence", "panfrost_mmu_map_fault_addr"):
        assert words in page, words


def test_a_level_that_cannot_be_reached_is_skipped_before_anything_is_changed(small: Path, tmp_path: Path) -> None:
    small.write_text(json.dumps(SMALL | {"levels": [0.0], "machine": {"zram_mib": 0}}))
    done = drmsqueeze("run", small, "--runs", 1, "--out", tmp_path / "out")
    assert done.returncode == 77, done.stdout + done.stderr
    run = json.loads((tmp_path / "out/small/0000/run.json").read_text())
    assert (run["verdict"]["reason_code"], run["jobs"]["submitted"]) == ("level-out-of-reach", 0)


def test_doctor_and_lists() -> None:
    done = drmsqueeze("doctor", "--json")
    checks = {check["subject"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0, done.stdout
    schema = json.loads(scenario.SCHEMA.read_text())["properties"]
    for part in ("stressor", "injector"):
        for kind in schema[f"{part}s"]["items"]["properties"]["kind"]["enum"]:
            assert checks[f"vm: {part} {kind}"]["can"], checks[f"vm: {part} {kind}"]
    drivers = checks["vm: stressor tiler-heap"]["drivers"]
    assert drivers["panfrost"] is None and drivers["vgem"] == "no heaps", "a reason for each driver that cannot"
    churn = checks["vm: stressor bo-churn"]
    assert set(churn["drivers"].values()) == {None}, churn
    assert churn["limits"]["panfrost"] == ["binding: no VM_BIND"] and churn["limits"]["panthor"] == ["policy: no madvise", "purgeable: no madvise"]
    assert churn["limits"]["vgem"] == ["policy: no madvise", "purgeable: no madvise", "gpu: no jobs", "binding: no VM_BIND"]
    shrinker = checks["vm: stressor shrinker"]
    assert shrinker["drivers"]["msm"] is None and shrinker["limits"] == {"panfrost": ["needed: jobs name one BO only"]}, shrinker
    for what in ("configs", "stressors", "injectors", "kernels", "machines"):
        assert drmsqueeze("list", what).returncode == 0
