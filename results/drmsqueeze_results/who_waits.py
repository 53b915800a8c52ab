# SPDX-License-Identifier: MIT
"""Which fence, lock or work a task waits for, and who has it: what the kernel says of it beside the stacks.

Several sources, and any of them may be missing: the table of our probe module (lab/probes/who_waits*.c, which describes its lines), the
hung-task report of a kernel that knows who holds a lock (kernel/hung_task.c, debug_show_blocker(), since 6.16), and lockdep's list of
held locks (kernel/locking/lockdep.c, debug_show_all_locks()), and the fences in shared buffers (dma_buf/bufinfo).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from drmsqueeze_results.lockdep import LockHolder

_FENCE = r"(?P<{0}>\d+:\d+) (?P<{0}_name>\S+)(?: signalled (?P<{0}_ago>\d+) ms ago)?"
_MARK = r"^(?:drmsqueeze waits: )?"
_TASK = re.compile(_MARK + r"task (?P<pid>\d+) \[(?P<name>.*?)\] (?P<ms>\d+) ms (?:"
                   r"fence " + _FENCE.format("fence") +
                   r"|lock (?P<lock>\w+) held by (?:(?P<holder>\d+) \[(?P<holder_name>.*?)\]|(?P<nobody>nobody|readers))"
                   r"|work (?P<work>[\w.]+)(?: \[\w+\])?)$")
_JOB = re.compile(_MARK + r"job " + _FENCE.format("fence") + r" of (?P<pid>\d+) \[(?P<name>.*?)\](?: runs as " + _FENCE.format("runs") +
                  r")?(?P<needs>(?: needs \d+:\d+ \S+)*)$")
_NEED = re.compile(r" needs " + _FENCE.format("need"))
# dma_buf/bufinfo: drivers/dma-buf/dma-fence.c, dma_fence_describe().
_IN_BUFFER = re.compile(r"^\s+\w+ fence:(?P<driver>\S+) (?P<timeline>.+?) seq (?P<seqno>\d+) unsignalled$")
_BLOCKER = re.compile(r"^INFO: task (?P<name>.+):(?P<pid>\d+) (?:<\w+> )?(?:is )?blocked on an? (?P<lock>mutex|semaphore|rw-semaphore)"
                      r".*?\b(?:owned|held) by task (?P<holder_name>.+?):(?P<holder>\d+)\b")


@dataclass(frozen=True)
class Fence:
    """A fence: `key` is CONTEXT:SEQNO, `timeline` DRIVER/TIMELINE as its driver names them (`?/?` once it has signalled)."""

    key: str
    timeline: str
    signalled_ms_ago: int | None = None

    @property
    def text(self) -> str:
        """As a person writes it: `panfrost-js-1#812`. The timeline of a scheduler's fence says more than `drm_sched`."""
        driver, _, timeline = self.timeline.partition("/")
        name = timeline if driver == "drm_sched" or timeline.startswith(driver) else f"{driver}-{timeline}"
        return f"{name}#{self.key.partition(':')[2]}" if driver != "?" else f"#{self.key}"

    def of_driver(self, driver: str) -> bool:
        """Whether the driver signals it: its own fences, and those of schedulers that it named after itself, as all do."""
        name, _, timeline = self.timeline.partition("/")
        return name == driver or (name == "drm_sched" and timeline.startswith(driver))


@dataclass(frozen=True)
class Job:
    """A job that a GPU scheduler had in hand; `runs_as` is the driver's fence once it went to the hardware, `needs` are its in-fences."""

    fence: Fence
    pid: int
    name: str
    runs_as: Fence | None
    needs: tuple[Fence, ...]


@dataclass(frozen=True)
class Waits:
    """What one task waits for: a fence, a lock with the pid and the name of who holds it where known, or a work function."""

    fence: Fence | None = None
    lock: str | None = None
    holder: int | None = None
    holder_name: str | None = None
    holder_text: str | None = None  # where nobody can be named: "nobody", "readers"
    work: str | None = None
    ms: int | None = None


@dataclass(frozen=True)
class Table:
    """What tasks wait for, by pid, and the jobs, by the keys of both their fences.

    `in_buffers` are fences of shared buffers that had not signalled: all that a machine without our probe says of fences.
    """

    waits: dict[int, Waits] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    in_buffers: list[Fence] = field(default_factory=list)

    def shown_as(self, fence: Fence) -> Fence:
        """The hardware's fence of the same job, which is what drivers and their tools name; the fence itself where there is none."""
        job = self.jobs.get(fence.key)
        return job.runs_as if job and job.runs_as else fence

    def needed_for(self, fence: Fence) -> tuple[Fence, ...]:
        """The in-fences that the job behind a fence waits for."""
        job = self.jobs.get(fence.key)
        return job.needs if job else ()


def _fence(found: re.Match[str], group: str) -> Fence | None:
    if not found.groupdict().get(group):
        return None
    ago = found.groupdict().get(f"{group}_ago")
    return Fence(found[group], found[f"{group}_name"], int(ago) if ago else None)


def _of_probe(lines: Iterable[str], table: Table) -> None:
    for line in lines:
        if found := _TASK.match(line):
            table.waits[int(found["pid"])] = Waits(
                _fence(found, "fence"), found["lock"], int(found["holder"]) if found["holder"] else None, found["holder_name"],
                found["nobody"], found["work"], int(found["ms"]))
        elif found := _JOB.match(line):
            fence = _fence(found, "fence")
            assert fence
            needs = tuple(need for at in _NEED.finditer(found["needs"]) if (need := _fence(at, "need")))
            job = Job(fence, int(found["pid"]), found["name"], _fence(found, "runs"), needs)
            for key in filter(None, (job.fence, job.runs_as)):
                table.jobs[key.key] = job


def _of_hung_task(lines: Iterable[str], table: Table) -> None:
    for line in lines:
        if found := _BLOCKER.match(line):
            table.waits.setdefault(int(found["pid"]), Waits(lock=found["lock"], holder=int(found["holder"]), holder_name=found["holder_name"]))


def _of_buffers(lines: Iterable[str], table: Table) -> None:
    for line in lines:
        if found := _IN_BUFFER.match(line):
            fence = Fence(f"?:{found['seqno']}", f"{found['driver']}/{found['timeline']}")
            if fence not in table.in_buffers:
                table.in_buffers.append(fence)


def _of_lockdep(holders: Sequence[LockHolder], table: Table, blocked_on_locks: Iterable[int]) -> None:
    """Who waits for a lock has it last in its own list; who has the same one and does not wait for it holds it."""
    tasks = {holder.pid: holder for holder in holders if holder.locks}
    wanted = {pid: tasks[pid].locks[-1] for pid in blocked_on_locks if pid in tasks}
    held: dict[str | None, list[LockHolder]] = defaultdict(list)
    for pid, task in tasks.items():
        for lock in task.locks[:-1] if pid in wanted else task.locks:
            held[lock.address].append(task)
    for pid, lock in wanted.items():
        if lock.address and held[lock.address]:
            holder = held[lock.address][0]
            table.waits.setdefault(pid, Waits(lock=lock.name, holder=holder.pid, holder_name=holder.name))


def read(lines: Iterable[str], holders: Sequence[LockHolder] = (), blocked_on_locks: Iterable[int] = ()) -> Table:
    """What all sources say; what the probe says goes first, and of that the last line on a task.

    `holders` are lockdep's lists of held locks, `blocked_on_locks` pids of tasks whose stacks say that they wait for a lock.
    """
    lines = list(lines)
    table = Table()
    _of_probe(lines, table)
    _of_hung_task(lines, table)
    _of_buffers(lines, table)
    _of_lockdep(holders, table, blocked_on_locks)
    return table
