// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a Mali with a Job Manager: registration, and which block a register belongs to.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "mali_jm.h"

static struct mali_jm *mali_jm;

static u32 mali_jm_read(struct gpu_model *gm, u32 reg)
{
	struct mali_jm *jm = to_mali_jm(gm);

	if (reg < GPU_CONTROL_END)
		return mali_gpu_read(jm, reg);
	if (reg < MMU_INT)
		return mali_js_read(jm, reg);
	return mali_mmu_read(jm, reg);
}

static void mali_jm_write(struct gpu_model *gm, u32 reg, u32 val)
{
	struct mali_jm *jm = to_mali_jm(gm);

	if (reg < GPU_CONTROL_END)
		mali_gpu_write(jm, reg, val);
	else if (reg < MMU_INT)
		mali_js_write(jm, reg, val);
	else
		mali_mmu_write(jm, reg, val);
}

static ktime_t mali_jm_work(struct gpu_model *gm)
{
	return mali_js_work(to_mali_jm(gm));
}

static void mali_jm_fault_planted(struct gpu_model *gm, unsigned int fault)
{
	if (fault == MALI_FAULT_DELAY_JOB && gm->faults[fault].nth == 0)
		mali_js_end_delays(to_mali_jm(gm));
}

static u64 mali_jm_device_fault(struct gpu_model *gm)
{
	return mali_shared_fault(to_mali_jm(gm));
}

static bool mali_jm_device_fault_resolve(struct gpu_model *gm, u64 va)
{
	return mali_shared_resolve(to_mali_jm(gm), va);
}

static const char *const mali_jm_irqs[] = {
	[MALI_IRQ_JOB] = "job",
	[MALI_IRQ_MMU] = "mmu",
	[MALI_IRQ_GPU] = "gpu",
	NULL
};

static const char *const mali_jm_faults[] = {
	[MALI_FAULT_LOSE_INTERRUPT] = "lose_interrupt",
	[MALI_FAULT_NEVER_FINISH] = "never_finish",
	[MALI_FAULT_FINISH_WITH_STATUS] = "finish_with_status",
	[MALI_FAULT_DELAY_JOB] = "delay_job",
	[MALI_FAULT_CORRUPT_WRITE] = "corrupt_write",
	[MALI_FAULT_PREEMPT_DEVICE_FAULT] = "preempt_device_fault",
	NULL
};

static const char *const mali_jm_counters[] = {
	[MALI_JOBS_STARTED] = "jobs_started",
	[MALI_JOBS_DONE] = "jobs_done",
	[MALI_JOBS_FAILED] = "jobs_failed",
	[MALI_DESCRIPTORS] = "descriptors",
	[MALI_WRITES] = "writes",
	[MALI_FAULTS_RAISED] = "faults_raised",
	[MALI_FAULTS_RESOLVED] = "faults_resolved",
	[MALI_RESETS] = "resets",
	[MALI_SOFT_STOPS] = "soft_stops",
	[MALI_HARD_STOPS] = "hard_stops",
	[MALI_TLB_HITS] = "tlb_hits",
	[MALI_DEVICE_FAULTS_RAISED] = "device_faults_raised",
	[MALI_DEVICE_FAULTS_RESOLVED] = "device_faults_resolved",
	NULL
};

static const struct gpu_model_desc mali_jm_desc = {
	.name = "mali-jm",
	.compatible = "arm,mali-t860",
	.mmio_base = 0x7f00000000ull,
	.mmio_size = MALI_JM_MMIO_SIZE,
	.clock_hz = MALI_CLOCK_HZ,
	.irqs = mali_jm_irqs,
	.faults = mali_jm_faults,
	.counters = mali_jm_counters,
	.read = mali_jm_read,
	.write = mali_jm_write,
	.work = mali_jm_work,
	.fault_planted = mali_jm_fault_planted,
	.device_fault = mali_jm_device_fault,
	.device_fault_resolve = mali_jm_device_fault_resolve,
};

static int __init mali_jm_init(void)
{
	int ret;

	mali_jm = vzalloc(sizeof(*mali_jm));
	if (!mali_jm)
		return -ENOMEM;

	ret = gpu_model_register(&mali_jm->gm, &mali_jm_desc);
	if (ret)
		vfree(mali_jm);
	return ret;
}
module_init(mali_jm_init);

static void __exit mali_jm_exit(void)
{
	gpu_model_unregister(&mali_jm->gm);
	vfree(mali_jm);
}
module_exit(mali_jm_exit);

MODULE_DESCRIPTION("Software model of a Mali GPU with a Job Manager");
MODULE_LICENSE("GPL");
