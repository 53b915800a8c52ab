# SPDX-License-Identifier: MIT
"""Replays with no VM: what is planned from a record, what differs is told, and when both are called the same."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from drmsqueeze_results.model import Finding, JobCounts, Run, Status, Verdict
from rich.console import Console

from drmsqueeze import TOP, bundle, kernels, replay
from drmsqueeze.errors import UsageError
from drmsqueeze.scenario import load as load_scenario

GOLDEN = TOP / "tests/data/runs"
TRAP = TOP / "configs/traps/shrinker-waits-for-fence.json"


@pytest.fixture
def recorded(tmp_path: Path) -> replay.Recorded:
    """The golden hang, with the scenario of the trap as a run leaves it."""
    directory = tmp_path / "recorded-run"
    shutil.copytree(GOLDEN / "hung-silent-sysrq", directory)
    document = load_scenario(TRAP).document | {"seed": 77, "levels": [0.03], "time_scale": 4}
    (directory / "scenario.json").write_text(json.dumps(document))
    facts = json.loads((directory / "facts.json").read_text())
    facts["kernel"]["variant"] = "lab"
    (directory / "facts.json").write_text(json.dumps(facts))
    return replay.load(directory, tmp_path)


def fake_lab(tmp_path: Path, *, release: str, config: str, accelerator: str = "tcg", time_scale: float = 4.0) -> Any:
    module = tmp_path / "panfrost.ko"
    module.write_text("module")
    guest = SimpleNamespace(kernel=SimpleNamespace(release=release, config_sha256=config), module=lambda name: module)
    return SimpleNamespace(guest=lambda name: guest, accelerator=SimpleNamespace(name=accelerator, time_scale=time_scale))


def alike(recorded: replay.Recorded, tmp_path: Path, **members: Any) -> Any:
    kernel = recorded.run.environment.kernel
    return fake_lab(tmp_path, **{"release": kernel.release, "config": kernel.config_sha256,
                                 "accelerator": recorded.run.environment.accelerator} | members)


def test_the_recorded_kernel_is_taken_from_the_cache_by_its_hash(recorded: replay.Recorded, tmp_path: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, config in (("old", "CONFIG_A=y\n"), ("unfinished", "CONFIG_B=y\n")):
        build = tmp_path / "cache/drmsqueeze/kernels" / name / "build"
        (build / "include/config").mkdir(parents=True)
        (build / ".config").write_text(config)
        (build / "include/config/kernel.release").write_text("6.12.117\n")
    (tmp_path / "cache/drmsqueeze/kernels/old/complete").touch()
    digest = hashlib.sha256(b"CONFIG_A=y\n").hexdigest()
    found = kernels.built_with(digest, "6.12.117")
    assert found and found.path.name == "old"
    assert kernels.built_with(digest, "6.1.1") is None
    assert kernels.built_with(hashlib.sha256(b"CONFIG_B=y\n").hexdigest(), "6.12.117") is None, "its build was never finished"

    taken: list[tuple[str, Path]] = []
    lab = fake_lab(tmp_path, release="6.13", config="00")
    lab.take = lambda base, kernel: taken.append((base, kernel.path))
    environment = replace(recorded.run.environment, kernel=replace(recorded.run.environment.kernel, release="6.12.117", config_sha256=digest))
    was = replace(recorded, run=replace(recorded.run, environment=environment))
    replay.prepare(was, lab, None, 1)
    assert taken == [("lab", found.path)]
    replay.prepare(was, lab, "lab", 1)
    assert len(taken) == 1, "a kernel that was asked for is the tree's"


def told(differences: list[replay.Difference]) -> set[str]:
    return {difference.what for difference in differences}


def test_every_run_repeats_level_and_seed(recorded: replay.Recorded, tmp_path: Path) -> None:
    plan, _ = replay.prepare(recorded, alike(recorded, tmp_path), None, 3)
    run = recorded.run
    assert [(one.level, one.seed) for one in plan.order] == [(run.level, run.scenario.seed)] * 3
    assert list(plan.arms.values()) == [run.environment.kernel.variant]
    assert len({one.directory for one in plan.order}) == 3
    assert plan.scenario["expect"] == ({run.environment.kernel.variant: recorded.expect} if recorded.expect else {})


def test_a_bundle_serves_as_its_run(recorded: replay.Recorded, tmp_path: Path) -> None:
    file = bundle.make(recorded.directory, tmp_path / "x.tar.zst").file
    again = replay.load(file, tmp_path / "out")
    assert again.run.jobs == recorded.run.jobs and again.scenario == recorded.scenario
    with pytest.raises(UsageError, match="no such run directory"):
        replay.load(tmp_path / "none", tmp_path)


def test_differences_are_told_by_name(recorded: replay.Recorded, tmp_path: Path) -> None:
    same_but_module = told(replay.prepare(recorded, alike(recorded, tmp_path, time_scale=recorded.scenario["time_scale"]), None, 1)[1])
    assert same_but_module == {"driver module"}
    _, differences = replay.prepare(recorded, fake_lab(tmp_path, release="6.1.2", config="00", accelerator="kvm", time_scale=9.5), None, 1)
    assert told(differences) == {"driver module", "kernel release", "kernel config", "QEMU's accelerator", "time scale"}
    assert any("here 6.1.2" in difference.sentence for difference in differences)


@pytest.mark.parametrize(("accelerator", "measured", "used"), [("tcg", 9.5, 4), ("kvm", 9.5, 9.5), ("kvm", 1.0, 4)])
def test_times_are_stretched_only_to_another_kind_of_machine(recorded: replay.Recorded, tmp_path: Path, accelerator: str, measured: float,
                                                             used: float) -> None:
    plan, _ = replay.prepare(recorded, alike(recorded, tmp_path, accelerator=accelerator, time_scale=measured), None, 1)
    assert plan.scenario["time_scale"] == used


def test_a_run_of_a_board_is_said_to_be_replayed_in_the_vm(recorded: replay.Recorded, tmp_path: Path) -> None:
    document = {key: value for key, value in recorded.scenario.document.items() if key not in ("traps", "model_faults")}
    document |= {"target": {"driver": "panfrost"}, "traps": [], "model_faults": []}
    board = replace(recorded, run=replace(recorded.run, environment=replace(recorded.run.environment, machine="ssh", accelerator=None)),
                    scenario=replace(recorded.scenario, document=document))
    plan, differences = replay.prepare(board, alike(recorded, tmp_path), None, 1)
    assert "real board and is replayed in the VM" in next(d.sentence for d in differences if d.what == "machine")
    assert plan.scenario["target"]["model"] == "mali-jm"
    assert "model" not in document["target"], "the record is not changed"


def test_the_nearest_kernel_keeps_the_variants_that_there_are() -> None:
    variant = next(iter(kernels.variants()))
    name, differences = replay.nearest_kernel(f"lab+of-somebody-else+{variant}")
    assert name == f"lab+{variant}" and told(differences) == {"kernel"}
    assert "of-somebody-else" in differences[0].sentence
    assert replay.nearest_kernel("no-such-base")[0] == "lab"
    assert replay.nearest_kernel("lab") == ("lab", [])


def test_another_kernel_is_asked_the_same_question(recorded: replay.Recorded, tmp_path: Path) -> None:
    variant = next(iter(kernels.variants()))
    plan, differences = replay.prepare(recorded, alike(recorded, tmp_path), f"lab+{variant}", 1)
    assert "kernel" in told(differences)
    assert set(plan.scenario["expect"]) <= {f"lab+{variant}"}
    with pytest.raises(UsageError):
        replay.prepare(recorded, alike(recorded, tmp_path), "lab+none", 1)


def finding(kind: str, expected: bool = False) -> Finding:
    return Finding(kind, f"{kind}: f", 1, 1.0, expected, "")


def with_(run: Run, **members: Any) -> Run:
    return replace(run, **members)


def test_when_it_is_the_same(recorded: replay.Recorded) -> None:
    run = with_(recorded.run, jobs=JobCounts(9, completed=8, hung=1), findings=(finding("hung-task"), finding("warn", expected=True)))
    assert replay.unlike(run, run) == []
    assert replay.unlike(run, with_(run, jobs=JobCounts(5, completed=2, hung=3), findings=(finding("hung-task"), finding("rcu-stall")),
                                    witnesses=())) == [], "counts, expected findings and witnesses do not decide"
    assert replay.unlike(run, with_(run, jobs=JobCounts(9, completed=9))) == ["no job hung"]
    assert replay.unlike(run, with_(run, jobs=JobCounts(9, completed=7, hung=1, failed=1))) == ["jobs failed that did not before"]
    assert replay.unlike(run, with_(run, findings=(finding("warn"),))) == ["no finding hung-task"]
    assert len(replay.unlike(run, with_(run, verdict=Verdict(Status.SKIP, "x", ())))) == 1


def test_the_conclusion_counts_and_its_code_follows(recorded: replay.Recorded, tmp_path: Path) -> None:
    run = with_(recorded.run, jobs=JobCounts(1, hung=1), verdict=Verdict(Status.FAIL, "x", ()))
    record = replace(recorded, run=run)
    other = with_(run, jobs=JobCounts(1, completed=1), verdict=Verdict(Status.PASS, "ok", ()))
    broken = with_(run, verdict=Verdict(Status.ERROR, "infrastructure", ()))

    def conclude(*runs: Run) -> replay.Conclusion:
        return replay.conclude(record, [(f"{i:04d}", one) for i, one in enumerate(runs)], max(1, len(runs)), [replay.Difference("a", 1, 2)], tmp_path)

    assert conclude(run).exit_code == 0
    both = conclude(run, other)
    assert (both.exit_code, both.sentence) == (0, "Reproduced: 1 of 2 runs came out as recorded (rate 1 to 99 %, 95 % interval of Clopper and Pearson).")
    assert conclude(other, other).exit_code == 1 and "no job hung" in conclude(other).sentence
    assert conclude(broken).exit_code == 3 and conclude().exit_code == 3
    conclude(run, other)
    written = json.loads((tmp_path / "replay.json").read_text())
    assert (written["schema"], written["same"], written["planned"]) == ("drmsqueeze.replay/1", 1, 2)
    assert written["runs"][1]["unlike"] and not written["runs"][0]["unlike"]


def test_the_table_shows_both_sides(recorded: replay.Recorded) -> None:
    run = with_(recorded.run, jobs=JobCounts(1, hung=1), findings=(finding("hung-task"),))
    console = Console(width=200, record=True, file=open("/dev/null", "w"))
    console.print(replay.table(run, [("0000", with_(run, jobs=JobCounts(1, completed=1), findings=()))]))
    text = console.export_text()
    for words in ("hung", "completed", "first witness", "finding hung-task: f", "≠", "the same?"):
        assert words in text, text
