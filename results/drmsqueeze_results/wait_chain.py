# SPDX-License-Identifier: MIT
"""Who waits for whom, from the stacks of blocked tasks: what each was doing, what it waits for, and whether that closes a circle.

A stack says what a task waits for only as far as its functions do; which task must act for that to happen is knowledge about
the kernel, kept in the tables below. Sources are files of Linux 6.12 unless said otherwise.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drmsqueeze_results.kernel_log import BlockedTask, normalise
from drmsqueeze_results.stack_frames import ALLOCATOR
from drmsqueeze_results.who_waits import Fence, Table, Waits


def _pattern(*names: str) -> re.Pattern[str]:
    return re.compile("^(?:" + "|".join(names) + ")$")


@dataclass(frozen=True)
class _Wait:
    """What a task waits for when the innermost of its telling functions matches."""

    what: str
    pattern: re.Pattern[str]


# Innermost first: the first function of a stack that any of them takes decides.
_WAITS: tuple[_Wait, ...] = (
    _Wait("fence", _pattern(r"dma_fence_\w*wait\w*", r"dma_resv_wait_timeout", r"drm_syncobj_array_wait\w*",
                            r"drm_gem_fence_\w*wait\w*", r"drm_sched_entity_flush")),
    _Wait("kthreadd", _pattern(r"__kthread_create_on_node", r"kthread_create_on_node")),
    _Wait("work", _pattern(r"__?flush_work\w*", r"__?flush_workqueue", r"cancel_\w*work_sync", r"__cancel_work\w*")),
    _Wait("lock", _pattern(r"_{0,2}(?:mutex|ww_mutex|rt_mutex)_\w*lock\w*", r"rwsem_down_\w+", r"down_(?:read|write)\w*",
                           r"__?down\w*", r"dma_resv_lock\w*", r"drm_modeset_lock\w*")),
    # mm/vmscan.c: woken by kswapd alone, once enough is free (pfmemalloc_wait).
    _Wait("kswapd", _pattern(r"throttle_direct_reclaim")),
    _Wait("memory", _pattern(r"reclaim_throttle", r"mempool_alloc\w*", r"congestion_wait",
                             r"mem_cgroup_handle_over_high")),
    _Wait("the disk", _pattern(r"io_schedule\w*", r"folio_wait_bit\w*", r"bit_wait_io", r"wait_on_page_\w+")),
    _Wait("completion", _pattern(r"wait_for_completion\w*", r"__wait_for_common")),
)


@dataclass(frozen=True)
class _Role:
    """What else waits for a task that has this function on its stack: `serves` is the driver whose fences need it, `waited_for_as` what is
    said of those who wait for the task itself."""

    pattern: re.Pattern[str]
    text: str
    serves: str | None = None
    waited_for_as: str | None = None


_ROLES: tuple[_Role, ...] = (
    # panfrost_mmu.c: a job that touched what is not backed stands still until this thread has mapped it.
    _Role(_pattern("panfrost_mmu_irq_handler_thread"), "answers the page faults of the running jobs", "panfrost"),
    _Role(_pattern("panfrost_job_irq_handler_thread"), "signals the fences of jobs that are done", "panfrost"),
    # panfrost_job.c, scheduler/sched_main.c: nothing else ends a job that does not end by itself.
    _Role(_pattern("panfrost_job_timedout", "panfrost_reset", "panfrost_reset_work"), "ends jobs that take too long", "panfrost"),
    _Role(_pattern("panthor_\\w*tick\\w*", "panthor_\\w*oom\\w*", "group_process_tiler_oom"), "answers the firmware", "panthor"),
    _Role(_pattern("lima_sched_timedout_job", "lima_sched_error_work\\w*", "lima_gp_task_recover"), "ends or repairs jobs", "lima"),
    _Role(_pattern("recover_worker", "msm_gpu_\\w*recover\\w*"), "recovers the GPU", "msm"),
    # lib/test_hmm.c, as the pager of the device-fault stressor uses it: our model's jobs wait for it, on panfrost.
    _Role(_pattern("dmirror_fops_unlocked_ioctl"), "provides the page of a device fault", "panfrost"),
    _Role(_pattern("balance_pgdat"), "frees memory in the background", waited_for_as="kswapd"),
    _Role(_pattern("kthreadd"), "makes kernel threads", waited_for_as="kthreadd"),
)

_RECLAIM = _pattern(r"try_to_free_pages", r"try_to_free_mem_cgroup_pages", r"balance_pgdat", r"drop_slab\w*",
                    r"shrinker_debugfs_scan_write")
_SHRINK = _pattern(r"do_shrink_slab")
_NOTIFY = _pattern(r"__mmu_notifier_invalidate_range_start")
_FLUSHES = _pattern(r"__?flush_work\w*", r"flush_delayed_work", r"__?flush_workqueue", r"(?:__)?cancel_\w*work_sync", r"__cancel_work\w*")
# What populates a buffer or answers a page fault: whoever had it done is the one that allocates.
_POPULATES = _pattern(r"drm_gem_shmem_get_pages\w*", r"(?:__)?handle_mm_fault", r"do_anonymous_page")


# A task that is woken runs within this time, also on an emulated CPU that others keep busy; milliseconds.
LOST_AFTER_MS = 1000
MOST_FENCES = 4  # that are named where nobody knows which of them a task waits for


@dataclass(frozen=True)
class Waiter:
    """A blocked task: what it is for, what it was about, and what it waits for.

    `under` is the function that allocates; `reclaim` whether it frees memory to get some; `shrinker` the shrinker's own
    function in which it waits, `notifier` that of an MMU notifier; `serves` the driver whose fences need this task,
    `waited_for_as` what others wait for when they wait for it. `waits_for` comes from the stack, `waits` from who_waits, where that knows the task.
    """

    task: BlockedTask
    role: str | None
    serves: str | None
    waited_for_as: str | None
    under: str | None
    reclaim: bool
    shrinker: str | None
    notifier: str | None
    waits_for: str | None
    waits: Waits | None = None


@dataclass(frozen=True)
class _Edge:
    """Why `to` must act before another task can go on; `fences` are in-fences that lie between, from job to job."""

    to: Waiter
    why: str
    fences: tuple[Fence, ...] = ()


@dataclass(frozen=True)
class Chain:
    """Steps from one blocked task to the next; `closed` when the last waits for the first: nobody in it can ever go on.

    `boxes` is what a picture shows, one under the other, `heads` which of them are tasks or jobs; the others tell of the head above
    them. Without steps the boxes are all that is known.
    """

    steps: tuple[Waiter, ...]
    closed: bool
    boxes: tuple[str, ...] = ()
    heads: frozenset[int] = frozenset({0})


def _first(frames: Sequence[str], pattern: re.Pattern[str]) -> int | None:
    return next((at for at, frame in enumerate(frames) if pattern.match(frame)), None)


def _allocates_under(frames: Sequence[str]) -> str | None:
    """The first function outwards from the reclaim that is not itself part of an allocator."""
    entered = _first(frames, _pattern(r"try_to_free_pages", r"try_to_free_mem_cgroup_pages"))
    if entered is None:
        return None
    allocating = False
    for frame in frames[entered + 1:]:
        if ALLOCATOR.match(frame) or _POPULATES.match(frame):
            allocating = True
        elif allocating:
            return frame
    return None


def _waits_for(frames: Sequence[str]) -> str | None:
    """What the innermost telling function waits for. A completion is only the means of whoever calls it, where that is known."""
    found = [next((wait.what for wait in _WAITS if wait.pattern.match(frame)), None) for frame in frames]
    at = next((at for at, what in enumerate(found) if what), None)
    if at is None:
        return None
    beyond = next((what for what in found[at:] if what != "completion"), None)
    return beyond or found[at]


def waiter(task: BlockedTask, table: Table = Table()) -> Waiter:
    """What the stack of a blocked task says, and what the table says of it."""
    frames = [normalise(frame) for frame in task.frames]
    role = next((role for role in _ROLES if _first(frames, role.pattern) is not None), None)
    waits_for = _waits_for(frames)
    shrink, notify = _first(frames, _SHRINK), _first(frames, _NOTIFY)
    return Waiter(task, role.text if role else None, role.serves if role else None, role.waited_for_as if role else None,
                  _allocates_under(frames), _first(frames, _RECLAIM) is not None,
                  frames[shrink - 1] if shrink else None, frames[notify - 1] if notify else None, waits_for, table.waits.get(task.pid))


def waits_for_lock(tasks: Sequence[BlockedTask]) -> list[int]:
    """The pids of the tasks whose stacks say that they wait for a lock."""
    return [task.pid for task in tasks if waiter(task).waits_for == "lock"]


def _work_of(task: BlockedTask) -> str | None:
    """The work function that a kworker is in: what process_one_work() called."""
    at = _first(task.frames, _pattern("process_one_work"))
    return normalise(task.frames[at - 1]) if at else None


def _flusher(task: BlockedTask) -> str | None:
    """Who waits for a work item to end: the first function outwards that is not the workqueue's own."""
    frames = [normalise(frame) for frame in task.frames]
    flushes = [at for at, frame in enumerate(frames) if _FLUSHES.match(frame)]
    return frames[flushes[-1] + 1] if flushes and flushes[-1] + 1 < len(frames) else None


class _Walker:
    """Knows all blocked tasks and the table, and finds who must act before one of them can go on."""

    def __init__(self, waiters: Sequence[Waiter], table: Table) -> None:
        self._waiters, self._table = waiters, table

    def _behind(self, fence: Fence, seen: tuple[Fence, ...] = ()) -> list[_Edge]:
        """Who must act before the fence signals: through the in-fences of its job, or who serves its driver."""
        edges = [edge for need in self._table.needed_for(fence) if need not in seen for edge in self._behind(need, (*seen, need))]
        if edges:
            return edges
        shown = self._table.shown_as(fence)
        # A container of other fences names no driver.
        nameless = fence.timeline.startswith(("dma_fence_array/", "dma_fence_chain/"))
        return [_Edge(other, f"whose job needs {other.task.name}", tuple(self._table.shown_as(one) for one in seen)) for other in self._waiters
                if other.serves and (nameless or shown.of_driver(other.serves) or fence.of_driver(other.serves))]

    def needed(self, one: Waiter) -> list[_Edge]:
        """The blocked tasks that must act before this one can go on."""
        waits = one.waits or Waits()
        if one.waits_for == "fence" and waits.fence:
            return self._behind(waits.fence) if waits.fence.signalled_ms_ago is None else []
        if one.waits_for == "fence":
            return [_Edge(other, f"whose job needs {other.task.name}") for other in self._waiters if other.serves]
        if one.waits_for in ("kthreadd", "kswapd"):
            return [_Edge(other, f"which is {other.task.name}") for other in self._waiters if other.waited_for_as == one.waits_for]
        if one.waits_for == "lock" and waits.holder is not None:
            return [_Edge(other, "which it holds itself" if other is one else f"which {other.task.name} holds")
                    for other in self._waiters if other.task.pid == waits.holder]
        if one.waits_for == "work":
            workers = [other for other in self._waiters if other is not one and _work_of(other.task)]
            if waits.work:
                workers = [other for other in workers if _work_of(other.task) == normalise(waits.work)]
            else:  # a guess, and none where two would fit: a driver flushes its own work
                family = (_flusher(one.task) or "?").partition("_")[0] + "_"
                fitting = [other for other in workers if (_work_of(other.task) or "").startswith(family)]
                workers = fitting if len(fitting) == 1 else []
            return [_Edge(other, f"which is up to {other.task.name}") for other in workers]
        return []

    def walk(self, path: tuple[Waiter, ...], edges: tuple[_Edge, ...] = ()) -> Chain:
        """The circle that this path leads into, or else the longest way on."""
        best = Chain(path, False, *self._boxes(path, edges))
        wanted = self.needed(path[-1])
        for edge in wanted:
            if edge.to in path:
                begin = path.index(edge.to)
                return Chain(path[begin:], True, *self._boxes(path[begin:], (*edges[begin:], edge)))
        for edge in wanted:
            found = self.walk((*path, edge.to), (*edges, edge))
            if found.closed:
                return found
            if len(found.steps) > len(best.steps):
                best = found
        return best

    def _what(self, one: Waiter) -> str:
        """What a task waits for, as far as it can be named."""
        waits = one.waits or Waits()
        if one.waits_for == "fence":
            if waits.fence:
                return f"fence {self._table.shown_as(waits.fence).text}"
            open_ones = [fence.text for fence in self._table.in_buffers]
            return f"a fence (not signalled in shared buffers: {', '.join(open_ones[:MOST_FENCES])})" if open_ones else "a fence"
        if one.waits_for == "lock":
            if waits.lock is None:
                return "a lock (holder unknown)"
            blocked = any(other.task.pid == waits.holder for other in self._waiters)
            who = waits.holder_name or waits.holder_text or "nobody knows whom"
            return waits.lock if blocked else f"{waits.lock}, held by {who}" + (", which is not blocked" if waits.holder else "")
        if one.waits_for == "work":
            return f"the work {waits.work}" if waits.work else "a work item"
        return one.waits_for or ""

    def _links(self, one: Waiter) -> list[str]:
        links = []
        if one.under:
            links.append(f"allocates under {one.under}")
        if one.reclaim:
            links.append("direct reclaim" if one.under else "reclaim")
        if one.shrinker:
            links.append(f"shrinker {one.shrinker}")
        if one.notifier:
            links.append(f"MMU notifier {one.notifier}")
        if one.waits_for:
            links.append(f"waits for {self._what(one)}")
        return links

    def _boxes(self, path: Sequence[Waiter], edges: Sequence[_Edge]) -> tuple[tuple[str, ...], frozenset[int]]:
        """What a picture of this path shows, and which of it are heads."""
        found: list[str] = []
        heads = set()
        for at, one in enumerate(path):
            heads.add(len(found))
            found += [f"{one.task.name} ({one.role})" if one.role else one.task.name, *self._links(one)]
            if at < len(edges):
                for fence in edges[at].fences:
                    heads.add(len(found))
                    found += ["the job behind that fence, of another device", f"waits for fence {fence.text}, which it was given"]
                found[-1] += f", {edges[at].why}"
        return tuple(found), frozenset(heads)

    def forgotten(self, one: Waiter) -> Chain | None:
        """A task that still waits for a fence that signalled long ago: nobody is left who would wake it."""
        fence = one.waits.fence if one.waits else None
        if fence is None or one.waits_for != "fence" or (fence.signalled_ms_ago or 0) < LOST_AFTER_MS:
            return None
        boxes, _ = self._boxes((one,), ())
        return Chain((one,), False, (*boxes, f"which signalled {(fence.signalled_ms_ago or 0) / 1000:.1f} s before", LOST))


# What tells a lost wake-up from a deadlock: there is no circle to break.
LOST = "nobody holds it up: the wake-up was lost"


def chains(tasks: Sequence[BlockedTask], table: Table = Table()) -> tuple[Chain, ...]:
    """The circles among blocked tasks, each once, and the longest chain where there is none; empty where nobody waits for anybody.

    A task that is in a circle is told there only. Tasks that wait for what has happened already come last.
    """
    waiters = [waiter(task, table) for task in tasks]
    walker = _Walker(waiters, table)
    walks = [walker.walk((one,)) for one in waiters if one.waits_for]
    lost = tuple(chain for one in waiters if (chain := walker.forgotten(one)))
    circles: dict[frozenset[int], Chain] = {}
    for walk in walks:
        if walk.closed:
            circles.setdefault(frozenset(step.task.pid for step in walk.steps), walk)
    if circles:
        # Those first whose role stands first in the table: what a job needs to go on, before what would end it.
        texts = [role.text for role in _ROLES]
        return *sorted(circles.values(), key=lambda chain: texts.index(chain.steps[0].role or "") if chain.steps[0].role else len(texts)), *lost
    longest = max(walks, key=lambda walk: len(walk.steps), default=None)
    return ((longest,) if longest and len(longest.steps) > 1 else ()) + lost


def lost_wakeup(name: str) -> Chain:
    """The chain of a client, named for people, that sleeps although its own agent saw its fence signal."""
    return Chain((), False, (name, "waits for its fence, which has signalled", LOST))


def boxes(chain: Chain) -> tuple[str, ...]:
    """What a picture of the chain shows, box by box; the last points back to the first where the chain is closed."""
    return chain.boxes


def describe(chain: Chain) -> str:
    """The chain in one line."""
    return " → ".join(chain.boxes) + (": a circle, nobody in it can go on" if chain.closed else "")
