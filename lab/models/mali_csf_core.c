// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a CSF Mali: registration, and which block a register belongs to.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "mali_csf.h"

static struct mali_csf *mali_csf;

static unsigned int num_as = MALI_NUM_AS;
module_param(num_as, uint, 0444);
MODULE_PARM_DESC(num_as, "Address spaces that there are, 2 to 8: the firmware's and those of VMs, which few make the driver share");

static u32 csf_read_reg(struct gpu_model *gm, u32 reg)
{
	struct mali_csf *csf = to_mali_csf(gm);

	if (reg < GPU_CONTROL_END)
		return csf_gpu_read(csf, reg);
	if (reg >= JOB_INT && reg <= JOB_INT + GPU_MODEL_IRQ_STAT)
		return gpu_model_irq_read(&gm->irqs[CSF_IRQ_JOB], reg - JOB_INT);
	if (reg >= MMU_INT && reg < MMU_AS(MALI_NUM_AS, 0))
		return csf_mmu_read(csf, reg);
	if (reg == CSF_GPU_LATEST_FLUSH_ID)
		return csf->gpu.flush_id;

	gpu_model_unsupported(gm, "read of register 0x%x", reg);
	return 0;
}

static void csf_write_reg(struct gpu_model *gm, u32 reg, u32 val)
{
	struct mali_csf *csf = to_mali_csf(gm);

	if (reg < GPU_CONTROL_END)
		csf_gpu_write(csf, reg, val);
	else if (reg >= JOB_INT && reg <= JOB_INT + GPU_MODEL_IRQ_STAT)
		gpu_model_irq_write(&gm->irqs[CSF_IRQ_JOB], reg - JOB_INT, val);
	else if (reg >= MMU_INT && reg < MMU_AS(MALI_NUM_AS, 0))
		csf_mmu_write(csf, reg, val);
	else if (reg >= CSF_DOORBELL_BASE && reg % CSF_DOORBELL_STRIDE == 0)
		csf_mcu_doorbell(csf, (reg - CSF_DOORBELL_BASE) / CSF_DOORBELL_STRIDE);
	else
		gpu_model_unsupported(gm, "write of 0x%x to register 0x%x", val, reg);
}

static ktime_t csf_work(struct gpu_model *gm)
{
	struct mali_csf *csf = to_mali_csf(gm);
	ktime_t mcu = csf_mcu_work(csf);

	/* What a stream touches may lie in the region that is locked: it waits until that is flushed. */
	if (!csf_mcu_running(csf) || csf_mmu_locked(csf))
		return mcu;
	return min(mcu, csf_groups_work(csf));
}

static void csf_fault_planted(struct gpu_model *gm, unsigned int fault)
{
	struct mali_csf *csf = to_mali_csf(gm);
	u64 value;

	if (fault == CSF_FAULT_DELAY_DOORBELL && gm->faults[fault].nth == 0)
		csf_mcu_end_delays(csf);
	else if (fault == CSF_FAULT_GPU && gpu_model_fault_hit(gm, fault, &value))
		csf_gpu_fault(csf, value);
	else
		csf_groups_fault_planted(csf, fault);
}

static const char *const csf_irqs[] = {
	[CSF_IRQ_JOB] = "job",
	[CSF_IRQ_MMU] = "mmu",
	[CSF_IRQ_GPU] = "gpu",
	NULL
};

static const char *const csf_faults[] = {
	[CSF_FAULT_LOSE_INTERRUPT] = "lose_interrupt",
	[CSF_FAULT_SPURIOUS_INTERRUPT] = "spurious_interrupt",
	[CSF_FAULT_FAIL_BOOT] = "fail_boot",
	[CSF_FAULT_BOOT_INTERFACE] = "boot_interface",
	[CSF_FAULT_REFUSE_HALT] = "refuse_halt",
	[CSF_FAULT_LOSE_PING] = "lose_ping",
	[CSF_FAULT_LOSE_GLOBAL_REQUEST] = "lose_global_request",
	[CSF_FAULT_LOSE_GROUP_REQUEST] = "lose_group_request",
	[CSF_FAULT_DELAY_DOORBELL] = "delay_doorbell",
	[CSF_FAULT_STICK_AS] = "stick_as",
	[CSF_FAULT_STICK_L2] = "stick_l2",
	[CSF_FAULT_LOSE_RESET] = "lose_reset",
	[CSF_FAULT_LOSE_FLUSH] = "lose_flush",
	[CSF_FAULT_GPU] = "gpu_fault",
	[CSF_FAULT_CS_FATAL] = "cs_fatal",
	[CSF_FAULT_CS_FAULT] = "cs_fault",
	[CSF_FAULT_PROGRESS_TIMEOUT] = "progress_timeout",
	[CSF_FAULT_NEVER_FINISH] = "never_finish",
	[CSF_FAULT_DELAY_JOB] = "delay_job",
	[CSF_FAULT_CORRUPT_HEAP] = "corrupt_heap",
	[CSF_FAULT_DELAY_OOM] = "delay_oom",
	[CSF_FAULT_REPEAT_OOM] = "repeat_oom",
	[CSF_FAULT_DELAY_ANSWER] = "delay_answer",
	[CSF_FAULT_BAD_HEAP_STATISTICS] = "bad_heap_statistics",
	[CSF_FAULT_DELAY_EVENT] = "delay_event",
	[CSF_FAULT_REPEAT_EVENT] = "repeat_event",
	[CSF_NUM_FAULTS] = NULL
};

static const char *const csf_counters[] = {
	[CSF_BOOTS] = "boots",
	[CSF_HALTS] = "halts",
	[CSF_RESETS] = "resets",
	[CSF_CACHE_FLUSHES] = "cache_flushes",
	[CSF_PINGS] = "pings",
	[CSF_DOORBELLS] = "doorbells",
	[CSF_USER_DOORBELLS] = "user_doorbells",
	[CSF_AS_ENABLED] = "as_enabled",
	[CSF_MMU_FAULTS] = "mmu_faults",
	[CSF_TLB_HITS] = "tlb_hits",
	[CSF_GROUP_STARTS] = "group_starts",
	[CSF_GROUP_RESUMES] = "group_resumes",
	[CSF_GROUP_SUSPENDS] = "group_suspends",
	[CSF_GROUP_TERMINATIONS] = "group_terminations",
	[CSF_JOBS_STARTED] = "jobs_started",
	[CSF_JOBS_DONE] = "jobs_done",
	[CSF_INSTRUCTIONS] = "instructions",
	[CSF_FATALS] = "fatals",
	[CSF_FAULTS] = "faults",
	[CSF_SYNC_UPDATES] = "sync_updates",
	[CSF_IDLE_EVENTS] = "idle_events",
	[CSF_SYNC_WAITS] = "sync_waits",
	[CSF_HEAP_BLOCKS] = "heap_blocks",
	[CSF_HEAP_BLOCKS_WRONG] = "heap_blocks_wrong",
	[CSF_INCREMENTAL_PASSES] = "incremental_passes",
	[CSF_OOM_RAISED] = "oom_raised",
	[CSF_OOM_RERAISED] = "oom_reraised",
	[CSF_OOM_WAITS] = "oom_waits",
	[CSF_OOM_HANDLER_RUNS] = "oom_handler_runs",
	[CSF_CHUNKS_RECEIVED] = "chunks_received",
	[CSF_CHUNKS_NULL] = "chunks_null",
	[CSF_CHUNKS_DUPLICATE] = "chunks_duplicate",
	[CSF_CHUNKS_NOT_CLEARED] = "chunks_not_cleared",
	[CSF_CHUNKS_LATE] = "chunks_late",
	[CSF_CHUNKS_UNNEEDED] = "chunks_unneeded",
	[CSF_CHUNKS_TAKEN] = "chunks_taken",
	[CSF_CHUNK_LISTS_RETURNED] = "chunk_lists_returned",
	[CSF_OOM_ANSWERED_1MS] = "oom_answered_below_1ms",
	[CSF_OOM_ANSWERED_10MS] = "oom_answered_below_10ms",
	[CSF_OOM_ANSWERED_100MS] = "oom_answered_below_100ms",
	[CSF_OOM_ANSWERED_1S] = "oom_answered_below_1s",
	[CSF_OOM_ANSWERED_LATER] = "oom_answered_later",
	[CSF_OOM_WORST_US] = "oom_answered_worst_us",
	[CSF_NUM_COUNTERS] = NULL
};

static const struct gpu_model_desc csf_desc = {
	.name = "mali-csf",
	.compatible = "arm,mali-valhall-csf",
	.mmio_base = 0x7e00000000ull,
	.mmio_size = CSF_MMIO_SIZE,
	.clock_hz = CSF_CLOCK_HZ,
	.supply = "mali",
	.supply_uv = 800000,
	.irqs = csf_irqs,
	.faults = csf_faults,
	.counters = csf_counters,
	.read = csf_read_reg,
	.write = csf_write_reg,
	.work = csf_work,
	.fault_planted = csf_fault_planted,
};

static int __init mali_csf_init(void)
{
	int ret;

	if (num_as < 2 || num_as > MALI_NUM_AS)
		return -EINVAL;

	mali_csf = vzalloc(sizeof(*mali_csf));
	if (!mali_csf)
		return -ENOMEM;
	mali_csf->num_as = num_as;

	ret = csf_groups_init(mali_csf);
	if (ret)
		goto err_free;
	ret = gpu_model_register(&mali_csf->gm, &csf_desc);
	if (ret)
		goto err_groups;
	return 0;

err_groups:
	csf_groups_fini(mali_csf);
err_free:
	vfree(mali_csf);
	return ret;
}
module_init(mali_csf_init);

static void __exit mali_csf_exit(void)
{
	gpu_model_unregister(&mali_csf->gm);
	csf_groups_fini(mali_csf);
	vfree(mali_csf);
}
module_exit(mali_csf_exit);

MODULE_DESCRIPTION("Software model of a Mali GPU with a command-stream frontend");
MODULE_LICENSE("GPL");
