# SPDX-License-Identifier: MIT
"""How QEMU runs a guest's instructions here, and how fast: measured once for each boot of this machine, and kept in the cache."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drmsqueeze import cache, progress
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.guest import Guest
from drmsqueeze.machines.vm import BOOT_TIMEOUT_S, ICOUNT, Recording, qemu_version, run_command

# A guest boots in 2 s under TCG on an idle machine; a KVM that cannot run a plain kernel hangs or dies at once.
KVM_TRIAL_S = 20.0


@dataclass(frozen=True)
class Accelerator:
    """How QEMU runs the guest's instructions, and how much slower a fixed piece of work is there than on the host."""

    name: str
    time_scale: float
    why: str


def _calibration(text: str) -> int:
    """The nanoseconds that `drmsqueeze-agent --calibrate` printed."""
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
        agent = str(programs / "drmsqueeze-agent")
        native = min(_calibration(subprocess.run([agent, "--calibrate"], capture_output=True, text=True, check=True).stdout)
                     for _ in range(3))
        reasons = ["record/replay is TCG's"] if recorded else []
        recording = Recording(path / "calibration.log") if recorded else None
        for name, limit_s in ((("kvm", KVM_TRIAL_S),) if not recorded else ()) + (("tcg", BOOT_TIMEOUT_S),):
            if name == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
                reasons.append("/dev/kvm may not be used by this user" if Path("/dev/kvm").exists() else "no /dev/kvm here")
                continue
            try:
                inside = _calibration(run_command(guest, name, "/bin/drmsqueeze-agent --calibrate", limit_s=limit_s, recording=recording))
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
        command = "/bin/drmsqueeze-agent --calibrate"
        # In turns, and the fastest of each: what else the host does falls on both.
        rounds = [[_calibration(run_command(one, accelerator.name, command)) for one in (guest, plain)] for _ in range(3)]
        slow, fast = (min(times[which] for times in rounds) for which in (0, 1))
        (path / "slowdown.json").write_text(json.dumps(round(max(1.0, slow / fast), 1)) + "\n")

    inputs = dict(host_boot()) | {"kernel": guest.kernel.path.name, "plain": plain.kernel.path.name, "accelerator": accelerator.name}
    return float(json.loads((cache.get("slowdowns", inputs, build) / "slowdown.json").read_text()))
