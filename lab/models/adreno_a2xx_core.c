// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of an Adreno a200: registration, registers and interrupts. Knowledge: a2xx_gpu.c, adreno_device.c.
 *
 * Three blocks have interrupts: CP, MH (memory hub) and RBBM. MASTER_INT_SIGNAL says which of them has one that is not
 * masked, and any does the one line. Most registers hold the state of drawing: they keep what is written, and nothing more.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "adreno_a2xx.h"

static struct a2xx *a2xx;

static u32 a2xx_master(const struct a2xx *ax)
{
	const u32 *regs = ax->regs;

	return (regs[REG_AXXX_CP_INT_STATUS] & regs[REG_AXXX_CP_INT_CNTL] ? A2XX_MASTER_INT_CP : 0) |
	       (regs[REG_A2XX_MH_INTERRUPT_STATUS] & regs[REG_A2XX_MH_INTERRUPT_MASK] ? A2XX_MASTER_INT_MH : 0) |
	       (regs[REG_A2XX_RBBM_INT_STATUS] & regs[REG_A2XX_RBBM_INT_CNTL] ? A2XX_MASTER_INT_RBBM : 0);
}

static void a2xx_update_line(struct a2xx *ax, bool lost)
{
	struct gpu_model_irq *irq = &ax->gm.irqs[0];

	irq->mask = ~0;
	irq->rawstat = a2xx_master(ax);
	gpu_model_irq_post(irq, 0, lost);
}

void a2xx_raise(struct a2xx *ax, u32 status_reg, u32 events, bool lost)
{
	ax->regs[status_reg] |= events;
	a2xx_update_line(ax, lost);
}

static void a2xx_reset(struct a2xx *ax)
{
	a2xx_cp_reset(ax);
	ax->regs[REG_AXXX_CP_INT_STATUS] = 0;
	ax->regs[REG_A2XX_MH_INTERRUPT_STATUS] = 0;
	ax->regs[REG_A2XX_RBBM_INT_STATUS] = 0;
	a2xx_update_line(ax, false);
}

static u32 a2xx_read(struct gpu_model *gm, u32 offset)
{
	struct a2xx *ax = to_a2xx(gm);

	switch (offset / 4) {
	case REG_AXXX_CP_RB_RPTR:
		return ax->cp.rptr;
	case REG_A2XX_RBBM_STATUS:
		return a2xx_cp_busy(ax) ? A2XX_RBBM_STATUS_GUI_ACTIVE : 0;
	case REG_A2XX_MASTER_INT_SIGNAL:
		return a2xx_master(ax);
	default:
		return ax->regs[offset / 4];
	}
}

static void a2xx_write(struct gpu_model *gm, u32 offset, u32 val)
{
	struct a2xx *ax = to_a2xx(gm);
	u32 reg = offset / 4;

	switch (reg) {
	case REG_AXXX_CP_RB_RPTR:
	case REG_AXXX_CP_INT_STATUS:
	case REG_A2XX_RBBM_STATUS:
	case REG_A2XX_RBBM_INT_STATUS:
	case REG_A2XX_MASTER_INT_SIGNAL:
	case REG_A2XX_MH_INTERRUPT_STATUS:
	case REG_A2XX_MH_MMU_PAGE_FAULT:
		gpu_model_unsupported(gm, "write of 0x%x to register 0x%x, which is read-only", val, reg);
		break;
	case REG_AXXX_CP_INT_ACK:
	case REG_A2XX_RBBM_INT_ACK:
	case REG_A2XX_MH_INTERRUPT_CLEAR:
		ax->regs[reg - 1] &= ~val;	/* the status stands before it */
		a2xx_update_line(ax, false);
		break;
	case REG_AXXX_CP_INT_CNTL:
	case REG_A2XX_RBBM_INT_CNTL:
	case REG_A2XX_MH_INTERRUPT_MASK:
		ax->regs[reg] = val;
		a2xx_update_line(ax, false);
		break;
	case REG_A2XX_MH_MMU_INVALIDATE:
		a2xx_mmu_invalidate(ax, val);
		break;
	case REG_A2XX_RBBM_SOFT_RESET:
		ax->regs[reg] = val;
		if (val)
			a2xx_reset(ax);
		break;
	case REG_AXXX_CP_RB_BASE:
		ax->regs[reg] = val;
		ax->regs[REG_AXXX_CP_RB_WPTR] = 0;
		ax->cp.rptr = 0;
		break;
	case REG_AXXX_CP_RB_WPTR:
	case REG_AXXX_CP_ME_CNTL:
		ax->regs[reg] = val;
		a2xx_cp_doorbell(ax);
		break;
	default:
		ax->regs[reg] = val;
	}
}

static ktime_t a2xx_work(struct gpu_model *gm)
{
	return a2xx_cp_work(to_a2xx(gm));
}

static void a2xx_fault_planted(struct gpu_model *gm, unsigned int fault)
{
	if (fault == A2XX_FAULT_DELAY_JOB && gm->faults[fault].nth == 0)
		a2xx_cp_end_delay(to_a2xx(gm));
}

static const char *const a2xx_irqs[] = { "kgsl_3d0_irq", NULL };

static const char *const a2xx_faults[] = {
	[A2XX_FAULT_LOSE_INTERRUPT] = "lose_interrupt",
	[A2XX_FAULT_NEVER_FINISH] = "never_finish",
	[A2XX_FAULT_DELAY_JOB] = "delay_job",
	[A2XX_FAULT_CORRUPT_WRITE] = "corrupt_write",
	[A2XX_FAULT_LOSE_FENCE] = "lose_fence",
	[A2XX_FAULT_PAGE_FAULT] = "page_fault",
	[A2XX_FAULT_STUCK_RESET] = "stuck_reset",
	NULL
};

static const char *const a2xx_counters[] = {
	[A2XX_STREAMS] = "streams",
	[A2XX_FENCES] = "fences",
	[A2XX_PACKETS] = "packets",
	[A2XX_WRITES] = "writes",
	[A2XX_PAGE_FAULTS] = "page_faults",
	[A2XX_CP_STOPS] = "cp_stops",
	[A2XX_RESETS] = "resets",
	[A2XX_TLB_HITS] = "tlb_hits",
	[A2XX_INVALIDATES] = "invalidates",
	NULL
};

/* The chip is read from the first name, the way to run it without a display from the second (adreno_device.c). */
static const char a2xx_compatible[] = "amd,imageon-200.0\0amd,imageon";

static const struct gpu_model_desc a2xx_desc = {
	.name = "adreno-a2xx",
	.compatible = a2xx_compatible,
	.compatible_size = sizeof(a2xx_compatible),
	.mmio_name = "kgsl_3d0_reg_memory",
	.mmio_base = 0x7f30000000ull,
	.mmio_size = A2XX_REGS * sizeof(u32),
	.clock_hz = A2XX_CLOCK_HZ,
	.irqs = a2xx_irqs,
	.faults = a2xx_faults,
	.counters = a2xx_counters,
	.read = a2xx_read,
	.write = a2xx_write,
	.work = a2xx_work,
	.fault_planted = a2xx_fault_planted,
};

static int __init a2xx_init(void)
{
	int ret;

	a2xx = vzalloc(sizeof(*a2xx));
	if (!a2xx)
		return -ENOMEM;
	ret = gpu_model_register(&a2xx->gm, &a2xx_desc);
	if (ret)
		vfree(a2xx);
	return ret;
}
module_init(a2xx_init);

static void __exit a2xx_exit(void)
{
	gpu_model_unregister(&a2xx->gm);
	vfree(a2xx);
}
module_exit(a2xx_exit);

MODULE_DESCRIPTION("Software model of an Adreno a200");
MODULE_LICENSE("GPL");
