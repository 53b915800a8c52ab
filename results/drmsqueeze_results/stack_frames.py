# SPDX-License-Identifier: MIT
"""Functions on a kernel stack that never name a bug: every task that waits, allocates, crashes or is reported has them.

Of x86, arm64 and 32-bit arm, under their names of Linux 5.10 to 6.19. A compiler's suffixes are already gone.
"""

import re

_WAIT = (
    r"__schedule", r"schedule", r"schedule_\w+", r"io_schedule\w*", r"preempt_schedule\w*", r"__switch_to\w*", r"__cond_resched\w*",
    r"wait_(?:for|on|woken)\w*", r"__wait_\w+", r"do_wait_\w+", r"out_of_line_wait_\w+", r"bit_wait\w*", r"folio_wait_bit\w*",
    r"dma_fence_\w*wait\w*", r"dma_resv_wait_timeout\w*", r"msleep\w*", r"usleep_range\w*", r"_{0,3}flush_work\w*",
    r"_{0,3}flush_workqueue",
    r"_{0,3}cancel_\w*work\w*", r"kthread_(?:stop|park)", r"_{0,3}synchronize_\w+", r"do_nanosleep",
)
_LOCK = (
    r"_{1,3}(?:mutex|rwsem|down|rt_mutex|ww_mutex|percpu_down)\w*", r"(?:mutex|down|rwsem|ww_mutex|rt_mutex|rt_spin|rtlock|rwbase)_\w+",
    r"_raw_\w+", r"do_raw_\w+", r"__raw_\w+", r"queued_\w+", r"native_\w+", r"__pv_\w+", r"dma_resv_lock\w*", r"drm_modeset_lock\w*",
    r"_{0,3}lock_acquire", r"lock_release", r"_{0,3}(?:folio|page)_lock\w*", r"lock_page\w*",
)
_REPORT = (
    r"dump_stack\w*", r"__dump_stack", r"dump_backtrace\w*", r"show_stack\w*", r"show_regs", r"unwind_backtrace", r"_{0,3}might_\w+",
    r"__warn\w*", r"warn_\w+", r"report_bug", r"handle_bug", r"bug_handler", r"call_break_hook", r"brk_handler", r"do_debug_exception",
    r"panic", r"vpanic", r"die", r"__die\w*", r"die_kernel_fault", r"oops_\w+", r"page_fault_oops", r"no_context", r"bad_area\w*",
    r"__bad_area\w*", r"kernelmode_fixup_or_oops", r"__do_kernel_fault", r"do_(?:user_addr|page|kern_addr|translation)_fault",
    r"do_(?:mem|DataAbort|PrefetchAbort)\w*", r"do_bad_area", r"print_\w+", r"kasan_\w+", r"__kasan_\w+", r"__asan_\w+",
    r"_{0,3}check_(?:region|memory_region)\w*", r"mem(?:cpy|set|move)", r"__mem(?:cpy|set|move)", r"refcount_warn_saturate",
    r"__list_(?:add|del)\w*", r"debug_print_object", r"_{0,3}debug_(?:object|check)\w*", r"watchdog\w*", r"_{0,3}hrtimer\w*",
    r"_{0,3}should_fail\w*", r"fail_dump", r"check_noncircular", r"check_prev_\w+", r"validate_chain", r"mark_lock\w*", r"mark_usage",
    r"lockdep_\w+", r"rcu_(?:dump|sched_clock|check_gp)\w*", r"update_process_times", r"tick_\w+", r"nmi_\w+", r"bad_page",
    r"check_\w+_and_report", r"check_(?:object|slab)", r"object_err", r"slab_(?:err|bug|fix)", r"free_(?:debug|consistency|to_partial)\w*",
    r"k(?:v|mem_cache_)?free\w*",
)
_ENTRY = (
    r"asm_\w+", r"exc_\w+", r"sysvec_\w+", r"__sysvec_\w+", r"el[01]t?h?_\w+", r"el[01]_\w+", r"__(?:irq|dabt|pabt|und)_(?:svc|usr)",
    r"vector_\w+",
    r"ret_from_fork\w*", r"ret_fast_syscall", r"kthread", r"worker_thread", r"process_one_work", r"process_scheduled_works",
    r"irq_thread\w*",
    # Where a function with a return probe returns to; its address less one, which %pB looks up, lies in the function before it.
    r"arch_rethook_trampoline", r"trace_clock_xN_tsc",
    r"smpboot_thread_fn", r"do_syscall_\w+", r"entry_\w+", r"invoke_syscall\w*", r"do_el0_svc\w*", r"x64_sys_call",
    r"__(?:x64|arm64|se|do|ia32|compat)_sys_\w+", r"ksys_\w+", r"sys_\w+", r"drm_ioctl\w*", r"vfs_ioctl", r"__do_softirq",
    r"handle_softirqs",
    r"_{0,3}irq_exit\w*", r"gic_handle_irq", r"generic_handle_\w+", r"handle_irq_\w+", r"handle_\w*_irq", r"call_on_(?:irq_)?stack",
    r"do_interrupt_handler", r"secondary_startup_\w+", r"start_kernel",
)
# Functions that every allocation goes through.
_ALLOCATE = (
    r"_{0,3}alloc_pages\w*", r"_{0,3}alloc_frozen_pages\w*", r"get_page_from_freelist", r"_{0,3}folio_alloc\w*", r"_{0,3}get_free_pages\w*",
    r"_{0,3}(?:do_)?k[mcz]alloc\w*", r"_{0,3}kmem_cache_alloc\w*", r"_{0,3}kv[mz]alloc\w*", r"_{0,3}v[mz]alloc\w*", r"krealloc\w*",
    r"_{0,3}slab_alloc\w*", r"new_slab", r"allocate_slab", r"refill_\w+", r"filemap_alloc_folio\w*",
)
# What allocates for its caller, who is the one that wanted the memory.
_ALLOCATE_FOR_OTHERS = (
    r"shmem_\w+", r"filemap_\w*alloc\w*", r"read_cache_\w+", r"sg_alloc_\w+", r"xas_alloc\w*", r"kmemdup\w*", r"v?memdup_user\w*",
    r"_{0,3}krealloc\w*", r"do_vmalloc\w*", r"alloc_anon_folio", r"vma_alloc_folio\w*", r"prepare_alloc_pages", r"kmemleak_alloc\w*",
    r"drm_gem_get_pages",
)
_RECLAIM = (
    r"(?:do_)?try_to_free_(?:mem_cgroup_)?pages", r"shrink_(?:node|slab|lruvec|list|one|many|inactive|active|folio|page|zones)\w*",
    r"do_shrink_slab", r"shrinker_debugfs_scan_write", r"reclaim_throttle", r"throttle_direct_reclaim", r"balance_pgdat", r"kswapd",
    r"try_to_shrink_lruvec", r"evict_folios", r"congestion_wait", r"out_of_memory", r"oom_kill_process", r"_{0,3}perform_reclaim",
    r"try_charge\w*", r"charge_memcg", r"mem_cgroup_(?:out|charge|handle|css)\w*", r"_{0,3}mem_cgroup_charge\w*",
)



def _any_of(*names: str) -> re.Pattern[str]:
    return re.compile(r"^(?:" + "|".join(names) + r")$")


ALLOCATOR = _any_of(*_ALLOCATE, *_ALLOCATE_FOR_OTHERS)
"""Functions between reclaim, or the lock validator, and who wants memory."""
FRAMES_THAT_NAME_NOTHING = _any_of(*_WAIT, *_LOCK, *_REPORT, *_ENTRY, *_ALLOCATE, *_RECLAIM)
