# SPDX-License-Identifier: MIT
"""Who waits for whom: circles are found in stacks that have one, and nowhere else."""

from drmsqueeze_results.kernel_log import BlockedTask
from drmsqueeze_results.wait_chain import boxes, chains, describe, waiter

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
        "irq/25-panfrost (answers the page faults of the running jobs)", "allocates under panfrost_mmu_map_fault_addr", "reclaim",
        "shrinker trap_scan", "waits for a fence, whose job needs irq/25-panfrost")
    assert describe(chain).endswith("a circle, nobody in it can go on")


def test_a_circle_over_two_tasks_is_told_once() -> None:
    """The worker cannot be made before kthreadd is back, kthreadd waits for a fence, and the fence for the fault handler that waits for ..."""
    handler = ("__schedule", "__kthread_create_on_node", "kthread_create_on_node", "create_worker", "panfrost_mmu_irq_handler_thread")
    kthreadd = (*IN_SHRINKER, "copy_process", "kernel_clone", "kernel_thread", "kthreadd")
    (chain,) = chains([task("kthreadd", 2, *kthreadd), task("irq/25-panfrost", 59, *handler)])
    assert chain.closed and {step.task.pid for step in chain.steps} == {2, 59}
    assert any(box.endswith("which is kthreadd") for box in boxes(chain))


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
        "pager (provides the page of a device fault)", "allocates under hmm_vma_fault", "reclaim", "shrinker trap_scan",
        "waits for a fence, whose job needs pager")
    moves = (*WAITS_FOR_FENCE, "trap_catch", "trap_invalidate", "__mmu_notifier_invalidate_range_start", "migrate_vma_setup",
             "dmirror_migrate_to_device.constprop.0", *DEVICE)
    (chain,) = chains([task("pager", 75, *moves)])
    assert chain.closed
    assert boxes(chain)[1:] == ("MMU notifier trap_invalidate", "waits for a fence, whose job needs pager")
