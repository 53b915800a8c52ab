# SPDX-License-Identifier: MIT
"""Ways in which the stand-in board can misbehave, and the verdict that each deserves."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drmsqueeze_results.model import Run

from boards import STUCK, BoardLab, stand_in
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.execute import Lab
from drmsqueeze.machines.stand_in import switch


@pytest.fixture
def board(lab: Lab, tmp_path: Path) -> Iterator[BoardLab]:
    with stand_in(lab, tmp_path / "state") as made:
        yield made


MANY = 100000
"""Jobs: more than there is time for."""


def test_frozen(board: BoardLab, tmp_path: Path) -> None:
    """Not even its watchdog runs: the console answers no more, and only the power switch helps."""
    run = board.run(tmp_path / "run", at_intents=(5, lambda _: board.stand_in.freeze()), jobs=MANY)
    told = board.facts(tmp_path / "run")
    assert told["ended"] == "silent" and told["board"]["left"] == "as found", board.story(tmp_path / "run")
    assert {"heartbeat-lost", "console-silent"} <= {witness.kind for witness in run.witnesses}
    # Whether a job was under way in that moment is chance.
    assert run.jobs.hung == 0 and run.jobs.completed + run.jobs.lost == run.jobs.submitted and run.restored is True
    assert run.status.value == "fail" and "machine-silent" in {found.kind for found in run.findings}, run.verdict
    assert told["board"]["power_cycles"] == 1


def test_comes_back_with_another_boot_id(board: BoardLab, tmp_path: Path) -> None:
    run = board.run(tmp_path / "run", at_intents=(5, lambda _: board.stand_in.tell("reboot")), jobs=MANY)
    assert run.verdict.reason_code == "machine-rebooted" and run.jobs.hung == 0 and run.jobs.lost >= 1, board.story(tmp_path / "run")
    assert board.facts(tmp_path / "run")["board"]["left"] == "as found" and run.restored is True


def test_floods_its_console(board: BoardLab, tmp_path: Path) -> None:
    run = board.run(tmp_path / "run", at_intents=(5, lambda _: board.stand_in.tell("flood")), jobs=100)
    assert run.verdict.reason_code == "ok" and run.jobs.completed == 100, board.story(tmp_path / "run")
    assert (tmp_path / "run" / "console.log").stat().st_size < 17 << 20


def test_agent_killed_as_a_whole(board: BoardLab, tmp_path: Path) -> None:
    run = board.run(tmp_path / "run", at_intents=(5, lambda _: board.stand_in.tell("kill-agent")), jobs=MANY)
    assert run.verdict.reason_code in ("agent-died", "agent-error") and run.jobs.hung == 0, board.story(tmp_path / "run")
    assert board.facts(tmp_path / "run")["board"]["left"] == "as found"


def test_network_lost_and_the_console_not(board: BoardLab, tmp_path: Path) -> None:
    """The same board: its records come over the console, and no verdict is wrong."""
    def pull(seen: int) -> None:
        board.stand_in.unplug()

    run = board.run(tmp_path / "run", at_intents=(5, pull), jobs=200)
    assert run.jobs.completed == 200 and run.verdict.reason_code == "ok", board.story(tmp_path / "run")
    told = board.facts(tmp_path / "run")["board"]
    assert told["records_by_console"] > 0 and told["left"] == "as found"


@pytest.mark.parametrize("stuck", [False, True], ids=["nothing-hung", "a-job-hung"])
def test_panic(board: BoardLab, tmp_path: Path, stuck: bool) -> None:
    """What had not ended is lost, or hung where a job was late before; pstore and the last words are there, and the board is back."""
    def panic(seen: int) -> None:
        board.stand_in.tell("panic")

    members: dict[str, Any] = STUCK if stuck else {}
    when = {"at_witness": ("late-fence", panic)} if stuck else {"at_intents": (5, panic), "jobs": 100000}
    run: Run = board.run(tmp_path / "run", **when, **members)
    assert board.facts(tmp_path / "run")["ended"] == "panic", board.story(tmp_path / "run")
    # Whether a job was under way in that moment is chance; what had not ended is never said to have.
    assert run.jobs.hung == int(stuck) and run.jobs.completed + run.jobs.lost + run.jobs.hung == run.jobs.submitted
    evidence = {path.name for path in (tmp_path / "run" / "evidence").iterdir()}
    assert any(name.startswith("pstore-dmesg") for name in evidence) and "last-words.txt" in evidence, evidence
    assert board.facts(tmp_path / "run")["board"]["left"] == "as found"
    assert run.restored is True
    assert json.loads((tmp_path / "run" / "run.json").read_text())["environment"]["machine"] == "board stand-in"


def test_panic_on_a_target_of_labgrid(lab: Lab, tmp_path: Path) -> None:
    """It stands still after a panic: labgrid's console driver says so, and its power driver brings it back."""
    pytest.importorskip("labgrid", reason="python3-labgrid is not installed; `./drmsqueeze test` installs it")
    with stand_in(lab, tmp_path / "state", console_port=True, panic_s=0) as made:
        board = made.by_labgrid()
        run = board.run(tmp_path / "run", at_intents=(5, lambda _: board.stand_in.tell("panic")), jobs=MANY)
        assert board.facts(tmp_path / "run")["ended"] == "panic", board.story(tmp_path / "run")
        assert board.facts(tmp_path / "run")["board"]["left"] == "as found" and run.restored is True and board.stand_in.boots == 2
        assert "Kernel panic" in (tmp_path / "run" / "evidence" / "last-words.txt").read_text()
        assert run.jobs.hung == 0 and run.jobs.completed + run.jobs.lost == run.jobs.submitted
        assert board.run(tmp_path / "again").verdict.reason_code == "ok", board.story(tmp_path / "again")


SHORT: dict[str, Any] = {"deadline_ms": 2000, "grace_ms": 1000}
"""Limits of silence, and of the hardware watchdog, that a test can wait for."""


def test_hangs_hard_and_its_watchdog_resets_it(board: BoardLab, tmp_path: Path) -> None:
    """With its interrupts off on each processor nothing else runs; nobody touches its power."""
    board.change(limits_s={"reset": 300})
    run = board.run(tmp_path / "run", at_intents=(5, lambda _: board.stand_in.tell("hang")), jobs=MANY, **SHORT)
    told = board.facts(tmp_path / "run")
    assert told["ended"] in ("silent", "rebooted") and told["board"]["left"] == "as found", board.story(tmp_path / "run")
    assert told["board"]["power_cycles"] == 0 and board.stand_in.boots == 1, "the watchdog, not the power switch"
    assert "heartbeat-lost" in {witness.kind for witness in run.witnesses}
    assert run.jobs.completed + run.jobs.lost + run.jobs.hung == run.jobs.submitted and run.restored is True
    assert (tmp_path / "run" / "evidence" / "last-words.txt").exists() and board.left_behind() == []


def test_hangs_hard_and_its_power_is_cut(board: BoardLab, tmp_path: Path) -> None:
    board.change(limits_s={"reset": 1}, watchdog=False)
    run = board.run(tmp_path / "run", at_intents=(5, lambda _: board.stand_in.tell("hang")), jobs=MANY, **SHORT)
    told = board.facts(tmp_path / "run")
    assert told["ended"] == "silent" and told["board"]["left"] == "as found", board.story(tmp_path / "run")
    assert told["board"]["power_cycles"] == 1 and told["board"]["watchdog"] is None
    assert run.jobs.completed + run.jobs.lost + run.jobs.hung == run.jobs.submitted


def test_its_watchdog_is_disarmed_after_a_run(board: BoardLab, tmp_path: Path) -> None:
    run = board.run(tmp_path / "run", jobs=5, **SHORT)
    told = board.facts(tmp_path / "run")["board"]
    assert run.verdict.reason_code == "ok" and told["watchdog"], board.story(tmp_path / "run")
    bites_s = int(told["watchdog"].split(",")[1].split()[0])
    time.sleep(bites_s + 20)
    assert board.ssh("cat /proc/sys/kernel/random/boot_id").strip() == told["boot_id"]


def test_boots_slowly(board: BoardLab, tmp_path: Path) -> None:
    board.stand_in.slow_s = 30
    assert board.run(tmp_path / "within", jobs=5).verdict.reason_code == "ok", board.story(tmp_path / "within")
    switch(board.stand_in.directory, "off")
    board.stand_in.slow_s = 100000
    board.change(limits_s={"boot": 20})
    run = board.run(tmp_path / "beyond", jobs=5)
    assert run.verdict.reason_code == "infrastructure" and "does not come up" in run.verdict.reasons[0], run.verdict


def test_never_comes_back(board: BoardLab, tmp_path: Path) -> None:
    """It is taken out of service, and that is said; no run uses it until somebody has looked."""
    board.run(tmp_path / "before", jobs=1)
    board.change(limits_s={"boot": 20, "reset": 1})

    def die(seen: int) -> None:
        board.stand_in.dead = True
        board.stand_in.freeze()

    run = board.run(tmp_path / "run", at_intents=(5, die), jobs=MANY, **SHORT)
    assert "taken out of service" in board.facts(tmp_path / "run")["board"]["left"], board.story(tmp_path / "run")
    assert run.jobs.completed + run.jobs.lost == run.jobs.submitted
    boots = board.stand_in.boots
    assert "out of service" in board.run(tmp_path / "refused").verdict.reasons[0] and board.stand_in.boots == boots
    with pytest.raises(InfrastructureError, match="does not come up"):
        board.site.restore()
    assert board.site.why_out()
    board.stand_in.dead = False
    board.change(limits_s={"boot": 120})
    board.site.restore()
    assert board.site.why_out() is None
    assert board.run(tmp_path / "again", jobs=1).verdict.reason_code == "ok", board.story(tmp_path / "again")


def test_what_its_owner_had_set_is_set_again_after_a_reset_in_the_middle(board: BoardLab, tmp_path: Path) -> None:
    board.run(tmp_path / "before", jobs=1)
    knob = "/proc/sys/kernel/hung_task_timeout_secs"
    boots_with = board.ssh(f"cat {knob}").strip()
    board.ssh(f"echo 777 >{knob}")
    seen: list[str] = []

    def reset(intents: int) -> None:
        seen.append(board.ssh(f"cat {knob}").strip())
        board.stand_in.tell("reboot")

    run = board.run(tmp_path / "run", at_intents=(5, reset), jobs=MANY)
    assert board.facts(tmp_path / "run")["ended"] == "rebooted" and run.restored is True, board.story(tmp_path / "run")
    assert seen[0] not in ("777", boots_with), "the run has turned it"
    assert board.ssh(f"cat {knob}").strip() == "777" and board.left_behind() == []


def test_boots_another_kernel_and_its_own_again(lab: Lab, tmp_path: Path) -> None:
    with stand_in(lab, tmp_path / "state", kernels=("lab", "lab-6.1")) as board:
        own = lab.guest("lab").kernel.release
        other = lab.guest("lab-6.1").kernel.release
        run = board.run(tmp_path / "run", jobs=5, kernel="lab-6.1")
        assert (run.verdict.reason_code, run.environment.kernel.release) == ("ok", other), board.story(tmp_path / "run")
        assert board.facts(tmp_path / "run")["board"]["left"] == "as found"
        assert board.ssh("uname -r").strip() == own and (board.stand_in.directory / "kernel").read_text() == "lab"
