// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a Mali-400: registration, and which block a register belongs to.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "mali_utgard.h"

static unsigned int num_pp = UTGARD_MAX_PP;
module_param(num_pp, uint, 0444);
MODULE_PARM_DESC(num_pp, "Number of PPs, 1 to 4");

static struct utgard *utgard;

/* What REG is one of, and what powers it. */
struct utgard_block {
	enum { UTGARD_BLOCK_NONE, UTGARD_BLOCK_GP, UTGARD_BLOCK_L2, UTGARD_BLOCK_PMU, UTGARD_BLOCK_MMU, UTGARD_BLOCK_PP } kind;
	unsigned int n;		/* PP, or the MMU's unit */
	u32 domain;
	u32 reg;
};

static u32 utgard_unit_domain(unsigned int n)
{
	return n == 0 ? PMU_GP : PMU_PP(n - 1);
}

static struct utgard_block utgard_block(const struct utgard *ut, u32 reg)
{
	if (reg < UTGARD_L2)
		return (struct utgard_block){ UTGARD_BLOCK_GP, 0, PMU_GP, reg };
	if (reg < UTGARD_PMU)
		return (struct utgard_block){ UTGARD_BLOCK_L2, 0, PMU_L2, reg - UTGARD_L2 };
	if (reg < UTGARD_MMU(0))
		return (struct utgard_block){ UTGARD_BLOCK_PMU, 0, 0, reg - UTGARD_PMU };
	if (reg < UTGARD_MMU(1 + ut->num_pp)) {
		unsigned int n = (reg - UTGARD_MMU(0)) / 0x1000;

		return (struct utgard_block){ UTGARD_BLOCK_MMU, n, utgard_unit_domain(n), reg - UTGARD_MMU(n) };
	}
	if (reg >= UTGARD_PP(0) && reg < UTGARD_PP(ut->num_pp)) {
		unsigned int n = (reg - UTGARD_PP(0)) / 0x2000;

		return (struct utgard_block){ UTGARD_BLOCK_PP, n, PMU_PP(n), reg - UTGARD_PP(n) };
	}
	return (struct utgard_block){ UTGARD_BLOCK_NONE, 0, 0, reg };
}

static u32 utgard_read(struct gpu_model *gm, u32 reg)
{
	struct utgard *ut = to_utgard(gm);
	struct utgard_block block = utgard_block(ut, reg);

	if (!utgard_pmu_powered(ut, block.domain, reg))
		return 0;
	switch (block.kind) {
	case UTGARD_BLOCK_GP:
		return utgard_gp_read(ut, block.reg);
	case UTGARD_BLOCK_L2:
		return utgard_l2_read(ut, block.reg);
	case UTGARD_BLOCK_PMU:
		return utgard_pmu_read(ut, block.reg);
	case UTGARD_BLOCK_MMU:
		return utgard_mmu_read(ut, block.n, block.reg);
	case UTGARD_BLOCK_PP:
		return utgard_pp_read(ut, block.n, block.reg);
	default:
		gpu_model_unsupported(gm, "read of register 0x%x", reg);
		return 0;
	}
}

static void utgard_write(struct gpu_model *gm, u32 reg, u32 val)
{
	struct utgard *ut = to_utgard(gm);
	struct utgard_block block = utgard_block(ut, reg);

	if (!utgard_pmu_powered(ut, block.domain, reg))
		return;
	switch (block.kind) {
	case UTGARD_BLOCK_GP:
		utgard_gp_write(ut, block.reg, val);
		break;
	case UTGARD_BLOCK_L2:
		utgard_l2_write(ut, block.reg, val);
		break;
	case UTGARD_BLOCK_PMU:
		utgard_pmu_write(ut, block.reg, val);
		break;
	case UTGARD_BLOCK_MMU:
		utgard_mmu_write(ut, block.n, block.reg, val);
		break;
	case UTGARD_BLOCK_PP:
		utgard_pp_write(ut, block.n, block.reg, val);
		break;
	default:
		gpu_model_unsupported(gm, "write of 0x%x to register 0x%x", val, reg);
	}
}

static ktime_t utgard_work(struct gpu_model *gm)
{
	return utgard_units_work(to_utgard(gm));
}

static void utgard_fault_planted(struct gpu_model *gm, unsigned int fault)
{
	if (fault == UTGARD_FAULT_DELAY_JOB && gm->faults[fault].nth == 0)
		utgard_units_end_delays(to_utgard(gm));
}

/* As lima asks for them; cut off behind the last PP that there is. */
static const char *utgard_irqs[UTGARD_IRQS + 1] = {
	"pmu", "gp", "gpmmu", "pp0", "ppmmu0", "pp1", "ppmmu1", "pp2", "ppmmu2", "pp3", "ppmmu3", NULL
};

static const char *const utgard_faults[] = {
	[UTGARD_FAULT_LOSE_INTERRUPT] = "lose_interrupt",
	[UTGARD_FAULT_NEVER_FINISH] = "never_finish",
	[UTGARD_FAULT_FINISH_WITH_EVENTS] = "finish_with_events",
	[UTGARD_FAULT_DELAY_JOB] = "delay_job",
	[UTGARD_FAULT_CORRUPT_WRITE] = "corrupt_write",
	[UTGARD_FAULT_IGNORE_GROWTH] = "ignore_growth",
	[UTGARD_FAULT_LOSE_POWER_UP] = "lose_power_up",
	[UTGARD_FAULT_STUCK_RESET] = "stuck_reset",
	NULL
};

static const char *const utgard_counters[] = {
	[UTGARD_JOBS_STARTED] = "jobs_started",
	[UTGARD_JOBS_DONE] = "jobs_done",
	[UTGARD_JOBS_FAILED] = "jobs_failed",
	[UTGARD_COMMANDS] = "commands",
	[UTGARD_WRITES] = "writes",
	[UTGARD_OUT_OF_MEMORY] = "out_of_memory",
	[UTGARD_GROWTHS] = "growths",
	[UTGARD_FAULTS_RAISED] = "faults_raised",
	[UTGARD_RESETS] = "resets",
	[UTGARD_POWER_UPS] = "power_ups",
	[UTGARD_POWER_DOWNS] = "power_downs",
	[UTGARD_L2_FLUSHES] = "l2_flushes",
	[UTGARD_TLB_HITS] = "tlb_hits",
	NULL
};

static const struct gpu_model_desc utgard_desc = {
	.name = "mali-utgard",
	.compatible = "arm,mali-400",
	.mmio_base = 0x7f20000000ull,
	.mmio_size = UTGARD_MMIO_SIZE,
	.clock_hz = UTGARD_CLOCK_HZ,
	.irqs = utgard_irqs,
	.faults = utgard_faults,
	.counters = utgard_counters,
	.read = utgard_read,
	.write = utgard_write,
	.work = utgard_work,
	.fault_planted = utgard_fault_planted,
};

static int __init utgard_init(void)
{
	unsigned int n;
	int ret;

	if (num_pp < 1 || num_pp > UTGARD_MAX_PP)
		return -EINVAL;
	utgard = vzalloc(sizeof(*utgard));
	if (!utgard)
		return -ENOMEM;

	utgard->num_pp = num_pp;
	utgard->domains = PMU_GP | PMU_L2;
	for (n = 0; n < num_pp; n++)
		utgard->domains |= PMU_PP(n);
	utgard->off = utgard->domains;
	utgard_irqs[UTGARD_IRQ_UNITS + 2 * (1 + num_pp)] = NULL;

	ret = gpu_model_register(&utgard->gm, &utgard_desc);
	if (ret)
		vfree(utgard);
	return ret;
}
module_init(utgard_init);

static void __exit utgard_exit(void)
{
	gpu_model_unregister(&utgard->gm);
	vfree(utgard);
}
module_exit(utgard_exit);

MODULE_DESCRIPTION("Software model of a Mali-400");
MODULE_LICENSE("GPL");
