# SPDX-License-Identifier: MIT
"""The table of kernel messages that a person must see. Ordered: specific before general, the first match wins.

Patterns are held against one message with its timestamp removed, from its beginning. Sources are files of Linux 6.12; where 5.10,
or a kernel up to 6.19, prints it otherwise, the pattern takes both. Each rule has a log that it must find and a log that it
must not, in tests/data/kernel_logs/.
"""

import re

from drmsqueeze_results.driver_rules import DRIVER_RULES
from drmsqueeze_results.kernel_rule import ERROR, HANG, INFO, WARNING, Rule, Severity, rule
from drmsqueeze_results.model import Outcome

__all__ = ["RULES", "VICTIMS", "Rule", "Severity"]

# A lock as lockdep prints it: "ffff888004a3c2d8 (&bo->mappings.lock){+.+.}-{3:3}, at: f+0x1/0x2"; and where RCU was misused.
_LOCKS = re.compile(r"^(?:[0-9a-f]{8,16} \((.{1,100}?)\)\{|(?=\S+\.[ch]:\d+ suspicious)(\S+))")
# What a stuck worker pool is at: "    in-flight: 71:drm_sched_job_timedout [gpu_sched]".
_IN_FLIGHT = re.compile(r"^\s{2,8}in-flight: \d+(?:\(RESCUER\))?:(\w+)")
_RULER = re.compile(r"^={10,}$")

RULES: tuple[Rule, ...] = (
    rule("trap", r"drmsqueeze trap (?P<what>[\w-]+) \(planted\): (?!.* goes on: )", INFO, "our lab/traps",
         pressure=True, explained_by=frozenset(Outcome)),
    # What each rule says, and where it is written: lab/probes/shrinker_rules.c. A count that gives up and a scan that goes on cost
    # memory and time; what the others cost is the machine.
    rule("shrinker-waits", r"drmsqueeze shrinker rule waits: (?P<what>\w+(?: \[\w+\])?)", ERROR, "our lab/probes; dma-fence.c",
         explained_by=HANG, lines=60),
    rule("shrinker-blocks", r"drmsqueeze shrinker rule (?P<what>(?:locks-resv|waits-for-lock): \w+(?: \[\w+\])?)", ERROR,
         "our lab/probes; dma-resv.c, dma_resv_lockdep()", lines=60),
    rule("shrinker-counts-nothing", r"drmsqueeze shrinker rule counts-nothing: (?P<what>\w+(?: \[\w+\])?)", WARNING,
         "our lab/probes; include/linux/shrinker.h", lines=60),
    rule("shrinker-goes-on", r"drmsqueeze shrinker rule goes-on: (?P<what>\w+(?: \[\w+\])?)", WARNING,
         "our lab/probes; include/linux/shrinker.h", lines=60),
    rule("shrinker-never-ends", r"drmsqueeze shrinker rule (?P<what>(?:lies|stands-still): \w+(?: \[\w+\])?)", ERROR,
         "our lab/probes; mm/shrinker.c, do_shrink_slab()", lines=60),
    rule("model-unsupported", r"gpu_model (?P<what>\S+: unsupported: .*)", ERROR, "our lab/models"),
    rule("gpu-bad-access", r"gpu_model (?P<what>\S+: access to \S+?, which is .*)", ERROR, "our lab/models"),
    rule("user-fault", r"traps: (?P<what>\S+?)\[\d+\] (?:general protection|trap) ", ERROR, "arch/x86/kernel/traps.c"),
    rule("user-segfault", r"(?P<what>\S+?)\[\d+\]: segfault at ", ERROR, "arch/x86/mm/fault.c", kind="user-fault"),
    rule("user-unhandled", r"(?P<what>\S+?)\[\d+\]: unhandled exception: ", ERROR, "arch/arm64/kernel/traps.c, arm64_show_signal()",
         kind="user-fault"),
    rule("kasan", r"BUG: KASAN: (?:(?P<what>.{1,80}? in) (?P<function>[\w.$]+)(?:\+0x|$)|(?P<more>[\w -]+)$)", ERROR, "mm/kasan/report.c",
         frame=True, lines=80, end=_RULER),
    rule("kfence", r"BUG: KFENCE: (?P<what>.{1,80}? in) (?P<function>[\w.$]+)(?:\+0x|$)", ERROR, "mm/kfence/report.c", frame=True,
         lines=60, end=_RULER),
    rule("slab-corruption", r"BUG (?P<what>\S+) \((?:Not tainted|Tainted: [^)]*)\): (?P<more>.*)", ERROR, "mm/slub.c, slab_bug()",
         frame=True,
         lines=60, end=_RULER),
    rule("ubsan", r"UBSAN: (?P<what>\S+ in \S+?):\d+", ERROR, "lib/ubsan.c", lines=20),
    rule("kmemleak", r"kmemleak: \d+ new suspected memory leaks", ERROR, "mm/kmemleak.c"),
    rule("soft-lockup", r"watchdog: BUG: soft lockup - CPU#\d+ stuck for \d+s! \[(?P<what>.*?):\d+\]", ERROR,
         "kernel/watchdog.c", explained_by=HANG, witness="soft-lockup", frame=True, lines=40),
    rule("hard-lockup", r"(?:NMI watchdog|watchdog): (?:CPU\d+: )?Watchdog detected hard LOCKUP on cpu", ERROR,
         "kernel/watchdog.c; watchdog_hld.c of 5.10 says NMI, 6.17 and later which CPU saw it", explained_by=HANG, witness="hard-lockup",
         frame=True, lines=40),
    rule("workqueue-stall", r"BUG: workqueue lockup - pool\b", ERROR, "kernel/workqueue.c",
         explained_by=HANG, witness="workqueue-stall", names=_IN_FLIGHT, lines=30),
    rule("rcu-stall", r"(?:rcu: )?INFO: rcu_\w+ (?P<what>self-detected stall|detected (?:expedited )?stalls?)", ERROR,
         "kernel/rcu/tree_stall.h, tree_exp.h, tasks.h", explained_by=HANG, witness="rcu-stall", frame=True, lines=40),
    rule("hung-task", r"INFO: task (?P<what>.{1,64}?):\d+ blocked (?:in I/O wait )?for more than \d+ seconds", ERROR,
         "kernel/hung_task.c", explained_by=HANG, witness="hung-task", frame=True, lines=40),
    rule("lockdep",
         r"(?:WARNING: (?P<what>possible circular locking dependency detected|possible recursive locking detected|"
         r"inconsistent lock state|possible irq lock inversion dependency detected|\S+-safe -> \S+-unsafe lock order "
         r"detected|bad unlock balance detected|bad contention detected|held lock freed|suspicious RCU usage|Nested "
         r"lock was not taken|chain_key collision|lock held when returning to user space)|"
         r"WARNING: .{1,80} (?P<more>still has locks held)|"
         r"\[ BUG: (?P<also>Invalid wait context) \])", ERROR, "kernel/locking/lockdep.c", names=_LOCKS, lines=60),
    rule("lockdep-off", r"BUG: (?P<what>MAX_\w+ too low)!|INFO: (?P<more>trying to register non-static key)", WARNING,
         "kernel/locking/lockdep.c: from here on it sees nothing", lines=20),
    rule("sleep-in-atomic", r"BUG: (?P<what>sleeping function called from invalid context|scheduling while atomic)",
         ERROR, "kernel/sched/core.c", frame=True, lines=30),
    rule("bug", r"kernel BUG at (?P<what>\S+?):\d+!", ERROR, "lib/bug.c", frame=True, lines=60),
    # The same mistake, as the architectures put it.
    rule("oops-null", r"(?:BUG: |Unable to handle )kernel (?P<what>NULL pointer dereference)", ERROR,
         "arch/x86/mm/fault.c, arch/arm64/mm/fault.c, arch/arm/mm/fault.c", kind="oops", frame=True, lines=60),
    rule("oops", r"BUG: unable to handle page fault|Unable to handle kernel|(?:Oops: )?general protection fault, ", ERROR,
         "arch/*/mm/fault.c, arch/x86/kernel/traps.c", frame=True, lines=60),
    rule("external-abort",
         r"Internal error: (?!Oops)(?P<what>[A-Za-z][^:]*)|(?P<more>SError Interrupt) on CPU\d+|Bad mode in \S+ handler detected|"
         r"Unhandled fault: (?P<also>[A-Za-z][\w -]*)", ERROR,
         "arch/arm64/kernel/traps.c, arch/arm/mm/fault.c: a GPU's registers touched while it has no power or clock, for one", frame=True,
         lines=60),
    rule("bug-other", r"BUG: (?P<what>[^:,]+?)(?= in process | on CPU|[:,!]|$)", ERROR,
         "mm/, kernel/: Bad page state, workqueue leaked, ...",
         kind="bug", lines=30),
    rule("panic-hung", r"Kernel panic - not syncing: (?P<what>hung_task: blocked tasks|softlockup: hung tasks|RCU "
         r"Stall|Hard LOCKUP)", ERROR, "kernel/hung_task.c, watchdog.c, rcu/tree_stall.h", explained_by=HANG,
         witness="panic-hung", lines=20),
    rule("panic", r"Kernel panic - not syncing: (?P<what>.*)", ERROR, "kernel/panic.c", lines=30),
    rule("warn",
         r"WARNING: (?:\[.{0,200}\] )?(?:CPU: \d+ PID: \d+ at )?(?:(?P<what>\S+\.[chS]:\d+) (?:at )?|at )?(?P<function>[A-Za-z_][\w.$]*)\+0x",
         ERROR,
         "kernel/panic.c, __warn(); 6.19 has the task last and may have the condition first; without CONFIG_DEBUG_BUGVERBOSE no file",
         frame=True, lines=30),
    rule("oom-none", r"Out of memory and no killable processes", ERROR, "mm/oom_kill.c"),
    rule("oom-kill", r"(?:Memory cgroup out of memory|Out of memory[^:]*): Killed process (?P<pid>\d{1,10}) \((?P<what>.{1,40}?)\)(?:,? |"
         r"$)",
         WARNING, "mm/oom_kill.c, __oom_kill_process()", pressure=True),
    # Comes before the kill and says the same; counted only where the kill itself is missing.
    rule("oom-chosen", r"oom-kill:constraint=.{0,1000},task=(?P<what>[^,]{1,40}),pid=(?P<pid>\d{1,10})(?:,|$)", WARNING,
         "mm/oom_kill.c, dump_oom_victim()", kind="oom-kill", pressure=True),
    rule("oom-not-reaped", r"oom_reaper: unable to reap pid:\d+ \((?P<what>.{1,40}?)\)$", WARNING,
         "mm/oom_kill.c, oom_reap_task(): who was killed holds its memory, stuck behind a lock", pressure=True),
    rule("page-allocation-failure", r".{1,64}?: page allocation failure: (?P<what>order:\d+), mode:", WARNING,
         "mm/page_alloc.c, warn_alloc()", pressure=True, frame=True, lines=40),
    rule("vmalloc-failure", r".{1,64}?: (?P<what>vmalloc)(?: error: size \d+|: allocation failure: \d+ bytes|"
         r"_node_range for size \d+ failed)", WARNING,
         "mm/vmalloc.c, through warn_alloc()", pressure=True, frame=True, lines=40),
    rule("slab-allocation-failure", r"SLUB: Unable to allocate memory on ", WARNING, "mm/slub.c, slab_out_of_memory()", pressure=True,
         lines=4),
    rule("swap-error", r"(?P<what>Write-error|Read-error) on swap-device", WARNING, "mm/page_io.c: zram with no memory left, for one",
         pressure=True),
    rule("fault-oom-leaked", r"(?P<what>Huh VM_FAULT_OOM leaked out to the #PF handler)", WARNING,
         "mm/oom_kill.c, pagefault_out_of_memory()",
         pressure=True),
    rule("fault-injected", r"FAULT_INJECTION: forcing a failure", INFO, "lib/fault-inject.c", pressure=True, lines=4),
    *DRIVER_RULES,
)

# Whom an OOM kill hit, by the task's name (cut to 15 characters by the kernel).
VICTIMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("hog", re.compile(r"^drmsqueeze-hog")),
    ("client", re.compile(r"^drmsq-client")),
    ("agent", re.compile(r"^drmsqueeze-agen|^drmsq-superv")),
    ("other", re.compile(r"")),  # the agent's expendable workers among them
)
