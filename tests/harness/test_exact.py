# SPDX-License-Identifier: MIT
"""Exact replays without a guest: QEMU's command lines, what is refused, and that a host that only reads does only read."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from drmsqueeze import exact, targets
from drmsqueeze.cli import main
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.machines import qmp
from drmsqueeze.machines.vm import qemu_version
from drmsqueeze.ring import Kind, Ring
from drmsqueeze.scenario import load
from test_ring_and_journal import Writer

CONFIGS = Path(__file__).parents[2] / "configs"
COMMAND = ("qemu-system-x86_64", "-kernel", "@kernel@", "-chardev", "file,id=console,path=@console@", "-icount", "shift=3,rr=record,rrfile=@log@")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run directory whose recording names an image in a cache of this test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    image = tmp_path / "cache/drmsqueeze/images/0123/initramfs.cpio"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"image")
    directory = tmp_path / "run"
    exact.directory_of(directory).mkdir(parents=True)
    (directory / "request.json").write_text("{}")
    recording = {
        "schema": exact.SCHEMA, "qemu": qemu_version(), "icount": "shift=3", "command": COMMAND,
        "files": {"initramfs": {"path": "images/0123/initramfs.cpio", "sha256": _sha256(b"image")}},
        "symbols": {"vmlinux": {}, "kernel": "", "modules": {}},
        "witnesses": [{"kind": "late-fence", "detail": "", "first_s": 1.5, "instructions": 1000}],
        "instructions": None, "request_sha256": _sha256(b"{}"), "ring_sha256": "", "console_sha256": "",
    }
    (exact.directory_of(directory) / "recording.json").write_text(json.dumps(recording))
    return directory


def _differences(run: Path) -> list[str]:
    return list(exact.differences(run, exact.load(run)))


def test_a_replay_has_the_recording_s_command_line_with_other_places() -> None:
    named = {"kernel": Path("/k/bzImage"), "console": Path("/s/a,b"), "log": Path("/s/log.bin")}
    assert exact.replay_command(COMMAND, named) == [
        "qemu-system-x86_64", "-kernel", "/k/bzImage", "-chardev", "file,id=console,path=/s/a,,b", "-icount", "shift=3,rr=replay,rrfile=/s/log.bin"]


def test_nothing_differs_where_all_is_as_it_was(run: Path) -> None:
    assert _differences(run) == []


def test_another_image_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "cache/drmsqueeze/images/0123/initramfs.cpio").write_bytes(b"another")
    (difference,) = _differences(run)
    assert "initramfs" in difference and _sha256(b"another") in difference
    with pytest.raises(UsageError, match="no exact replay"):
        exact.Replay(run)


def test_an_image_that_is_gone_is_told(run: Path, tmp_path: Path) -> None:
    (tmp_path / "cache/drmsqueeze/images/0123/initramfs.cpio").unlink()
    (difference,) = _differences(run)
    assert "is not in the cache any more" in difference


def test_another_request_and_another_qemu_are_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run / "request.json").write_text('{"seed": 2}')
    monkeypatch.setattr(exact, "qemu_version", lambda: "QEMU emulator version 0.1")
    other_qemu, other_request = _differences(run)
    assert "0.1" in other_qemu and "request.json" in other_request


@pytest.mark.parametrize("strange", [
    ("/bin/sh", "-c", "touch pwned"), ("sh",), (), (*COMMAND, "-incoming", "exec:touch pwned"), (*COMMAND, "-drive", "file=/etc/passwd"),
    (*COMMAND, "-chardev", "file,id=x,path=/etc/passwd"), (*COMMAND, "-netdev", "tap,script=x"), (*COMMAND, "-device", "loader,file=x"),
    (*COMMAND, "-machine", "pc,dumpdtb=x"), (*COMMAND, "-object"), (*COMMAND, "-kernel", "x"), (*COMMAND, "-device", "ivshmem-plain,memdev=ring,x=y"),
])
def test_a_stranger_s_recording_runs_nothing_else(run: Path, strange: tuple[str, ...]) -> None:
    path = exact.directory_of(run) / "recording.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"command": strange}))
    with pytest.raises(UsageError, match="/command: found"):
        exact.load(run)


@pytest.mark.parametrize("members", [{"files": {"kernel": {"path": "../../x", "sha256": ""}}}, {"files": {"kernel": {"path": "/x", "sha256": ""}}},
                                     {"symbols": {"vmlinux": {"path": "x\ny"}, "kernel": "", "modules": {}}},
                                     {"symbols": {"vmlinux": {}, "kernel": "..", "modules": {}}},
                                     {"symbols": {"vmlinux": {}, "kernel": "", "modules": {"a b": {"path": "x"}}}}])
def test_a_stranger_s_recording_names_files_of_the_cache_only(run: Path, members: dict[str, Any]) -> None:
    path = exact.directory_of(run) / "recording.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | members))
    with pytest.raises(UsageError, match="in the cache"):
        exact.load(run)


def test_a_run_that_was_not_recorded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="was not recorded"):
        exact.load(tmp_path)


@pytest.mark.parametrize("driver", exact.NOT_REPLAYED)
def test_a_device_that_is_not_replayed_is_refused_by_its_name(driver: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert targets.TARGETS[driver].device, "only a device of QEMU's can be the reason"
    document = json.loads((CONFIGS / "suite" / "bo-churn-vgem.json").read_text()) | {"target": {"driver": driver}, "expect": {}}
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(document))
    assert main(["run", "--record", str(path), "--out", str(tmp_path / "out")]) == 2
    assert driver in capsys.readouterr().err


def test_a_scenario_on_the_model_is_not_refused() -> None:
    (line,) = exact.restrictions(load(CONFIGS / "traps" / "shrinker-waits-for-fence.json"))
    assert "1 virtual CPU, not 2" in line


def test_a_host_that_only_reads_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    ring = Ring(path, {}, only_read=True)
    writer = Writer(path)
    for job in range(100):
        writer.write(Kind.BEAT, job=job)
    before = _sha256(path.read_bytes())
    assert len(list(ring.read())) == 100
    ring.ask_to_stop()
    assert _sha256(path.read_bytes()) == before
    assert not ring.full


def test_a_full_ring_is_seen(tmp_path: Path) -> None:
    ring = Ring(tmp_path / "ring", {}, only_read=True)
    writer = Writer(tmp_path / "ring")
    writer.claimed = ring.capacity
    writer.claim()
    assert ring.full


def test_a_monitor_that_never_comes_up_is_an_error(tmp_path: Path) -> None:
    class Ended:
        def poll(self) -> int:
            return 1

    ended: Any = Ended()
    with pytest.raises(InfrastructureError, match="monitor does not answer"):
        qmp.Monitor(tmp_path / "none", ended)
