# SPDX-License-Identifier: MIT
"""The table of kernel messages that a person must see. Ordered: specific before general, the first match wins.

Patterns are held against one message with its timestamp removed, from its beginning. Sources are files of Linux 6.12
unless said otherwise. Each rule has a log that it must find and a log that it must not, in tests/data/kernel_logs/.
"""

import re
from dataclasses import dataclass, field
from enum import Enum

from drmsqueeze_results.model import Outcome


class Severity(str, Enum):
    """ERROR fails a run where it is not expected; WARNING and INFO are shown."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Rule:
    """One kind of message.

    `what` in the pattern names the bug in the signature; without it the kind alone does. `pressure`: expected where the
    run was under pressure or injection. `explained_by`: expected where the scenario allows one of these outcomes, since
    the outcome is what is judged then. `witness`: the witness of a hang that this message is, if any. `frame`: the
    signature also names the function that waits or crashes, from the stack that follows. `lines`: how many lines the
    excerpt may take.
    """

    name: str
    kind: str
    pattern: re.Pattern[str]
    severity: Severity
    source: str
    pressure: bool = False
    explained_by: frozenset[Outcome] = field(default_factory=frozenset)
    witness: str | None = None
    frame: bool = False
    lines: int = 1


_HANG = frozenset({Outcome.HUNG, Outcome.STALLED})
_GPU_STOPPED = frozenset({Outcome.TIMED_OUT, Outcome.FAILED, Outcome.STALLED, Outcome.HUNG})
_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def _rule(name: str, pattern: str, severity: Severity, source: str, kind: str | None = None, **more: object) -> Rule:
    return Rule(name, kind or name, re.compile(pattern), severity, source, **more)  # type: ignore[arg-type]


RULES: tuple[Rule, ...] = (
    _rule("trap", r"drmsqueeze trap (?P<what>[\w-]+) \(planted\): (?!.* goes on: )", _INFO, "our lab/traps",
          pressure=True, explained_by=frozenset(Outcome)),
    _rule("model-unsupported", r"gpu_model (?P<what>\S+: unsupported: .*)", _ERROR, "our lab/models"),
    _rule("gpu-bad-access", r"gpu_model (?P<what>\S+: access to \S+?, which is .*)", _ERROR, "our lab/models"),
    _rule("user-fault", r"traps: (?P<what>\S+?)\[\d+\] (?:general protection|trap) ", _ERROR,
          "arch/x86/kernel/traps.c"),
    _rule("user-segfault", r"(?P<what>\S+?)\[\d+\]: segfault at ", _ERROR, "arch/x86/mm/fault.c", kind="user-fault"),
    _rule("kasan", r"BUG: KASAN: (?P<what>\S+ in \S+?)\+0x", _ERROR, "mm/kasan/report.c", lines=40),
    _rule("ubsan", r"UBSAN: (?P<what>\S+ in \S+?):\d+", _ERROR, "lib/ubsan.c", lines=20),
    _rule("kmemleak", r"kmemleak: \d+ new suspected memory leaks", _ERROR, "mm/kmemleak.c"),
    _rule("soft-lockup", r"watchdog: BUG: soft lockup - CPU#\d+ stuck for \d+s! \[(?P<what>.*?):\d+\]", _ERROR,
          "kernel/watchdog.c", explained_by=_HANG, witness="soft-lockup", frame=True, lines=40),
    _rule("hard-lockup", r"(?:NMI watchdog|watchdog): Watchdog detected hard LOCKUP on cpu", _ERROR,
          "kernel/watchdog.c", explained_by=_HANG, witness="hard-lockup", frame=True, lines=40),
    _rule("workqueue-stall", r"BUG: workqueue lockup - pool\b", _ERROR, "kernel/workqueue.c",
          explained_by=_HANG, witness="workqueue-stall", lines=30),
    _rule("rcu-stall", r"rcu: INFO: rcu_\w+ (?P<what>self-detected stall|detected (?:expedited )?stalls)", _ERROR,
          "kernel/rcu/tree_stall.h, tree_exp.h", explained_by=_HANG, witness="rcu-stall", lines=30),
    _rule("hung-task", r"INFO: task (?P<what>.+?):\d+ blocked (?:in I/O wait )?for more than \d+ seconds", _ERROR,
          "kernel/hung_task.c", explained_by=_HANG, witness="hung-task", frame=True, lines=40),
    _rule("lockdep",
          r"(?:WARNING: (?P<what>possible circular locking dependency detected|possible recursive locking detected|"
          r"inconsistent lock state|possible irq lock inversion dependency detected|\S+-safe -> \S+-unsafe lock order "
          r"detected|bad unlock balance detected|bad contention detected|held lock freed|suspicious RCU usage|Nested "
          r"lock was not taken|chain_key collision|lock held when returning to user space|.* still has locks held)|"
          r"\[ BUG: Invalid wait context \])", _ERROR, "kernel/locking/lockdep.c", lines=60),
    _rule("sleep-in-atomic", r"BUG: (?P<what>sleeping function called from invalid context|scheduling while atomic)",
          _ERROR, "kernel/sched/core.c", frame=True, lines=30),
    _rule("bug", r"kernel BUG at (?P<what>\S+?):\d+!", _ERROR, "lib/bug.c", frame=True, lines=40),
    _rule("oops", r"(?:BUG: (?P<what>kernel NULL pointer dereference|unable to handle page fault)|Unable to handle "
          r"kernel|Oops: general protection fault|general protection fault, )", _ERROR,
          "arch/*/mm/fault.c, arch/x86/kernel/traps.c", frame=True, lines=40),
    _rule("bug-other", r"BUG: (?P<what>[^:]+)", _ERROR, "mm/, kernel/: Bad page state, workqueue leaked, ...",
          kind="bug", lines=30),
    _rule("panic-hung", r"Kernel panic - not syncing: (?P<what>hung_task: blocked tasks|softlockup: hung tasks|RCU "
          r"Stall|Hard LOCKUP)", _ERROR, "kernel/hung_task.c, watchdog.c, rcu/tree_stall.h", explained_by=_HANG,
          witness="panic-hung", lines=20),
    _rule("panic", r"Kernel panic - not syncing: (?P<what>.*)", _ERROR, "kernel/panic.c", lines=30),
    _rule("warn", r"WARNING: (?:CPU: \d+ PID: \d+ at )?(?P<what>\S+\.[ch]:\d+ (?:at )?\S+?)\+0x", _ERROR,
          "kernel/panic.c, also in the order that 6.19 prints", lines=30),
    _rule("oom-none", r"Out of memory and no killable processes", _ERROR, "mm/oom_kill.c"),
    _rule("oom-kill", r"(?:Memory cgroup out of memory|Out of memory[^:]*): Killed process \d+ \((?P<what>.*?)\)",
          _WARNING, "mm/oom_kill.c", pressure=True),
    _rule("page-allocation-failure", r".+?: page allocation failure: (?P<what>order:\d+), mode:", _WARNING,
          "mm/page_alloc.c", pressure=True, lines=30),
    _rule("fault-injected", r"FAULT_INJECTION: forcing a failure", _INFO, "lib/fault-inject.c", pressure=True, lines=4),
    _rule("driver-timeout", r"(?P<what>panfrost) \S+: gpu sched timeout, js=", _WARNING,
          "panfrost_job.c, panfrost_job_timedout()", pressure=True, explained_by=_GPU_STOPPED,
          witness="driver-timeout"),
    _rule("driver-wedge", r"panfrost \S+: (?P<what>Soft-stop failed|AS_ACTIVE bit stuck|gpu soft reset timed out|gpu "
          r"hard reset timed out|error powering up gpu \w+|\w+ power transition timeout)", _ERROR,
          "panfrost_job.c, panfrost_mmu.c, panfrost_gpu.c", explained_by=frozenset({Outcome.HUNG}),
          witness="driver-wedge"),
    _rule("gpu-page-fault", r"(?P<what>panfrost) \S+: Unhandled Page fault in AS", _WARNING,
          "panfrost_mmu.c, panfrost_mmu_irq_handler_thread()", pressure=True, explained_by=_GPU_STOPPED, lines=8),
    _rule("gpu-job-fault", r"panfrost \S+: js fault, js=\d+, (?P<what>status=[^,]+)", _WARNING,
          "panfrost_job.c, panfrost_job_handle_err()", pressure=True, explained_by=_GPU_STOPPED),
    _rule("gpu-fault", r"panfrost \S+: (?P<what>GPU Fault) 0x", _ERROR, "panfrost_gpu.c"),
    _rule("driver-probe",
          r"panfrost \S+: (?P<what>Fatal error during GPU init|failed to request \w+ irq|\w+ init failed)", _ERROR,
          "panfrost_drv.c, panfrost_device.c"),
    # Other drivers, as dev_err(), drm_err() or DRM_DEV_ERROR() print them: the device, or the function, stands before the text.
    _rule("lima-timeout", r"(?:\[drm:lima_sched_timedout_job.*?\] \*ERROR\* |lima \S+: )(?:\w+ )?job timeout", _WARNING,
          "lima_sched.c, lima_sched_timedout_job()", kind="driver-timeout", pressure=True, explained_by=_GPU_STOPPED, witness="driver-timeout"),
    _rule("lima-task-error", r"lima \S+: (?P<what>\w+ task error)", _WARNING, "lima_gp.c, lima_pp.c", kind="gpu-job-fault", pressure=True,
          explained_by=_GPU_STOPPED),
    _rule("lima-page-fault", r"lima \S+: (?P<what>\w+ page fault) at ", _WARNING, "lima_mmu.c", kind="gpu-page-fault", pressure=True,
          explained_by=_GPU_STOPPED),
    _rule("lima-wedge", r"lima \S+: (?P<what>\w+ (?:bus stop timeout|hard reset timeout|wait command timeout|command \S+ timeout))", _ERROR,
          "lima_gp.c, lima_pp.c, lima_mmu.c, lima_l2_cache.c", kind="driver-wedge", explained_by=frozenset({Outcome.HUNG}), witness="driver-wedge"),
    _rule("panthor-timeout", r"panthor \S+: \[drm\] (?P<what>job timeout|CSG slot \d+ progress timeout)", _WARNING, "panthor_sched.c",
          kind="driver-timeout", pressure=True, explained_by=_GPU_STOPPED, witness="driver-timeout"),
    _rule("panthor-heap", r"panthor \S+: \[drm\] (?P<what>Failed to extend the tiler heap)", _WARNING, "panthor_sched.c, group_process_tiler_oom()",
          kind="heap-not-grown", pressure=True, explained_by=_GPU_STOPPED),
    _rule("panthor-wedge", r"panthor \S+: \[drm\] \*ERROR\* (?P<what>FW ping timeout|Failed to boot MCU|CSG suspend failed|Soft reset timeout|"
          r"Flush caches timeout|timeout waiting on \w+)", _ERROR, "panthor_fw.c, panthor_sched.c, panthor_gpu.c", kind="driver-wedge",
          explained_by=_GPU_STOPPED, witness="driver-wedge"),
    _rule("msm-timeout", r"(?:msm\w*|adreno) \S+: \[drm:\S+.*?\] \*ERROR\* \S+: (?P<what>hangcheck detected gpu lockup)", _WARNING,
          "msm_gpu.c, hangcheck_handler()", kind="driver-timeout", pressure=True, explained_by=_GPU_STOPPED, witness="driver-timeout"),
    _rule("msm-page-fault", r"\*\*\* gpu fault: ttbr0=", _WARNING, "adreno_gpu.c, adreno_fault_handler()", kind="gpu-page-fault",
          pressure=True, explained_by=_GPU_STOPPED),
    _rule("amdgpu-timeout", r"(?:amdgpu \S+: (?:amdgpu: )?|\[drm:amdgpu_job_timedout.*?\] \*ERROR\* )ring (?P<what>\S+ timeout)", _WARNING,
          "amdgpu_job.c, amdgpu_job_timedout()", kind="driver-timeout", pressure=True, explained_by=_GPU_STOPPED, witness="driver-timeout"),
    _rule("i915-hang", r"i915 \S+: \[drm\] (?P<what>GPU HANG)", _WARNING, "i915_gpu_error.c", kind="driver-timeout", pressure=True,
          explained_by=_GPU_STOPPED, witness="driver-timeout"),
    _rule("i915-wedge", r"i915 \S+: \[drm\] \*ERROR\* (?:GT\d+: )?(?P<what>Failed to reset chip)", _ERROR, "gt/intel_reset.c",
          kind="driver-wedge", explained_by=frozenset({Outcome.HUNG}), witness="driver-wedge"),
    _rule("sched-killed-entity", r"\[drm:drm_sched_entity_push_job.*?\] \*ERROR\* (?P<what>Trying to push to a killed entity)", _WARNING,
          "scheduler/sched_entity.c", kind="sched", pressure=True),
    _rule("ttm-swap-out", r"\[TTM\] (?P<what>Failed allocating swap storage)", _WARNING, "ttm_tt.c, ttm_tt_swapout()", pressure=True),
    _rule("ttm-eviction", r"\[TTM\] (?P<what>Buffer eviction failed|Failed to find memory space for buffer)", _WARNING,
          "ttm_bo.c, ttm_bo_evict()", pressure=True),
    _rule("ttm-page-table", r"\[TTM\] (?P<what>Failed allocating page table)", _WARNING, "ttm_tt.c, ttm_tt_init()", pressure=True),
    _rule("bo-not-made", r"(?P<what>qxl) \S+: object_init failed for \(", _WARNING, "qxl_object.c, qxl_bo_create()", pressure=True),
    _rule("bo-left-behind", r"(?P<what>qxl) \S+: Userspace still has active objects", _ERROR,
          "qxl_object.c, qxl_bo_force_delete()"),
    _rule("irq-latency", r"(?P<what>panfrost) \S+: unexpectedly high interrupt latency", _INFO, "panfrost_job.c",
          pressure=True),
    _rule("devcoredump-lost", r"(?P<what>panfrost) \S+: failed to allocate devcoredump file", _INFO, "panfrost_dump.c",
          pressure=True),
)

# Whom an OOM kill hit, by the task's name (cut to 15 characters by the kernel).
VICTIMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("hog", re.compile(r"^drmsqueeze-hog")),
    ("client", re.compile(r"^drmsq-client")),
    ("agent", re.compile(r"^drmsqueeze-agen|^drmsq-superv")),
    ("other", re.compile(r"")),  # the agent's expendable workers among them
)

# Functions that every waiting or crashing task has on its stack: they never name a bug.
FRAMES_THAT_WAIT = re.compile(
    r"^(?:__schedule|schedule|schedule_timeout\w*|schedule_preempt_disabled|io_schedule\w*|preempt_schedule\w*|"
    r"__?(?:mutex|rwsem|down|rt_mutex|ww_mutex)\w*|(?:mutex|down|rwsem|ww_mutex)_\w+|wait_for_\w+|__wait_\w+|"
    r"do_wait_\w+|dma_fence_\w*wait\w*|_raw_\w+|queued_\w+|native_\w+|dump_stack\w*|show_stack\w*|__might_\w+|asm_\w+|"
    r"exc_\w+|ret_from_fork\w*|"
    r"__warn\w*|report_bug|handle_bug|panic|die|__die\w*|oops_\w+|page_fault_oops|watchdog\w*|__hrtimer\w*|"
    r"hrtimer\w*)$")
