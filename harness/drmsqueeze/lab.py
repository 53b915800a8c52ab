# SPDX-License-Identifier: MIT
"""The VM lab: what the runs of one session in QEMU guests share, and how a run begins in one."""

import errno
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from drmsqueeze import cache, exact, kernels, targets
from drmsqueeze import guest as guests
from drmsqueeze.errors import UsageError
from drmsqueeze.guest import Guest
from drmsqueeze.journal import Journal
from drmsqueeze.machines import received
from drmsqueeze.machines.machine import Task, UnderWay
from drmsqueeze.machines.speed import Accelerator, AtOnce, at_once, choose_accelerator, slowdown
from drmsqueeze.machines.vm import BOOT_TIMEOUT_S, Hardware, Vm
from drmsqueeze.modules import SHIMMED_DRIVERS
from drmsqueeze.ring import Ring, scratch_in_memory
from drmsqueeze.scenario import Scenario
from drmsqueeze.snapshots import Snapshots

# What two measurements of one kernel may differ by on a shared machine.
SLOWDOWN_NOISE = 1.25
ROOM_BYTES = 1 << 20


class Lab:
    """What the runs of one session share: the kernel, a guest for each variant of it, the accelerator.

    With `record` QEMU records each run, so that it can be replayed exactly (exact.py).
    """

    def __init__(self, models: Path = kernels.LAB / "models", record: bool = False) -> None:
        self._models = models
        self.record = record
        self._guests: dict[str, Guest] = {}
        self._kernels: dict[str, kernels.LabKernel] = {}
        self.snapshots = Snapshots()

    @property
    def name(self) -> str:
        return "vm"

    @property
    def kernel(self) -> kernels.LabKernel:
        """That of base `lab`."""
        return self._kernel_of("lab")

    def _kernel_of(self, base: str) -> kernels.LabKernel:
        if base not in self._kernels:
            self._kernels[base] = kernels.lab_kernel(base)
        return self._kernels[base]

    def take(self, base: str, kernel: kernels.LabKernel) -> None:
        """From now on the guests of a base have this kernel, and not the one that the tree asks for: that of a recorded run."""
        self._kernels[base] = kernel
        self._guests = {name: guest for name, guest in self._guests.items() if guest.spec.base != base}

    def guest(self, name: str) -> Guest:
        """The guest of a kernel; built on first use. Raises UsageError for a kernel that does not exist."""
        if name not in self._guests:
            spec = kernels.KernelSpec.parse(name)
            self._guests[name] = guests.prepare(spec, self._kernel_of(spec.base), guests.build_programs(self.kernel), self._models)
        return self._guests[name]

    def slowdown(self, name: str) -> float:
        """How many times slower than `lab` a kernel of another base does a fixed piece of work: its times are stretched by that.

        Measured only where the kernel has what makes one slow, or where nobody knows; and one that is about as fast as `lab` has the
        deadlines of `lab`. Or the load of this host at the time of the measurement would make the arms of a comparison unequal.
        """
        base = kernels.KernelSpec.parse(name).base
        if base == "lab" or not self._kernel_of(base).slow:
            return 1.0
        measured = slowdown(self.guest(base), self.guest("lab"), self.accelerator)
        return measured if measured > SLOWDOWN_NOISE else 1.0

    def at_once(self, scenario: Scenario, names: Iterable[str]) -> AtOnce:
        """How many guests for runs of this scenario, on these kernels, may be under way at once."""
        hardware = Hardware(**scenario["machine"])
        ram_mib = max(self.guest(name).ram_mib(hardware.ram_mib) for name in names)
        return at_once(self.guest("lab"), self.accelerator, hardware.vcpus, ram_mib)

    @cached_property
    def accelerator(self) -> Accelerator:
        return choose_accelerator(self.guest("lab"), guests.build_programs(self.kernel), self.record)

    def time_scales(self, kernel: str) -> tuple[float, float]:
        return self.accelerator.time_scale, self.slowdown(kernel)

    def suited(self, scenario: Scenario) -> Scenario:
        return scenario

    def refuse_kernel(self, kernel: str) -> None:
        kernels.KernelSpec.parse(kernel)

    def refuse(self, kernel: str, scenario: Scenario) -> None:
        """A kernel that is a bare image has none of the modules that would have to be built against it."""
        user = kernels.bases()[kernels.KernelSpec.parse(kernel).base].user
        if not user or not user.bare:
            return
        target = scenario["target"]
        kinds = [stressor["kind"] for stressor in scenario["stressors"]]
        reasons = [f"the GPU model {target['model']}, whose registers the driver must be built to reach"] if "model" in target else []
        reasons += [f"the driver {name} behind a shim" for name in targets.drivers_of(target) if name in SHIMMED_DRIVERS]
        reasons += [f"the trap {trap['trap']}" for trap in scenario["traps"]]
        reasons += [f"the probe {name}" for name in targets.probes(scenario["injectors"], kinds) if name not in targets.ONLOOKERS]
        if reasons:
            raise UsageError(f"kernel `{kernel}` is a bare bzImage, and {scenario.name} needs {' and '.join(reasons)}: add the kernel's "
                             "source tree (lab add NAME --source) or its build tree (--build) instead")

    @contextmanager
    def begin(self, task: Task, journal: Journal) -> Iterator[UnderWay]:
        """Boot a guest, or restore one, and give it its request. Raises InfrastructureError where the lab cannot be built."""
        scenario, document = task.scenario, task.request["scenario"]
        guest = self.guest(task.kernel).carrying(guests.tools_of(scenario["injectors"]))
        boot_limit_s = BOOT_TIMEOUT_S * task.slower
        with scratch_in_memory("drmsqueeze-ring-") as shared, closing(
                Ring(Path(shared) / "ring", task.request, only_read=self.record, kept=task.directory / received.FILE)) as ring:
            kinds = [stressor["kind"] for stressor in scenario["stressors"]]
            modules = targets.modules(scenario["target"], scenario["traps"], document["driver_timeout_ms"], kinds)
            modules += targets.probes(scenario["injectors"], kinds, scenario["traps"],
                                      judged_by_lockdep=kernels.bases()[guest.spec.base].lockdep)
            modules = guest.loadable(modules)
            hardware = Hardware(**scenario["machine"], devices=tuple(targets.devices(scenario["target"])))
            recorder = exact.Recorder(task.directory, journal) if self.record else None
            console_log, arguments = task.directory / "console.log", task.limits.kernel_arguments()
            restored = self.snapshots.start(guest, self.accelerator, hardware, modules, arguments, task.run.cluster, ring, console_log,
                                            boot_limit_s) if task.warm and not recorder else None
            with restored or Vm(guest, self.accelerator.name, hardware, modules, console_log, ring=ring.path, arguments=arguments,
                                recording=recorder.recording if recorder else None) as vm:
                yield self._under_way(task, guest, hardware, vm, ring, recorder, boot_limit_s)

    def _under_way(self, task: Task, guest: Guest, hardware: Hardware, vm: Vm, ring: Ring, recorder: exact.Recorder | None,
                   boot_limit_s: float) -> UnderWay:
        def end() -> None:
            if recorder:
                recorder.before_end(vm)
            vm.kill()

        def leave(ended: str) -> None:
            if shutil.disk_usage(task.directory).free < ROOM_BYTES:  # QEMU drops without a word what it cannot write of the console
                raise OSError(errno.ENOSPC, "no room for a run's console", str(task.directory))
            if recorder:
                recorder.write(vm, guest, ring.path)

        def facts() -> dict[str, Any]:
            module = guest.module(targets.TARGETS[task.scenario["target"]["driver"]].module)
            return task.facts(
                {"kind": self.name, "accelerator": self.accelerator.name, "qemu_exit": vm.exit_status, "slowdown": task.slower,
                 "more_ram_mib": guest.ram_mib(hardware.ram_mib) - hardware.ram_mib,
                 "recorded": recorder.recording.icount if recorder else None, "beside": task.beside},
                guest.kernel.release, guest.kernel.config_sha256, cache.file_digest(module),
                {"id": vm.snapshot.id, "cluster": task.run.cluster} if vm.snapshot else None)

        looked = (lambda: recorder.look(vm)) if recorder else (lambda: None)
        def settled() -> None:
            (task.directory / received.FILE).unlink(missing_ok=True)  # the ring's memory: a run directory need not have it for ever

        return UnderWay(vm, ring, boot_limit_s, looked, end, leave, facts, settled)
