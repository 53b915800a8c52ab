# SPDX-License-Identifier: MIT
"""Who waits for whom, from the stacks of blocked tasks: what each was doing, what it waits for, and whether that closes a circle.

A stack says what a task waits for only as far as its functions do; which task must act for that to happen is knowledge about
the kernel, kept in the tables below. Sources are files of Linux 6.12 unless said otherwise.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drmsqueeze_results.kernel_log import BlockedTask, normalise


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
    _Wait("lock", _pattern(r"__?(?:mutex|ww_mutex|rt_mutex)_\w*lock\w*", r"rwsem_down_\w+", r"down_(?:read|write)\w*",
                           r"__?down\w*", r"dma_resv_lock\w*", r"drm_modeset_lock\w*")),
    _Wait("memory", _pattern(r"reclaim_throttle", r"throttle_direct_reclaim", r"mempool_alloc\w*", r"congestion_wait",
                             r"mem_cgroup_handle_over_high")),
    _Wait("the disk", _pattern(r"io_schedule\w*", r"folio_wait_bit\w*", r"bit_wait_io", r"wait_on_page_\w+")),
    _Wait("completion", _pattern(r"wait_for_completion\w*", r"__wait_for_common")),
)


@dataclass(frozen=True)
class _Role:
    """What else waits for a task that has this function on its stack: `serves` is the driver whose fences need it."""

    pattern: re.Pattern[str]
    text: str
    serves: str | None = None
    is_kthreadd: bool = False


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
    _Role(_pattern("balance_pgdat"), "frees memory in the background"),
    _Role(_pattern("kthreadd"), "makes kernel threads", is_kthreadd=True),
)

_RECLAIM = _pattern(r"try_to_free_pages", r"try_to_free_mem_cgroup_pages", r"balance_pgdat", r"drop_slab\w*",
                    r"shrinker_debugfs_scan_write")
_SHRINK = _pattern(r"do_shrink_slab")
_NOTIFY = _pattern(r"__mmu_notifier_invalidate_range_start")
# Functions that every allocation goes through: what stands behind them is who allocates.
_ALLOCATOR = re.compile(
    r"^(?:__)?(?:alloc_pages\w*|alloc_frozen_pages\w*|folio_alloc\w*|get_free_pages\w*|kmalloc\w*|kmem_cache_alloc\w*|"
    r"kvmalloc\w*|vmalloc\w*|vzalloc\w*|vmalloc_node\w*|do_kmalloc\w*|slab_alloc\w*|new_slab|allocate_slab|shmem_\w+|"
    r"___slab_alloc|filemap_\w*alloc\w*|read_cache_\w+|drm_gem_get_pages|drm_gem_shmem_get_pages\w*|krealloc\w*|"
    r"vmemdup_user\w*|memdup_user\w*|sg_alloc_\w+|handle_mm_fault|do_anonymous_page|alloc_anon_folio|vma_alloc_folio\w*)$")


@dataclass(frozen=True)
class Waiter:
    """A blocked task: what it is for, what it was about, and what it waits for.

    `under` is the function that allocates; `reclaim` whether it frees memory to get some; `shrinker` the shrinker's own
    function in which it waits, `notifier` that of an MMU notifier; `serves` the driver whose fences need this task.
    """

    task: BlockedTask
    role: str | None
    serves: str | None
    is_kthreadd: bool
    under: str | None
    reclaim: bool
    shrinker: str | None
    notifier: str | None
    waits_for: str | None


@dataclass(frozen=True)
class Chain:
    """Steps from one blocked task to the next; `closed` when the last waits for the first: nobody in it can ever go on."""

    steps: tuple[Waiter, ...]
    closed: bool


def _first(frames: Sequence[str], pattern: re.Pattern[str]) -> int | None:
    return next((at for at, frame in enumerate(frames) if pattern.match(frame)), None)


def _allocates_under(frames: Sequence[str]) -> str | None:
    """The first function outwards from the reclaim that is not itself part of an allocator."""
    entered = _first(frames, _pattern(r"try_to_free_pages", r"try_to_free_mem_cgroup_pages"))
    if entered is None:
        return None
    allocating = False
    for frame in frames[entered + 1:]:
        if _ALLOCATOR.match(frame):
            allocating = True
        elif allocating:
            return frame
    return None


def waiter(task: BlockedTask) -> Waiter:
    """What the stack of a blocked task says."""
    frames = [normalise(frame) for frame in task.frames]
    role = next((role for role in _ROLES if _first(frames, role.pattern) is not None), None)
    waits = next((wait.what for frame in frames for wait in _WAITS if wait.pattern.match(frame)), None)
    shrink, notify = _first(frames, _SHRINK), _first(frames, _NOTIFY)
    return Waiter(task, role.text if role else None, role.serves if role else None, bool(role and role.is_kthreadd),
                  _allocates_under(frames), _first(frames, _RECLAIM) is not None,
                  frames[shrink - 1] if shrink else None, frames[notify - 1] if notify else None, waits)


def _needed(waits: Waiter, all_of_them: Sequence[Waiter]) -> list[Waiter]:
    """The blocked tasks that must act before this one can go on."""
    if waits.waits_for == "fence":
        return [other for other in all_of_them if other.serves]
    if waits.waits_for == "kthreadd":
        return [other for other in all_of_them if other.is_kthreadd]
    return []


def _walk(path: list[Waiter], all_of_them: Sequence[Waiter]) -> Chain:
    best = Chain(tuple(path), False)
    wanted = _needed(path[-1], all_of_them)
    closing = next((step for step in path if step in wanted), None)
    if closing:
        return Chain(tuple(path[path.index(closing):]), True)
    for needed in wanted:
        found = _walk([*path, needed], all_of_them)
        if found.closed:
            return found
        if len(found.steps) > len(best.steps):
            best = found
    return best


def chains(tasks: Sequence[BlockedTask]) -> tuple[Chain, ...]:
    """The circles among blocked tasks, each once, and the longest chain where there is none; empty where nobody waits.

    A task that is in a circle is told there only.
    """
    waiters = [waiter(task) for task in tasks]
    walks = [_walk([one], waiters) for one in waiters if one.waits_for]
    circles: dict[frozenset[int], Chain] = {}
    for walk in walks:
        if walk.closed:
            circles.setdefault(frozenset(step.task.pid for step in walk.steps), walk)
    if circles:
        # Those first whose role stands first in the table: what a job needs to go on, before what would end it.
        texts = [role.text for role in _ROLES]
        return tuple(sorted(circles.values(), key=lambda chain: texts.index(chain.steps[0].role or "") if chain.steps[0].role else len(texts)))
    longest = max(walks, key=lambda walk: len(walk.steps), default=None)
    return (longest,) if longest and len(longest.steps) > 1 else ()


def _links(step: Waiter) -> list[str]:
    links = []
    if step.under:
        links.append(f"allocates under {step.under}")
    if step.reclaim:
        links.append("reclaim")
    if step.shrinker:
        links.append(f"shrinker {step.shrinker}")
    if step.notifier:
        links.append(f"MMU notifier {step.notifier}")
    if step.waits_for:
        links.append(f"waits for {'a fence' if step.waits_for == 'fence' else step.waits_for}")
    return links


def _name(step: Waiter) -> str:
    return f"{step.task.name} ({step.role})" if step.role else step.task.name


def boxes(chain: Chain) -> tuple[str, ...]:
    """What a picture of the chain shows, box by box; the last points back to the first where the chain is closed."""
    found = []
    for step, following in zip(chain.steps, [*chain.steps[1:], chain.steps[0] if chain.closed else None]):
        found += [_name(step), *_links(step)]
        if following:
            why = {"fence": f"whose job needs {following.task.name}", "kthreadd": f"which is {following.task.name}"}
            found[-1] += f", {why.get(step.waits_for or '', f'which is up to {following.task.name}')}"
    return tuple(found)


def describe(chain: Chain) -> str:
    """The chain in one line."""
    return " → ".join(boxes(chain)) + (": a circle, nobody in it can go on" if chain.closed else "")
