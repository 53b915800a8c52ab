# SPDX-License-Identifier: MIT
"""Exact replay: a run that QEMU recorded is executed again, instruction for instruction, and can be stopped anywhere under gdb.

QEMU's record/replay (docs/system/replay of QEMU) logs what a guest's execution depends on beside its files. What else reaches a guest of
ours is kept from it while a run is recorded: the harness only reads the ring (ring.py), and types on the keyboard, which is logged.

`RUN_DIR/exact/` holds the log and `recording.json`: QEMU's command line, with what differs between a recording and its replays left
open; the files that it named, by their content; and what a replay must arrive at.
"""

import gzip
import json
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from drmsqueeze_results.witnesses import SIGNS

from drmsqueeze import cache, progress, targets
from drmsqueeze.errors import InfrastructureError, UsageError
from drmsqueeze.exact_vetting import refuse_strange
from drmsqueeze.guest import Guest
from drmsqueeze.journal import Journal
from drmsqueeze.kernels import LAB
from drmsqueeze.machines.qmp import Monitor
from drmsqueeze.machines.vm import UNTIL_WE_DIE, Recording, Vm, option, qemu_version
from drmsqueeze.ring import Ring, scratch_in_memory
from drmsqueeze.scenario import Scenario

SCHEMA = "drmsqueeze.recording/1"
GDB_SCRIPT = Path(__file__).with_name("exact_gdb.py")
POLL_S = 0.1
GDB_LIMIT_S = 600.0
# A replay needs no longer than its recording took, but on a machine that has become busier.
REPLAY_LIMIT_S = 3600.0


@dataclass(frozen=True)
class WitnessMoment:
    """A witness of a hang, and a count of instructions at which the harness had just read of it: the guest wrote it up to 20 ms before."""

    kind: str
    detail: str
    first_s: float | None
    instructions: int


@dataclass(frozen=True)
class Recorded:
    """The contents of recording.json."""

    qemu: str
    icount: str
    command: tuple[str, ...]
    files: Mapping[str, Mapping[str, str]]
    symbols: Mapping[str, Any]
    witnesses: tuple[WitnessMoment, ...]
    instructions: int | None
    """When the harness ended the guest; None where the guest ended by itself."""
    request_sha256: str
    ring_sha256: str
    console_sha256: str


def restrictions(scenario: Scenario) -> list[str]:
    """In what a recorded run differs from what the scenario asks for, in sentences. Raises UsageError where it cannot be recorded."""
    refused = [f"{name} ({NOT_REPLAYED[name]})" for name in targets.drivers_of(scenario["target"]) if name in NOT_REPLAYED]
    if refused:
        raise UsageError(f"{scenario.name}: cannot be recorded, for QEMU does not replay the device of {', '.join(refused)}")
    vcpus = scenario["machine"]["vcpus"]
    return [f"{scenario.name}: recorded with 1 virtual CPU, not {vcpus}: QEMU's record/replay has no more"] if vcpus > 1 else []


# Drivers of targets.py whose device does something at a moment that QEMU does not log, with the reason; all others were tried.
NOT_REPLAYED: Mapping[str, str] = {
    "virtio_gpu": "virtio-gpu-pci answers from a bottom half of QEMU's main loop, at any moment: virtio_gpu_handle_ctrl_cb(), hw/display/virtio-gpu.c",
}


def directory_of(run: Path) -> Path:
    return run / "exact"


def _in_cache(path: Path) -> dict[str, str]:
    """A file of the cache, by its place there and its content: the cache may lie elsewhere where it is replayed."""
    return {"path": str(path.resolve().relative_to(cache.root())), "sha256": cache.file_digest(path)}


class Recorder:
    """Notes the moments of a run's witnesses while it is recorded, and writes recording.json after it."""

    def __init__(self, run: Path, journal: Journal) -> None:
        directory_of(run).mkdir()
        self.recording = Recording(directory_of(run) / "log.bin")
        self._run, self._journal = run, journal
        self._moments: dict[tuple[str, str], WitnessMoment] = {}
        self._last: int | None = None

    def look(self, vm: Vm) -> None:
        """To be called after every reading of the ring."""
        for (kind, detail), seen in self._journal.witnesses.items():
            if SIGNS.get(kind) and (kind, detail) not in self._moments and (now := vm.instructions) is not None:
                self._moments[kind, detail] = WitnessMoment(kind, detail, seen["first_s"], now)

    def before_end(self, vm: Vm) -> None:
        """To be called before the guest is ended from outside."""
        self._last = vm.instructions

    def write(self, vm: Vm, guest: Guest, ring: Path) -> None:
        """Once QEMU has ended. Raises InfrastructureError where it left no log."""
        log = self.recording.log
        if not log.exists():
            raise InfrastructureError(f"QEMU left no log of what it recorded; {vm.complaint()}")
        assert vm.console_log
        given = {"kernel": guest.kernel.image, "initramfs": guest.initramfs}
        open_words = {name: str(path) for name, path in
                      (*given.items(), ("log", log), ("ring", ring), ("console", vm.console_log), ("monitor", vm.monitor_socket),
                       ("events", vm.events_socket))}
        recording = Recorded(
            qemu=qemu_version(), icount=self.recording.icount, command=tuple(_opened(word, open_words) for word in vm.command_line),
            files={name: _in_cache(path) for name, path in given.items()},
            symbols={"vmlinux": _in_cache(guest.kernel.path / "build/vmlinux"), "kernel": guest.kernel.path.name,
                     "modules": {path.stem: _in_cache(path) for path in (*guest.kernel.modules.rglob("*.ko"), *guest.modules.all())}},
            witnesses=tuple(sorted(self._moments.values(), key=lambda moment: moment.instructions)),
            instructions=self._last, request_sha256=cache.file_digest(self._run / "request.json"),
            ring_sha256=cache.file_digest(ring), console_sha256=cache.file_digest(vm.console_log))
        document = {"schema": SCHEMA} | asdict(recording)
        (directory_of(self._run) / "recording.json").write_text(json.dumps(document, indent=1) + "\n")
        _compress(log)


def _opened(word: str, open_words: Mapping[str, str]) -> str:
    for name, path in open_words.items():
        word = word.replace(option(path), f"@{name}@")
    return word


def _compress(log: Path) -> None:
    with log.open("rb") as plain, gzip.open(log.with_suffix(".bin.gz"), "wb", compresslevel=3) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)
    log.unlink()


def load(run: Path) -> Recorded:
    """Raises UsageError where the run was not recorded, or where its recording is not one of ours."""
    path = directory_of(run) / "recording.json"
    if not path.exists():
        raise UsageError(f"{run}: this run was not recorded (no {path.relative_to(run)}); `drmsqueeze run --record` records one")
    document = json.loads(path.read_text())
    if document.pop("schema", None) != SCHEMA:
        raise UsageError(f"{path}: expected schema {SCHEMA}")
    refuse_strange(document, path)
    document["command"] = tuple(document["command"])
    document["witnesses"] = tuple(WitnessMoment(**moment) for moment in document["witnesses"])
    return Recorded(**document)


def differences(run: Path, recording: Recorded) -> Iterator[str]:
    """What is not as it was when this run was recorded, so that it cannot be replayed exactly here."""
    if qemu_version() != recording.qemu:
        yield f"QEMU here is {qemu_version()!r}; it was recorded with {recording.qemu!r}"
    if cache.file_digest(run / "request.json") != recording.request_sha256:
        yield f"{run / 'request.json'} is not what the guest was asked to do when it was recorded"
    for name, file in recording.files.items():
        path = cache.root() / file["path"]
        if not path.exists():
            yield f"{path} ({name}) is not in the cache any more: check out the tree that it was recorded with and build (`drmsqueeze lab build`)"
        elif cache.file_digest(path) != file["sha256"]:
            yield f"{path} ({name}) is another one than it was: its SHA-256 is {cache.file_digest(path)}, not {file['sha256']}"


class Replay:
    """A replay under way, stopped before the guest's first instruction. Use it as a context: leaving it ends QEMU."""

    def __init__(self, run: Path) -> None:
        """Raises UsageError where `run` was not recorded, or cannot be replayed exactly here, and says why."""
        self.recording = load(run)
        different = list(differences(run, self.recording))
        if different:
            raise UsageError(f"{run}: no exact replay:\n  " + "\n  ".join(different))
        self._scratch = scratch_in_memory("drmsqueeze-replay-")
        scratch = Path(self._scratch.name)
        self.console, self.ring, self.gdb_socket = scratch / "console.log", scratch / "ring", scratch / "gdb"
        log = scratch / "log.bin"
        with gzip.open(directory_of(run) / "log.bin.gz", "rb") as packed, log.open("wb") as plain:
            shutil.copyfileobj(packed, plain, 1 << 20)
        Ring(self.ring, json.loads((run / "request.json").read_text()), only_read=True).close()
        named = {"log": log, "ring": self.ring, "console": self.console, "monitor": scratch / "monitor",
                 "events": scratch / "events"}
        named |= {name: cache.root() / file["path"] for name, file in self.recording.files.items()}
        self.command_line = [*replay_command(self.recording.command, named), "-S", "-gdb", f"unix:{self.gdb_socket},server=on,wait=off"]
        self._stderr = (scratch / "stderr").open("w+")
        self.process = subprocess.Popen([*UNTIL_WE_DIE, *self.command_line], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._stderr)
        try:
            self._monitor = Monitor(scratch / "monitor", self.process)
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        self._stderr.close()
        self._scratch.cleanup()

    @property
    def instructions(self) -> int:
        """How many instructions the guest has executed."""
        return self._monitor.instructions

    def complaint(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().strip()

    def run_to(self, instructions: int) -> None:
        """Go on, and stop when the guest has executed so many. Raises InfrastructureError where the replay ends before."""
        self._monitor.do("replay-break", icount=instructions)
        self._monitor.do("cont")
        if not self._wait_stopped() or self.instructions != instructions:
            raise InfrastructureError(f"the replay ended before instruction {instructions}; QEMU said: {self.complaint() or 'nothing'}")

    def run_to_end(self) -> None:
        """Go on to where the recording ends."""
        with suppress(OSError):
            self._monitor.do("cont")
            self._wait_stopped()

    def unlike(self) -> list[str]:
        """What came out otherwise than it was recorded, after `run_to_end`; empty where the replay was exact."""
        pairs = (("the agent's records", self.ring, self.recording.ring_sha256), ("the console", self.console, self.recording.console_sha256))
        return [what for what, path, recorded in pairs if cache.file_digest(path) != recorded]

    def _wait_stopped(self) -> bool:
        """Whether the guest was stopped; False where QEMU ended instead."""
        until = time.monotonic() + REPLAY_LIMIT_S
        while time.monotonic() < until:
            try:
                if not self._monitor.do("query-status")["running"]:
                    return True
            except OSError:
                self.process.wait(REPLAY_LIMIT_S)
                return False
            time.sleep(POLL_S)
        raise InfrastructureError(f"the replay did not come to its end within {REPLAY_LIMIT_S:.0f} s")


def _debug_types(kernel: Path) -> Path:
    """The object with the types of a lab kernel, which has no debug information itself (lab/gdb). `kernel` is its entry of the cache."""

    def build(path: Path) -> None:
        shutil.copytree(LAB / "gdb", path, dirs_exist_ok=True)
        progress.run_logged(["make", "-C", kernel / "build", f"M={path}", "modules"], path / "build.log")

    return cache.get("gdb-types", {"kernel": kernel.name, "types": cache.tree_digest(LAB / "gdb")}, build) / "types.ko"


def gdb(replay: Replay, commands: Sequence[str] = ()) -> str | None:
    """gdb on a replay that is stopped, with the symbols of the kernel and of our modules, and drmsqueeze-tasks (exact_gdb.py).

    With `commands` it carries them out and ends, and the guest goes on: what it printed is returned. Without it belongs to who sits at the terminal. Raises
    InfrastructureError where gdb is not installed, or did not carry them out.
    """
    program = shutil.which("gdb")
    if program is None:
        raise InfrastructureError("gdb is missing; install the package gdb (debian-packages.txt)")
    symbols = replay.recording.symbols
    with tempfile.NamedTemporaryFile("w", suffix=".json") as modules:
        json.dump({name.replace("-", "_"): str(cache.root() / file["path"]) for name, file in symbols["modules"].items()}, modules)
        modules.flush()
        first = ["set pagination off", "set confirm off", "set style enabled off",
                 f"add-symbol-file {_debug_types(cache.root() / 'kernels' / symbols['kernel'])} 0",
                 f'set $drmsqueeze_modules = "{modules.name}"', f"target remote {replay.gdb_socket}", f"source {GDB_SCRIPT}",
                 "drmsqueeze-symbols"]
        words = [program, "-q", "-nx", *(("-batch",) if commands else ()), str(cache.root() / symbols["vmlinux"]["path"])]
        # Without `detach` the end of gdb would end QEMU; with it the guest goes on.
        words += [word for command in (*first, *commands, *(("detach",) if commands else ())) for word in ("-ex", command)]
        if not commands:
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is for gdb, which stops the guest
            try:
                subprocess.run(words, check=False)
            finally:
                signal.signal(signal.SIGINT, before)
            return None
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=GDB_LIMIT_S)
        if done.returncode:
            raise InfrastructureError(f"gdb ended with status {done.returncode}: {done.stderr.strip()}")
        return done.stdout


def replay_command(command: Sequence[str], named: Mapping[str, Path]) -> list[str]:
    """QEMU's command line for a replay, from that of the recording and the places of the files that were left open in it."""

    def place(word: str) -> str:
        for name, path in named.items():
            word = word.replace(f"@{name}@", option(path))
        return re.sub(r"\brr=record\b", "rr=replay", word)

    return [place(word) for word in command]
