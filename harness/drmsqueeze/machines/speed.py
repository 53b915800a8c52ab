# SPDX-License-Identifier: MIT
"""How QEMU runs a guest's instructions here, and how fast: measured once for each boot of this machine, and kept in the cache."""

import json
import os
import statistics
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drmsqueeze import cache, progress
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.guest import AGENT, Guest
from drmsqueeze.machines.vm import BOOT_TIMEOUT_S, ICOUNT, WAITS, Hardware, Recording, Snapshot, Vm, qemu_version, run_command
from drmsqueeze.ring import Ring, make_empty, scratch_in_memory

CALIBRATE = f"/bin/{AGENT} --calibrate"
# A guest boots in 2 s under TCG on an idle machine; a KVM that cannot run a plain kernel hangs or dies at once.
KVM_TRIAL_S = 20.0
# Guests disturb each other where the slowest of them, at work all at once, takes this many times as long as one that is alone.
DISTURBED = 1.1
# How often each is timed, in turns, and how long: guests that are let go one after the other overlap for nearly all of it.
ROUNDS = 3
PACE_S = 2.0
# What QEMU takes beside the guest's memory, and room for the page cache.
QEMU_MIB = 200


@dataclass(frozen=True)
class Accelerator:
    """How QEMU runs the guest's instructions, and how much slower a fixed piece of work is there than on the host."""

    name: str
    time_scale: float
    why: str


def _calibration(text: str) -> int:
    """The nanoseconds that CALIBRATE printed."""
    for line in text.splitlines():
        if line.strip().isdigit():
            return int(line)
    raise InfrastructureError(f"no calibration in: {text!r}")


def host_boot() -> Mapping[str, str]:
    """What a measurement of this machine holds for: until it boots again, or QEMU or KVM change."""
    return {"kvm": str(os.access("/dev/kvm", os.R_OK | os.W_OK)), "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            "qemu": qemu_version()}


def choose_accelerator(guest: Guest, programs: Path, recorded: bool = False) -> Accelerator:
    """KVM where a guest really boots with it, else TCG; found out once for each boot of this machine, and kept in the cache.

    A guest that is recorded has TCG, and time of its own.
    """

    def build(path: Path) -> None:
        native = min(_calibration(subprocess.run([programs / AGENT, "--calibrate"], capture_output=True, text=True, check=True).stdout)
                     for _ in range(3))
        reasons = ["record/replay is TCG's"] if recorded else []
        recording = Recording(path / "calibration.log") if recorded else None
        for name, limit_s in ((("kvm", KVM_TRIAL_S),) if not recorded else ()) + (("tcg", BOOT_TIMEOUT_S),):
            if name == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
                reasons.append("/dev/kvm may not be used by this user" if Path("/dev/kvm").exists() else "no /dev/kvm here")
                continue
            try:
                inside = _calibration(run_command(guest, name, CALIBRATE, limit_s=limit_s, recording=recording))
            except InfrastructureError as error:
                if name == "tcg":
                    raise
                reasons.append(f"KVM is there and does not boot a plain kernel ({str(error).split(';')[0]})")
                continue
            time_scale = round(max(1.0, inside / native), 1)
            why = "; ".join(reasons) or "tried, and it boots"
            (path / "accelerator.json").write_text(json.dumps({"name": name, "time_scale": time_scale, "why": why}) + "\n")
            progress.say(f"accelerator: {name} ({why}); the guest is {time_scale} times slower than the host")
            return

    inputs = dict(host_boot()) | {"kernel": guest.kernel.path.name} | ({"icount": ICOUNT} if recorded else {})
    entry = cache.get("accelerators", inputs, build)
    return Accelerator(**json.loads((entry / "accelerator.json").read_text()))


def slowdown(guest: Guest, plain: Guest, accelerator: Accelerator) -> float:
    """How many times longer than in `plain` a fixed piece of work takes in `guest`, at least 1; measured once for each boot."""

    def build(path: Path) -> None:
        # In turns, and the fastest of each: what else the host does falls on both.
        rounds = [[_calibration(run_command(one, accelerator.name, CALIBRATE)) for one in (guest, plain)] for _ in range(3)]
        slow, fast = (min(times[which] for times in rounds) for which in (0, 1))
        (path / "slowdown.json").write_text(json.dumps(round(max(1.0, slow / fast), 1)) + "\n")

    inputs = dict(host_boot()) | {"kernel": guest.kernel.path.name, "plain": plain.kernel.path.name, "accelerator": accelerator.name}
    return float(json.loads((cache.get("slowdowns", inputs, build) / "slowdown.json").read_text()))


@dataclass(frozen=True)
class AtOnce:
    """How many guests may run side by side, and the reason."""

    guests: int
    why: str


def at_once(guest: Guest, accelerator: Accelerator, vcpus: int, ram_mib: int) -> AtOnce:
    """As many guests of this size as cores and memory allow without one disturbing the other; measured once for each boot."""
    cores = len(os.sched_getaffinity(0))
    available_mib = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable:")) >> 10
    room = min(cores // vcpus, available_mib // (ram_mib + QEMU_MIB))
    if room < 2:
        return AtOnce(1, f"{cores} cores and {available_mib} MiB have no room for two guests with {vcpus} CPUs and {ram_mib} MiB each")

    def build(path: Path) -> None:
        guests, said = room, []
        while guests > 1:
            times = _disturbance(guest, accelerator, Hardware(ram_mib, vcpus, zram_mib=0), guests)
            said.append(f"{guests} at once are {times:.2f} times as slow as one")
            if times < DISTURBED:
                break
            guests = min(guests - 1, guests * 3 // 4)
        (path / "at-once.json").write_text(json.dumps({"guests": max(guests, 1), "why": "; ".join(said)}) + "\n")

    inputs = dict(host_boot()) | {"kernel": guest.kernel.path.name, "accelerator": accelerator.name, "vcpus": str(vcpus), "ram_mib": str(ram_mib),
                                  "room": str(room)}
    try:
        return AtOnce(**json.loads((cache.get("at-once", inputs, build) / "at-once.json").read_text()))
    except InfrastructureError as error:  # one at a time is slower, and never wrong
        return AtOnce(1, f"whether more disturb each other cannot be measured: {error}")


def _disturbance(guest: Guest, accelerator: Accelerator, hardware: Hardware, guests: int) -> float:
    """How many times as long a fixed piece of work takes in the slowest of so many guests at once as in one alone, all their CPUs at work."""
    words: dict[str, Any] = {"mode": "command", "command": f"/bin/{AGENT} --pace {PACE_S}"}
    with scratch_in_memory("drmsqueeze-at-once-") as directory:
        scratch = Path(directory)
        make_empty(scratch / "ring")
        with Vm(guest, accelerator.name, hardware, [], scratch / "log", ring=scratch / "ring", **words) as vm:
            vm.wait_up(said=WAITS)
            vm.save(scratch / "state")
        saved = Snapshot("", scratch / "state", "")

        def slowest_of(count: int) -> int:
            with ExitStack() as under_way:
                started = []
                for number in range(count):
                    ring = under_way.enter_context(closing(Ring(scratch / f"ring-{number}", {})))
                    started.append((ring, under_way.enter_context(Vm(guest, accelerator.name, hardware, [], scratch / f"log-{number}",
                                                                     ring=ring.path, snapshot=saved, **words))))
                for ring, vm in started:
                    ring.lay_out()
                    vm.resume()
                for _, vm in started:
                    vm.wait_for_end(BOOT_TIMEOUT_S)
                times = [_calibration(vm.console()) for _, vm in started]
            return max(times)

        pairs = [(slowest_of(1), slowest_of(guests)) for _ in range(ROUNDS)]
    return statistics.median(many for _, many in pairs) / statistics.median(alone for alone, _ in pairs)
