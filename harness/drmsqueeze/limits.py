# SPDX-License-Identifier: MIT
"""When each witness of a hang speaks: staggered, so that of one kind of hang the same one always comes first.

The first four concern tasks and jobs that wait, and begin at the deadline of the jobs. The others concern processors that are busy
with something else, and a machine that is silent: a run ends at the last of them. Linux takes whole seconds, and has maxima.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The agent beats every 200 ms x time scale; this many missed beats make a machine silent at the earliest.
MISSED_BEATS = 25
BEAT_S = 0.2
# Seconds of the time scale between one witness and the next, and at least a second.
STEP_S = 0.5
# kernel/watchdog.c: watchdog_thresh is at most 60, and a soft lockup is twice that. It is looked for every fifth of it, by a clock whose
# second is 2^30 ns: so it may be told of so much later.
MOST_SOFT_LOCKUP_S = 120
SOFT_LOCKUP_AT_THE_LATEST = 1.3
MOST_RCU_S = 300  # kernel/rcu/tree_stall.h, rcu_jiffies_till_stall_check()

# The names of agent/detectors.h, and what they are on a kernel's command line.
ARGUMENTS = {
    "hung_task": "sysctl.kernel.hung_task_timeout_secs", "hung_task_check": "sysctl.kernel.hung_task_check_interval_secs",
    "watchdog": "sysctl.kernel.watchdog_thresh", "workqueue": "workqueue.watchdog_thresh", "rcu": "rcupdate.rcu_cpu_stall_timeout",
}


@dataclass(frozen=True)
class Limits:
    """In seconds of the guest, each after the thing that it waits for began; in the order in which they come."""

    late_fence: float
    no_progress: float
    d_state: float
    hung_task: int
    soft_lockup: int
    rcu: int
    workqueue: int
    silence: float

    @classmethod
    def of(cls, deadline_ms: float, time_scale: float) -> "Limits":
        """For jobs with this deadline (scaled) on a machine with this time scale.

        With deadlines of more than about two minutes a busy processor, which Linux reports after 120 s at the latest, is told of
        before the late fence; what waits never is.
        """
        deadline, step = deadline_ms / 1000, max(1.0, STEP_S * time_scale)
        busy = min(deadline, max(0.0, MOST_SOFT_LOCKUP_S - 4 * step))
        soft_lockup = min(MOST_SOFT_LOCKUP_S, 2 * math.ceil((busy + 4 * step) / 2))
        rcu = min(MOST_RCU_S, math.ceil(SOFT_LOCKUP_AT_THE_LATEST * soft_lockup) + 1)
        # kernel/workqueue.c looks once in its threshold: what is told of then began up to twice as long ago.
        workqueue = rcu + 1
        return cls(late_fence=deadline, no_progress=deadline + step, d_state=deadline + 2 * step, hung_task=math.ceil(deadline + 3 * step),
                   soft_lockup=soft_lockup, rcu=rcu, workqueue=workqueue,
                   silence=max(MISSED_BEATS * BEAT_S * time_scale, workqueue + step))

    def request(self) -> Mapping[str, Any]:
        """The agent's part."""
        return {"no_progress": round(self.no_progress * 1000), "d_state": round(self.d_state * 1000)}

    def detectors(self) -> Mapping[str, int]:
        """The kernel's part, by the names of agent/detectors.h: for a machine whose command line is its own.

        Hung tasks are looked for every second: by itself Linux looks once in the timeout.
        """
        return {"hung_task": self.hung_task, "hung_task_check": 1, "watchdog": self.soft_lockup // 2, "workqueue": self.workqueue,
                "rcu": self.rcu}

    def kernel_arguments(self) -> Mapping[str, str]:
        """The kernel's part, for its command line."""
        return {ARGUMENTS[name]: str(limit) for name, limit in self.detectors().items()}
