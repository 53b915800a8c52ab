# SPDX-License-Identifier: MIT
"""Warm starts: a guest is booted once and saved as it waits for its request; runs of one cluster go on from there.

A run then begins some tenths of a second after QEMU's start instead of after a boot. Runs of one snapshot are clones of one booted
machine (where its pages lie, what was drawn at random while it booted): so there are several snapshots of each kernel, the clusters of
a plan, and what is tested statistically is tested by them.

Snapshots are in the cache, keyed by all that went into them and by the number of their cluster: a later comparison with the same kernel
finds them there. The cache keeps those used last.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from drmsqueeze import cache, progress
from drmsqueeze.errors import InfrastructureError
from drmsqueeze.guest import Guest
from drmsqueeze.machines.speed import Accelerator
from drmsqueeze.machines.vm import WAITS, Hardware, Snapshot, Vm, qemu_version
from drmsqueeze.ring import Ring, make_empty, scratch_in_memory

KIND = "snapshots"
# On disk for all snapshots of this user; one of a guest with 256 MiB takes 60 to 100 MB.
MOST_BYTES = 6 << 30
TRIES = 2


class Snapshots:
    """Finds and takes snapshots for one session, and remembers what cannot be had, so that it is tried and said once."""

    def __init__(self) -> None:
        self._refused: set[str] = set()

    def start(self, guest: Guest, accelerator: Accelerator, hardware: Hardware, modules: Sequence[str], arguments: Mapping[str, str],
              cluster: int, ring: Ring, console_log: Path, boot_limit_s: float) -> Vm | None:
        """A guest that was restored from the snapshot of this cluster and has its request; None where it has to boot, which is said.

        A snapshot that does not restore is taken once more.
        """
        kind = cache.key_of(self._inputs(guest, accelerator, hardware, modules, arguments, -1))
        if kind in self._refused:
            return None
        inputs = self._inputs(guest, accelerator, hardware, modules, arguments, cluster)

        def take(path: Path) -> None:
            with scratch_in_memory("drmsqueeze-snapshot-") as scratch:
                empty = Path(scratch) / "ring"
                make_empty(empty)
                with Vm(guest, accelerator.name, hardware, modules, path / "console.log", ring=empty, arguments=arguments) as vm:
                    vm.wait_up(boot_limit_s, WAITS)
                    vm.save(path / "state")
            with (path / "state").open("rb") as state:
                (path / "id").write_text(hashlib.file_digest(state, "sha256").hexdigest()[:16])

        for _ in range(TRIES):
            try:
                entry = cache.get(KIND, inputs, take)
                cache.touch(entry)
                cache.trim(KIND, MOST_BYTES)
            except InfrastructureError as error:
                self._refuse(kind, guest, f"no snapshot can be taken: {error}")
                return None
            try:
                snapshot = Snapshot((entry / "id").read_text(), entry / "state", (entry / "console.log").read_text(errors="replace"))
                return self._restored(Vm(guest, accelerator.name, hardware, modules, console_log, ring=ring.path, arguments=arguments,
                                         snapshot=snapshot), ring)
            except (InfrastructureError, OSError) as error:
                reason = f"its snapshot does not restore: {error}"
                cache.forget(KIND, inputs)
        self._refuse(kind, guest, reason)
        return None

    @staticmethod
    def _restored(vm: Vm, ring: Ring) -> Vm:
        try:
            ring.lay_out()
            vm.resume()
        except BaseException:
            vm.__exit__(None, None, None)
            raise
        return vm

    def _refuse(self, kind: str, guest: Guest, reason: str) -> None:
        self._refused.add(kind)
        progress.say(f"{guest.spec.name}: its runs boot instead of starting from snapshots; {reason}")

    @staticmethod
    def _inputs(guest: Guest, accelerator: Accelerator, hardware: Hardware, modules: Sequence[str], arguments: Mapping[str, str],
                cluster: int) -> dict[str, str]:
        return {"qemu": qemu_version(), "accelerator": accelerator.name, "kernel": cache.file_digest(guest.kernel.image),
                "initramfs": cache.file_digest(guest.initramfs), "ram_mib": str(guest.ram_mib(hardware.ram_mib)), "hardware": repr(hardware),
                "modules": " ".join(modules), "arguments": repr(sorted(arguments.items())), "cluster": str(cluster)}
