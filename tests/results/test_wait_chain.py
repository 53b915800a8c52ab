# SPDX-License-Identifier: MIT
"""Who waits for whom: circles are found in stacks that have one, and nowhere else."""

from pathlib import Path

import pytest
from drmsqueeze_results import fates
from drmsqueeze_results.chain_picture import LINE_CHARACTERS, picture
from drmsqueeze_results.kernel_log import BlockedTask, blocked_tasks, read_lines
from drmsqueeze_results.lockdep import held_locks
from drmsqueeze_results.wait_chain import LOST, boxes, chains, describe, lost_wakeup, waiter
from drmsqueeze_results.who_waits import Table, Waits, read

WAITS_FOR_FENCE = ("__schedule", "schedule", "schedule_timeout", "dma_fence_default_wait", "dma_fence_wait_timeout")
IN_SHRINKER = (*WAITS_FOR_FENCE, "trap_scan", "do_shrink_slab", "shrink_slab", "shrink_node", "do_try_to_free_pages", "try_to_free_pages",
               "__alloc_pages_slowpath.constprop.0", "__alloc_pages_noprof", "__folio_alloc_noprof", "shmem_alloc_and_add_folio",
               "shmem_get_folio_gfp", "shmem_read_mapping_page_gfp")
FAULT_HANDLER = (*IN_SHRINKER, "panfrost_mmu_map_fault_addr", "panfrost_mmu_irq_handler_thread", "irq_thread_fn", "irq_thread", "kthread")


def task(name: str, pid: int, *frames: str) -> BlockedTask:
    return BlockedTask(name, "D", pid, 1.0, True, frames)


def test_a_fault_handler_that_waits_for_the_job_it_serves_is_a_circle() -> None:
    (chain,) = chains([task("irq/25-panfrost", 59, *FAULT_HANDLER), task("client", 70, *WAITS_FOR_FENCE, "drm_syncobj_array_wait_timeout")])
    assert chain.closed
    assert boxes(chain) == (
        "irq/25-panfrost (answers the page faults of the running jobs)", "allocates under panfrost_mmu_map_fault_addr", "direct reclaim",
        "shrinker trap_scan", "waits for a fence, whose job needs irq/25-panfrost")
    assert describe(chain).endswith("a circle, nobody in it can go on")


def test_a_circle_over_two_tasks_is_told_once() -> None:
    """The worker cannot be made before kthreadd is back, kthreadd waits for a fence, and the fence for the fault handler that waits for ..."""
    handler = ("__schedule", "__kthread_create_on_node", "kthread_create_on_node", "create_worker", "panfrost_mmu_irq_handler_thread")
    kthreadd = (*IN_SHRINKER, "copy_process", "kernel_clone", "kernel_thread", "kthreadd")
    (chain,) = chains([task("kthreadd", 2, *kthreadd), task("irq/25-panfrost", 59, *handler)])
    assert chain.closed and {step.task.pid for step in chain.steps} == {2, 59}
    assert any(box.endswith("which is kthreadd") for box in boxes(chain))


def test_chain_through_kswapd() -> None:
    """A pager that is throttled waits for kswapd, kswapd for a fence, and the fence for the pager's page."""
    pager = ("throttle_direct_reclaim", "try_to_free_pages", "__alloc_pages_slowpath", "handle_mm_fault", "dmirror_fops_unlocked_ioctl")
    kswapd = (*IN_SHRINKER, "shrink_node", "balance_pgdat", "kswapd", "kthread")
    (chain,) = chains([task("drmsq-client", 93, *pager), task("kswapd0", 38, *kswapd)])
    assert chain.closed and {step.task.pid for step in chain.steps} == {93, 38}
    assert any(box.endswith("which is kswapd0") for box in boxes(chain)), boxes(chain)
    assert not any(chain.closed for chain in chains([task("drmsq-client", 93, *pager)]))


def test_the_fault_handler_comes_before_the_timeout_worker() -> None:
    worker = (*IN_SHRINKER[:-3], "__vmalloc_node_range_noprof", "__vmalloc_noprof", "panfrost_core_dump", "panfrost_reset", "panfrost_job_timedout",
              "drm_sched_job_timedout", "process_one_work")
    found = chains([task("kworker/u8:0", 11, *worker), task("irq/25-panfrost", 59, *FAULT_HANDLER)])
    assert [chain.steps[0].task.name for chain in found] == ["irq/25-panfrost", "kworker/u8:0"]
    assert waiter(found[1].steps[0].task).under == "panfrost_core_dump"


def test_no_circle_where_what_is_waited_for_goes_on() -> None:
    """Somebody waits for a fence, and whoever serves that fence is not blocked: slow, or lost, but no circle."""
    assert chains([task("client", 70, *WAITS_FOR_FENCE, "drm_syncobj_array_wait_timeout"), task("kswapd0", 37, *IN_SHRINKER[:9], "balance_pgdat")]) == ()
    assert chains([task("irq/25-panfrost", 59, "__schedule", "io_schedule", "folio_wait_bit_common", "panfrost_mmu_irq_handler_thread")]) == ()
    assert chains([]) == ()


def test_a_chain_that_ends_is_told_as_one_that_ends() -> None:
    (chain,) = chains([task("client", 70, *WAITS_FOR_FENCE), task("irq/25-panfrost", 59, "__schedule", "io_schedule", "panfrost_mmu_irq_handler_thread")])
    assert not chain.closed
    assert boxes(chain)[-1] == "waits for the disk"


DEVICE = ("dmirror_fops_unlocked_ioctl", "__x64_sys_ioctl")


def test_a_pager_that_waits_for_a_job_behind_its_own_is_a_circle() -> None:
    reclaims = (*IN_SHRINKER[:14], "__handle_mm_fault", "handle_mm_fault", "hmm_vma_fault.isra.0", "hmm_range_fault", "dmirror_fault", *DEVICE)
    (chain,) = chains([task("pager", 75, *reclaims)])
    assert chain.closed
    assert boxes(chain) == (
        "pager (provides the page of a device fault)", "allocates under hmm_vma_fault", "direct reclaim", "shrinker trap_scan",
        "waits for a fence, whose job needs pager")
    moves = (*WAITS_FOR_FENCE, "trap_catch", "trap_invalidate", "__mmu_notifier_invalidate_range_start", "migrate_vma_setup",
             "dmirror_migrate_to_device.constprop.0", *DEVICE)
    (chain,) = chains([task("pager", 75, *moves)])
    assert chain.closed
    assert boxes(chain)[1:] == ("MMU notifier trap_invalidate", "waits for a fence, whose job needs pager")


def table(*lines: str) -> Table:
    return read(lines)


def test_the_fence_and_the_job_behind_it_are_named() -> None:
    known = table("drmsqueeze waits: task 59 [irq/25-panfrost] 6023 ms fence 18:1 panfrost/pan_js",
                  "drmsqueeze waits: job 18:1 panfrost/pan_js of 70 [drmsq-client] runs as 5:812 panfrost/panfrost-js-1")
    (chain,) = chains([task("irq/25-panfrost", 59, *FAULT_HANDLER)], known)
    assert chain.closed
    assert boxes(chain) == (
        "irq/25-panfrost (answers the page faults of the running jobs)", "allocates under panfrost_mmu_map_fault_addr", "direct reclaim",
        "shrinker trap_scan", "waits for fence panfrost-js-1#812, whose job needs irq/25-panfrost")


def test_without_the_probe_the_fences_that_had_not_signalled_are_named() -> None:
    """Lines of dma_buf/bufinfo."""
    known = table("00004096\t00000000\t00080005\t00000003\tdrm\t00000005\t<none>", "\twrite fence:drm_sched pan_js seq 13 unsignalled",
                  "\tread fence:drm_sched pan_js seq 13 unsignalled", "\twrite fence:sw_sync drmsq-client seq 1 signalled")
    (chain,) = chains([task("irq/25-panfrost", 59, *FAULT_HANDLER)], known)
    assert boxes(chain)[-1] == "waits for a fence (not signalled in shared buffers: pan_js#13), whose job needs irq/25-panfrost"


def test_a_fence_of_a_driver_that_nobody_here_serves_closes_no_circle() -> None:
    known = table("drmsqueeze waits: task 59 [irq/25-panfrost] 6023 ms fence 18:1 vgem/unbound")
    assert chains([task("irq/25-panfrost", 59, *FAULT_HANDLER)], known) == ()


def test_a_circle_through_the_job_of_another_device() -> None:
    waits = "drmsqueeze waits: task 59 [irq/25-panfrost] 6023 ms fence 40:1 trap-device/trap-device"
    behind = "drmsqueeze waits: job 40:1 trap-device/trap-device of 68 [trap_device] needs 18:1 panfrost/pan_js"
    panfrost = "drmsqueeze waits: job 18:1 panfrost/pan_js of 70 [drmsq-client] runs as 5:812 panfrost/panfrost-js-1"
    (chain,) = chains([task("irq/25-panfrost", 59, *FAULT_HANDLER)], table(waits, behind, panfrost))
    assert chain.closed
    assert boxes(chain)[-3:] == ("waits for fence trap-device#1", "the job behind that fence, of another device",
                                 "waits for fence panfrost-js-1#812, which it was given, whose job needs irq/25-panfrost")
    # The same without the in-fence: the other device's job will end.
    assert chains([task("irq/25-panfrost", 59, *FAULT_HANDLER)], table(waits, behind.partition(" needs")[0], panfrost)) == ()


IN_LOCK = ("__schedule", "schedule", "schedule_preempt_disabled", "__mutex_lock.constprop.0", "__mutex_lock_slowpath", "mutex_lock",
           "panfrost_gem_shrinker_count", "do_shrink_slab", "shrink_slab", "try_to_free_pages", "__alloc_pages_noprof", "__vmalloc_noprof",
           "panfrost_job_timedout", "drm_sched_job_timedout", "process_one_work", "worker_thread")


def test_a_lock_leads_to_who_holds_it() -> None:
    handler = ("__schedule", "schedule", "__mutex_lock.constprop.0", "__mutex_lock_slowpath", "mutex_lock", "panfrost_mmu_irq_handler_thread")
    tasks = [task("irq/25-panfrost", 59, *handler), task("kworker/u8:0", 11, *IN_LOCK)]
    known = table("task 59 [irq/25-panfrost] 10 ms lock mutex held by 11 [kworker/u8:0]", "task 11 [kworker/u8:0] 12 ms lock mutex held by 11 [kworker/u8:0]")
    (chain,) = chains(tasks, known)
    assert chain.closed and [step.task.pid for step in chain.steps] == [11]
    assert boxes(chain)[-1] == "waits for mutex, which it holds itself"

    assert chains(tasks) == (), "without the table nobody knows who holds it"
    (chain,) = chains([*tasks, task("client", 70, *WAITS_FOR_FENCE)])
    assert not chain.closed and boxes(chain)[-1] == "waits for a lock (holder unknown)"


def test_who_holds_a_lock_is_known_from_the_hung_task_report_too() -> None:
    """The lines of kernel/hung_task.c, 6.16 and later."""
    known = table("INFO: task kworker/u8:0:11 is blocked on a mutex likely owned by task irq/25-panfrost:59.",
                  "INFO: task client:70 is blocked on a mutex, but the owner is not found.",
                  "INFO: task khugepaged:45 <reader> blocked on an rw-semaphore likely owned by task drmsq-client:71 <writer>")
    assert known.waits[11].holder == 59 and known.waits[11].holder_name == "irq/25-panfrost"
    assert 70 not in known.waits
    assert known.waits[45].lock == "rw-semaphore" and known.waits[45].holder == 71


LOCKDEP = """Showing all locks held in the system:
2 locks held by kworker/u8:0/11:
 #0: ffff888003c52948 ((wq_completion)panfrost){+.+.}-{0:0}, at: process_one_work+0x1c4/0x4a0
 #1: ffff888004f1a0a8 (&pfdev->shrinker_lock){+.+.}-{3:3}, at: panfrost_job_timedout+0x3c/0x1a0 [panfrost]
2 locks held by irq/25-panfrost/59:
 #0: ffffffff824d1f40 (fs_reclaim){+.+.}-{0:0}, at: __alloc_pages_slowpath.constprop.0+0x2f8/0xb90
 #1: ffff888004f1a0a8 (&pfdev->shrinker_lock){+.+.}-{3:3}, at: panfrost_gem_shrinker_count+0x25/0x80 [panfrost]

=============================================
"""


def test_who_holds_a_lock_is_known_from_lockdep_too() -> None:
    holders = held_locks(read_lines(LOCKDEP))
    assert read((), holders, [59]).waits == {59: Waits(lock="&pfdev->shrinker_lock", holder=11, holder_name="kworker/u8:0")}
    assert read((), holders).waits == {}, "who does not wait holds all that it lists"


def test_work_leads_to_the_worker_that_is_in_it() -> None:
    flushes = ("__schedule", "schedule", "schedule_timeout", "__wait_for_common", "wait_for_completion", "__flush_work", "cancel_delayed_work_sync",
               "drm_sched_stop", "panfrost_reset", "process_one_work", "worker_thread")
    worker = (*WAITS_FOR_FENCE, "panfrost_job_timedout", "drm_sched_job_timedout", "process_one_work", "worker_thread")
    tasks = [task("kworker/0:1", 20, *flushes), task("kworker/u8:0", 11, *worker), task("kworker/u8:3", 12, *WAITS_FOR_FENCE, "other_work", "process_one_work")]
    for known in (table(), table("task 20 [kworker/0:1] 900 ms work drm_sched_job_timedout [gpu_sched]")):
        (chain,) = [chain for chain in chains(tasks, known) if chain.closed and len(chain.steps) == 2]
        assert {step.task.pid for step in chain.steps} == {20, 11}
        assert any(box.endswith("which is up to kworker/u8:0") for box in boxes(chain))
    assert not any(len(chain.steps) == 2 for chain in chains(tasks, table("task 20 [kworker/0:1] 900 ms work vanished_work")))


def test_a_lost_wake_up_is_told_from_a_deadlock() -> None:
    forgotten = "task 59 [irq/25-panfrost] 6023 ms fence 18:1 ?/? signalled {} ms ago"
    (chain,) = chains([task("irq/25-panfrost", 59, *FAULT_HANDLER)], table(forgotten.format(5000)))
    assert not chain.closed
    assert boxes(chain)[-3:] == ("waits for fence #18:1", "which signalled 5.0 s before", LOST)
    assert chains([task("irq/25-panfrost", 59, *FAULT_HANDLER)], table(forgotten.format(3))) == (), "it is about to wake"
    assert describe(lost_wakeup("the client of job 1")) == f"the client of job 1 → waits for its fence, which has signalled → {LOST}"


def test_the_picture_has_room_for_long_names_and_closes_the_circle() -> None:
    known = table("task 59 [irq/25-panfrost] 6023 ms fence 18:1 panfrost/" + "x" * 200)
    (chain,) = chains([task("irq/25-panfrost", 59, *FAULT_HANDLER)], known)
    drawn = picture(chain)
    assert drawn.closed and "circle" in drawn.caption
    assert all(len(line) <= LINE_CHARACTERS for box in drawn.boxes for line in box.lines)
    assert len(drawn.boxes[-1].lines) > 1
    assert all(above.y + above.height < below.y for above, below in zip(drawn.boxes, drawn.boxes[1:])), "no two boxes overlap"
    assert all(box.y < y < box.y + box.height for box in drawn.boxes for y, _ in box.baselines)
    assert [box.head for box in drawn.boxes] == [True] + [False] * (len(drawn.boxes) - 1)
    assert picture(lost_wakeup("a client")).caption.startswith("No circle")


RECORDED = Path(__file__).parents[1] / "data" / "wait_chains"


@pytest.mark.parametrize("name, first, last", [
    ("shrinker-waits-for-other-device", "irq/25-panfrost (answers the page faults of the running jobs)",
     "waits for fence panfrost-js-1#1, which it was given, whose job needs irq/25-panfrost"),
    ("timeout-lock", "kworker/u8:0 (ends jobs that take too long)", "waits for mutex, which it holds itself"),
])
def test_chains_of_real_lock_ups(name: str, first: str, last: str) -> None:
    """What the console of runs of these traps said after sysrq-w."""
    lines = read_lines((RECORDED / f"{name}.log").read_text())
    chain = chains(blocked_tasks(lines), read(line.text for line in lines))[0]
    assert chain.closed and (chain.boxes[0], chain.boxes[-1]) == (first, last), describe(chain)


def test_the_agent_and_the_judge_have_one_word_for_a_lost_wake_up() -> None:
    assert f'"{fates.LOST_WAKEUP}"' in (Path(__file__).parents[2] / "agent/job_table.cc").read_text()
