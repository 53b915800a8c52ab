# SPDX-License-Identifier: MIT
"""One run: boot the machine, follow the agent's records to their end, and leave the facts in a run directory."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

from drmsqueeze import guest as guests
from drmsqueeze import cache, exact, kernels, targets
from drmsqueeze.errors import UsageError
from drmsqueeze.guest import Guest
from drmsqueeze.journal import Journal
from drmsqueeze.limits import Limits
from drmsqueeze.machines.speed import Accelerator, AtOnce, at_once, choose_accelerator, slowdown
from drmsqueeze.machines.vm import BOOT_TIMEOUT_S, Hardware, Vm
from drmsqueeze.modules import SHIMMED_DRIVERS
from drmsqueeze.plan import PlannedRun
from drmsqueeze.ring import Ring, scratch_in_memory
from drmsqueeze.scenario import Scenario
from drmsqueeze.snapshots import Snapshots

POLL_S = 0.02
# What two measurements of one kernel may differ by on a shared machine.
SLOWDOWN_NOISE = 1.25
# The agent's own work before the first job and after the last: filling memory, probe, restoring.
OVERHEAD_S = 60.0
POWER_OFF_S = 20.0
# Blocked tasks with their stacks, before the agent has given much back; the locks that they hold, where the kernel has lockdep (any
# other answers with its list of keys); then memory.
EVIDENCE_KEYS = "wdm"

Watcher = Callable[[Vm, Journal], None]


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


def refuse_unsuitable(kernel: str, scenario: Scenario) -> None:
    """Raises UsageError where a kernel is a bare image and the scenario needs modules that would have to be built against it."""
    spec = kernels.KernelSpec.parse(kernel)
    user = kernels.bases()[spec.base].user
    if not user or not user.bare:
        return
    target = scenario["target"]
    kinds = [stressor["kind"] for stressor in scenario["stressors"]]
    reasons = [f"the GPU model {model}, whose registers the driver must be built to reach" for name, model in target.items() if name == "model"]
    reasons += [f"the driver {name} behind a shim" for name in targets.drivers_of(target) if name in SHIMMED_DRIVERS]
    reasons += [f"the trap {trap['trap']}" for trap in scenario["traps"]]
    reasons += [f"the probe {name}" for name in targets.probes(scenario["injectors"], kinds) if name not in targets.ONLOOKERS]
    if reasons:
        raise UsageError(f"kernel `{kernel}` is a bare bzImage, and {scenario.name} needs {' and '.join(reasons)}: add the kernel's source tree "
                         "(lab add NAME --source) or its build tree (--build) instead")


def time_limit_s(document: dict[str, Any], time_scale: float) -> float:
    """How long a run may take whose agent is alive, from its first record.

    Every job ends by its deadline or starts the release test, which ends the run: so this is never reached by an agent that works.
    `document` is a scenario with its times scaled.
    """
    def slowest_s(stressor: Mapping[str, Any]) -> float:
        jobs = stressor["jobs"] * stressor.get("threads", 1) * stressor.get("contexts", 1)
        pause_s = 1 / stressor["rate_hz"] if stressor.get("rate_hz") else 0.0
        return float(jobs * (document["deadline_ms"] / 1000 + pause_s))

    jobs_s = sum(phase["duration_ms"] for phase in document["phases"]) / 1000 or max(map(slowest_s, document["stressors"]))
    return jobs_s + (document["deadline_ms"] + document["grace_ms"]) / 1000 + OVERHEAD_S * time_scale


class _Follower:
    """Follows a guest to its end, and says what that end was."""

    def __init__(self, vm: Vm, ring: Ring, journal: Journal, silent_s: float, boot_limit_s: float, limit_s: float,
                 watch: Watcher | None, recorder: exact.Recorder | None = None) -> None:
        self._vm, self._ring, self._journal, self._watch, self._recorder = vm, ring, journal, watch, recorder
        self._silent_s, self._boot_limit_s, self._limit_s = silent_s, boot_limit_s, limit_s
        self.sysrq_taken = False
        self.hello_at: float | None = None
        self._heard_at = vm.started

    def _drain(self, final: bool = False) -> bool:
        heard = False
        for record in self._ring.read(final):
            self._journal.take(record)
            heard = True
        if self._recorder:
            self._recorder.look(self._vm)
        return heard

    def _take_evidence(self) -> bool:
        """Returns whether the guest answered now."""
        answered = self._vm.sysrq(EVIDENCE_KEYS)
        self.sysrq_taken |= answered
        return answered

    def _witness(self, kind: str, text: str = "") -> None:
        """Of what is seen from outside; in guest seconds, as far as they are known."""
        last = self._journal.last_s
        self._journal.witness(kind, text, None if last is None else last + time.monotonic() - self._heard_at)

    def _end_of_dead_guest(self) -> str:
        if self._journal.bye:
            return "bye"
        if "Kernel panic" in self._vm.console() or ("guest-panic" in {kind for kind, _ in self._journal.witnesses}):
            return "panic"
        status = self._vm.exit_status
        return "killed" if status is not None and status < 0 else "poweroff-without-bye"

    def follow(self) -> str:
        """Until the agent said bye and the guest is off, or until there is nothing more to wait for."""
        while True:
            dead = self._vm.exit_status is not None
            if self._drain(final=dead):
                self._heard_at = time.monotonic()
                self.hello_at = self.hello_at or self._heard_at
            for event in self._vm.panics():
                self._witness("guest-panic", event)
            if self._journal.late and not self.sysrq_taken and not dead:
                self._take_evidence()  # from outside, while it lasts: the agent's own view may be cut off any moment
                self._heard_at = time.monotonic()  # what the guest has said meanwhile is not read yet
                continue
            if self._watch:
                self._watch(self._vm, self._journal)
            if dead:
                return self._end_of_dead_guest()
            now = time.monotonic()
            if self._ring.full:
                return "ring-full"
            if self._journal.bye:
                if now - self._heard_at > POWER_OFF_S:
                    return "bye"
            elif self.hello_at is None:
                if now - self._vm.started > self._boot_limit_s:
                    return "boot-timeout"
            elif now - self._heard_at > self._silent_s:
                self._witness("heartbeat-lost")
                if not self._take_evidence():
                    self._witness("console-silent", "no answer to sysrq")
                return "silent"
            elif now - self.hello_at > self._limit_s:
                self._take_evidence()
                self._ring.ask_to_stop()
                self._vm.wait_for_end(POWER_OFF_S)
                return "time-limit"
            time.sleep(POLL_S)

    def finish(self) -> None:
        """After the guest was ended: the records that nobody will publish any more."""
        self._drain(final=True)


# Ends of a machine that are the test's own failure. A guest that died or fell silent is judged with what was witnessed.
_BROKEN = {
    "boot-timeout": "the guest did not come up within {limit:.0f} s",
    "time-limit": "the agent was alive and did not end the run within {limit:.0f} s",
    "poweroff-without-bye": "the agent ended without a word",
    "ring-full": "the agent wrote more records than there is room for in a run that is recorded; fewer jobs will do",
}


def execute(lab: Lab, scenario: Scenario, run: PlannedRun, kernel: str, directory: Path, watch: Watcher | None = None,
            warm: bool = False, beside: int = 0) -> None:
    """Carry out one run and write its facts (not its verdict) into `directory`, which is created.

    With `warm` its guest starts from the snapshot of the run's cluster where that can be. `beside`: how many other runs go at the same
    time. `watch` is called at every poll, with the machine and the journal so far. Raises InfrastructureError where the lab cannot be
    built; whatever becomes of the guest is a fact of the run.
    """
    guest = lab.guest(kernel).carrying(guests.tools_of(scenario["injectors"]))
    accelerator = lab.accelerator
    machine_scale = scenario.document.get("time_scale", accelerator.time_scale)
    slower = lab.slowdown(kernel)
    time_scale = machine_scale * slower
    at_rate = scenario.at_rate(run.rate_hz)
    document = at_rate.scaled(time_scale)
    resolved = Scenario(at_rate.document | {"seed": run.seed, "time_scale": machine_scale, "levels": [run.level], "runs": 1})
    limits = Limits.of(document["deadline_ms"], time_scale)
    request = {"schema": "drmsqueeze.request/1", "scenario": document, "level": run.level, "seed": run.seed,
               "time_scale": time_scale, "witness_limits_ms": limits.request()}
    request |= {name: document[name] for name in ("deadline_ms", "grace_ms", "driver_timeout_ms")}
    started = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    directory.mkdir(parents=True)
    (directory / "evidence").mkdir()
    (directory / "scenario.json").write_text(json.dumps(resolved.document, indent=1) + "\n")
    (directory / "request.json").write_text(json.dumps(request, indent=1) + "\n")

    journal = Journal(directory)
    limit_s = time_limit_s(document, time_scale)
    boot_limit_s = BOOT_TIMEOUT_S * slower
    with scratch_in_memory("drmsqueeze-ring-") as shared:
        ring = Ring(Path(shared) / "ring", request, only_read=lab.record)
        kinds = [stressor["kind"] for stressor in scenario["stressors"]]
        modules = targets.modules(scenario["target"], scenario["traps"], document["driver_timeout_ms"], kinds)
        modules += targets.probes(scenario["injectors"], kinds, scenario["traps"],
                                  judged_by_lockdep=kernels.bases()[guest.spec.base].lockdep)
        modules = guest.loadable(modules)
        hardware = Hardware(**scenario["machine"], devices=tuple(targets.devices(scenario["target"])))
        recorder = exact.Recorder(directory, journal) if lab.record else None
        console_log, arguments = directory / "console.log", limits.kernel_arguments()
        restored = lab.snapshots.start(guest, accelerator, hardware, modules, arguments, run.cluster, ring, console_log,
                                      boot_limit_s) if warm and not recorder else None
        with restored or Vm(guest, accelerator.name, hardware, modules, console_log, ring=ring.path, arguments=arguments,
                           recording=recorder.recording if recorder else None) as vm:
            follower = _Follower(vm, ring, journal, limits.silence, boot_limit_s, limit_s, watch, recorder)
            ended = follower.follow()
            if recorder:
                recorder.before_end(vm)
            vm.kill()
            follower.finish()
            if recorder:
                recorder.write(vm, guest, ring.path)
            over = time.monotonic()
            complaint = vm.complaint()
            journal.complete_reason(vm.console())
        ring.close()
    journal.write()

    hello_at = follower.hello_at or over
    broken = None
    if ended in _BROKEN and not (ended == "poweroff-without-bye" and journal.witnesses):
        broken = _BROKEN[ended].format(limit=boot_limit_s if ended == "boot-timeout" else limit_s)
        broken += f"; {complaint}"
    elif journal.hello is None:
        broken = f"the guest ended ({ended}) before the agent said hello; {complaint}"
    driver = scenario["target"]["driver"]
    facts = {
        "schema": "drmsqueeze.facts/1",
        "scenario": {"name": scenario.name, "sha256": scenario.sha256, "seed": run.seed},
        "level": run.level, "rate_hz": run.rate_hz, "arm": run.arm, "index": run.index, "block": run.block,
        "machine": {"kind": "vm", "accelerator": accelerator.name, "ended": ended, "last_beat_s": journal.last_beat_s,
                    "qemu_exit": vm.exit_status, "sysrq_taken": follower.sysrq_taken, "slowdown": slower,
                    "more_ram_mib": guest.ram_mib(hardware.ram_mib) - hardware.ram_mib,
                    "recorded": recorder.recording.icount if recorder else None, "beside": beside},
        "kernel": {"release": guest.kernel.release, "variant": kernel, "config_sha256": guest.kernel.config_sha256},
        "driver": {"name": driver, "module_sha256": cache.file_digest(guest.module(targets.TARGETS[driver].module)),
                   "model": scenario["target"].get("model"), "timeout_ms": document["driver_timeout_ms"]},
        "time_scale": time_scale, "snapshot": {"id": vm.snapshot.id, "cluster": run.cluster} if vm.snapshot else None,
        "jobs": {"intents": journal.intents, "ended": journal.ended},
        "phases": journal.phases,
        "release": journal.release, "bye": journal.bye, "witnesses": list(journal.witnesses.values()),
        "started": started, "timing_s": {"boot": round(hello_at - vm.started, 3), "run": round(over - hello_at, 3)},
        "expect": scenario["expect"].get(kernel), "infrastructure_error": broken,
    }
    (directory / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


