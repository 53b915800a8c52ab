# SPDX-License-Identifier: MIT
"""A planted deadlock is recorded, and every replay stops in it at the same instruction, with the same stacks."""

import json
import re
from pathlib import Path

import pytest
from drmsqueeze_results.outcomes import judge

from drmsqueeze import exact, scenario
from drmsqueeze.cli import main
from drmsqueeze.errors import UsageError
from drmsqueeze.execute import Lab, execute
from drmsqueeze.plan import PlannedRun

from whole_runs import Executed

DEADLOCK = scenario.load(Path(__file__).parents[2] / "configs" / "traps" / "shrinker-waits-for-fence.json")
# All that a replay could differ in where it stands: registers, the stack that runs, and those that are blocked.
LOOK = ("info registers", "x/64gx $rsp", "bt", "drmsqueeze-tasks")


def record(lab: Lab, directory: Path) -> Executed:
    execute(lab, DEADLOCK, PlannedRun(0, 0, DEADLOCK["levels"][0], "a", 1), "lab", directory)
    return Executed(judge(directory), directory)


@pytest.fixture(scope="module")
def recorder() -> Lab:
    return Lab(record=True)


@pytest.fixture(scope="module")
def recorded(recorder: Lab, tmp_path_factory: pytest.TempPathFactory) -> Executed:
    return record(recorder, tmp_path_factory.mktemp("recorded") / "run")


def test_a_recorded_run_is_judged_as_any_other(recorded: Executed) -> None:
    assert recorded.fates == {"hung": 1}, recorded.story
    assert recorded.run.environment.recorded, recorded.story
    assert "blocked-tasks" in {witness.kind for witness in recorded.run.witnesses}, "sysrq by the keyboard: " + recorded.story


def test_three_replays_find_the_same_stacks_at_the_same_instruction(recorded: Executed) -> None:
    at = exact.load(recorded.directory).witnesses[0].instructions
    seen = []
    for _ in range(3):
        with exact.Replay(recorded.directory) as replay:
            replay.run_to(at)
            assert replay.instructions == at
            shown = exact.gdb(replay, LOOK)
            assert shown is not None
            seen.append(shown)
            replay.run_to_end()
            assert replay.unlike() == [], replay.complaint()
    # The deadlock is in the picture: the fault handler in the shrinker that waits for the fence of its own job.
    handler = seen[0].split("irq/")[1]
    assert re.search(r"dma_fence_\w*wait(.|\n)*panfrost_mmu_map_fault_addr", handler), seen[0]
    assert seen[1] == seen[0] and seen[2] == seen[0]
    # Names and offsets are the kernel's own, which printed the same stack when it was asked.
    console = (recorded.directory / "console.log").read_text(errors="replace")
    (offset,) = re.findall(r"panfrost_mmu_map_fault_addr\+(\d+)", handler)
    assert f"panfrost_mmu_map_fault_addr+{int(offset):#x}/" in console


def test_one_instruction_more_is_another_place(recorded: Executed) -> None:
    """So that the comparison above can fail."""
    at = exact.load(recorded.directory).witnesses[0].instructions
    places = []
    for instructions in (at, at + 1000):
        with exact.Replay(recorded.directory) as replay:
            replay.run_to(instructions)
            places.append(exact.gdb(replay, LOOK))
    assert places[0] != places[1]


def test_another_recording_is_another_execution(recorder: Lab, recorded: Executed, tmp_path: Path) -> None:
    again = record(recorder, tmp_path / "run")
    assert again.fates == {"hung": 1}, again.story
    first, second = (exact.load(directory) for directory in (recorded.directory, again.directory))
    assert first.witnesses[0].kind == second.witnesses[0].kind
    assert first.witnesses[0].instructions != second.witnesses[0].instructions
    assert first.ring_sha256 != second.ring_sha256


def test_a_replay_that_differs_is_told(recorded: Executed, tmp_path: Path) -> None:
    """A recording that says another end than its log: the replay runs, and says so."""
    path = exact.directory_of(recorded.directory) / "recording.json"
    before = path.read_text()
    try:
        path.write_text(json.dumps(json.loads(before) | {"ring_sha256": "0" * 64}))
        assert main(["replay", "--exact", str(recorded.directory)]) == 3
    finally:
        path.write_text(before)
    assert main(["replay", "--exact", str(recorded.directory)]) == 0


def test_a_replay_against_another_image_is_refused(recorder: Lab, recorded: Executed) -> None:
    path = exact.directory_of(recorded.directory) / "recording.json"
    before = path.read_text()
    try:
        document = json.loads(before)
        other = recorder.guest("lab+panfrost-nowait").initramfs
        document["files"]["initramfs"]["path"] = f"images/{other.parent.name}/{other.name}"
        path.write_text(json.dumps(document))
        with pytest.raises(UsageError, match="initramfs.*is another one than it was"):
            exact.Replay(recorded.directory)
    finally:
        path.write_text(before)
