# SPDX-License-Identifier: MIT
"""Runs that start from snapshots: what they share with runs that boot, what two runs of one snapshot do not share, and what may go wrong."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from drmsqueeze import cache, snapshots
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.execute import Lab
from drmsqueeze.journal import Journal
from drmsqueeze.machines.vm import WAITS, Hardware, Snapshot, Vm
from drmsqueeze.ring import Ring, make_empty

from test_fates import FAULTS
from whole_runs import Executed, RunOne, seen_at


def facts(done: Executed) -> dict[str, Any]:
    return dict(json.loads((done.directory / "facts.json").read_text()))


def entry_of(done: Executed) -> Path:
    """The cache's entry of the snapshot that a run started from."""
    wanted = facts(done)["snapshot"]["id"]
    return next(path.parent for path in (cache.root() / snapshots.KIND).glob("*/id") if path.read_text() == wanted)


def test_warm_runs_are_like_cold_ones(run_one: RunOne) -> None:
    fault = {"model_faults": [{"fault": "corrupt_write", "value": 1, "nth": 2}]}
    cold, *warm = (run_one(warm=warm, seed=seed, **fault) for warm, seed in ((False, 1), (True, 2), (True, 3)))
    for done in warm:
        assert done.fates == cold.fates == {"completed": 4, "corrupted": 1}, done.story
        assert done.run.verdict == cold.run.verdict and done.run.findings == cold.run.findings, done.story
        assert seen_at(done).keys() == seen_at(cold).keys(), done.story
        assert json.loads((done.directory / "request.json").read_text())["seed"] == done.run.scenario.seed
        console = (done.directory / "console.log").read_text()
        assert console.count("Initialized panfrost") == 1, "the boot of the snapshot is there, once: " + done.story
        assert console.index(WAITS) < console.index("run of planted begins") < console.index("Power down"), done.story
    assert cold.run.environment.snapshot is None and WAITS not in (cold.directory / "console.log").read_text()
    assert warm[0].run.environment.snapshot == warm[1].run.environment.snapshot is not None
    other = run_one(warm=True, cluster=1, **fault)
    assert (ours := other.run.environment.snapshot) and ours.cluster == 1
    assert warm[0].run.environment.snapshot and ours.id != warm[0].run.environment.snapshot.id, "two boots are two machines"


def test_a_hang_after_a_restore_is_seen_by_the_same_witnesses_in_the_same_order(run_one: RunOne) -> None:
    """Clocks, the hung-task timer, and sysrq over the serial line go on after a restore."""
    done = run_one(warm=True, **FAULTS["hung"])
    assert done.fates == {"completed": 2, "hung": 1} and facts(done)["machine"]["sysrq_taken"], done.story
    assert list(seen_at(done))[:2] == ["late-fence", "no-progress"], done.story


def test_a_panic_after_a_restore_is_heard_of(run_one: RunOne) -> None:
    def crash(vm: Vm, journal: Journal) -> None:
        if journal.intents >= 3:
            vm.sysrq("c")

    done = run_one(warm=True, watch=crash, model_faults=[{"fault": "never_finish", "nth": 3}])
    assert facts(done)["machine"]["ended"] == "panic" and list(seen_at(done)) == ["guest-panic"], done.story


def test_two_runs_of_one_snapshot_draw_other_random_numbers(lab: Lab, tmp_path: Path) -> None:
    """Without a seed they draw the same ones, which is what the seed is for; with one seed twice other ones too, as after two boots.

    A kernel that has just booted makes itself a new key every second or so: where that comes between restore and draw, the control says
    nothing, and another snapshot is taken.
    """
    guest, how = lab.guest("lab"), {"mode": "command", "command": "/bin/busybox hexdump -n 32 /dev/urandom"}

    def save() -> Path:
        make_empty(tmp_path / "empty")
        with Vm(guest, lab.accelerator.name, Hardware(), [], tmp_path / "console.log", ring=tmp_path / "empty",
                **how) as vm:  # type: ignore[arg-type]
            vm.wait_up(said=WAITS)
            vm.save(tmp_path / "state")
        return tmp_path / "state"

    def drawn(state: Path, request: dict[str, Any]) -> list[str]:
        ring = Ring(tmp_path / "ring", request)
        with Vm(guest, lab.accelerator.name, Hardware(), [], tmp_path / "restored.log", ring=ring.path, snapshot=Snapshot("x", state, ""),
                **how) as vm:  # type: ignore[arg-type]
            ring.lay_out()
            vm.resume()
            vm.wait_for_end(60)
            text = vm.console()
        ring.close()
        lines = re.findall(r"^00000[01]0 (.*?)\r?$", text, re.M)
        assert len(lines) == 2, text
        return lines

    alike = next((state for state in (save() for _ in range(4)) if drawn(state, {}) == drawn(state, {})), None)
    if alike is None:
        pytest.skip("the kernel made itself a new key after each restore")
    one, two, one_again = (drawn(alike, {"seed": seed}) for seed in (1, 2, 1))
    assert one != two and one != one_again and two != one_again


def test_a_snapshot_that_does_not_restore_is_taken_again(run_one: RunOne) -> None:
    before = run_one(warm=True)
    state = entry_of(before) / "state"
    state.write_bytes(state.read_bytes()[: 8 << 20])
    after = run_one(warm=True)
    assert after.fates == before.fates and after.run.environment.snapshot, after.story
    assert facts(after)["snapshot"]["id"] != facts(before)["snapshot"]["id"] and entry_of(after) == state.parent


def test_where_no_snapshot_can_be_had_the_guest_boots(run_one: RunOne, lab: Lab, monkeypatch: pytest.MonkeyPatch,
                                                      capfd: pytest.CaptureFixture[str]) -> None:
    def refuse(self: Vm, state: Path) -> None:
        raise InfrastructureError("QEMU refuses migrate: no")

    monkeypatch.setattr(Vm, "save", refuse)
    monkeypatch.setattr(lab, "snapshots", snapshots.Snapshots())
    monkeypatch.setattr(snapshots, "KIND", "snapshots-refused")
    asked: dict[str, Any] = {}
    start = lab.snapshots.start
    monkeypatch.setattr(lab.snapshots, "start", lambda *words: asked.update(words=words) or start(*words))
    done = run_one(warm=True)
    assert done.fates == {"completed": 5} and done.run.environment.snapshot is None, done.story
    assert capfd.readouterr().err.count("QEMU refuses migrate: no") == 1
    monkeypatch.setattr(Vm, "__init__", lambda *_, **__: pytest.fail("not tried again"))
    assert start(*asked["words"]) is None and not capfd.readouterr().err, "nor said again"
    cache.trim("snapshots-refused", 0)


KILLED_WHILE_SAVING = """
import os, signal, sys
from pathlib import Path
from drmsqueeze import snapshots
from drmsqueeze.execute import Lab
from drmsqueeze.machines.vm import Hardware, Vm
from drmsqueeze.ring import Ring
save = Vm.save
def save_and_die(self, state):
    save(self, state)
    print(state, self.process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
Vm.save = save_and_die
snapshots.KIND = "snapshots-killed"
lab = Lab()
lab.snapshots.start(lab.guest("lab"), lab.accelerator, Hardware(), [], {}, 0, Ring(Path(sys.argv[1]) / "ring", {}), Path(sys.argv[1]) / "log", 120)
"""


def test_a_harness_that_is_killed_leaves_no_half_snapshot_and_no_guest(lab: Lab, tmp_path: Path) -> None:
    assert lab.accelerator  # measured in this process
    done = subprocess.run([sys.executable, "-c", KILLED_WHILE_SAVING, tmp_path], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": ":".join(sys.path)})
    assert done.returncode == -signal.SIGKILL, done.stderr
    state, pid = done.stdout.split()
    left = Path(state).parent
    assert left.exists() and not (left / cache.COMPLETE).exists()
    until = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists(), "QEMU dies with the harness"
    cache.trim("snapshots-killed", 1 << 40)
    assert not left.exists(), "what is not whole goes with the next trim"
