// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a Mali-400: the PMU. Knowledge: lima_pmu.c.
 *
 * Domains are off until the driver powers them up, and lose what their registers held when they are powered down. A
 * command is complete when its write returns. Nothing is reported when the last domains go off: lima_pmu_hw_fini() says so
 * of Mali-400.
 *
 * [A] A block that is off ignores writes and reads as 0; real ones may stop the bus. It is said loudly: a driver must not.
 */
#include "mali_utgard.h"

bool utgard_pmu_powered(struct utgard *ut, u32 domain, u32 reg)
{
	if (!(ut->off & domain))
		return true;
	gpu_model_unsupported(&ut->gm, "access to register 0x%x, whose block is off", reg);
	return false;
}

static void utgard_pmu_power_up(struct utgard *ut, u32 domains)
{
	u64 unused;

	if (gpu_model_fault_hit(&ut->gm, UTGARD_FAULT_LOSE_POWER_UP, &unused))
		return;
	ut->off &= ~domains;
	ut->gm.counters[UTGARD_POWER_UPS]++;
	gpu_model_irq_post(&ut->gm.irqs[UTGARD_IRQ_PMU], PMU_INT_CMD, false);
}

static void utgard_pmu_power_down(struct utgard *ut, u32 domains)
{
	unsigned int n;

	ut->off |= domains & ut->domains;
	ut->gm.counters[UTGARD_POWER_DOWNS]++;
	if (domains & PMU_L2)
		utgard_l2_reset(ut);
	if (domains & PMU_GP) {
		utgard_gp_reset(ut);
		utgard_mmu_reset(ut, 0);
	}
	for (n = 0; n < ut->num_pp; n++) {
		if (domains & PMU_PP(n)) {
			utgard_pp_reset(ut, n);
			utgard_mmu_reset(ut, 1 + n);
		}
	}
	if (ut->off != ut->domains)
		gpu_model_irq_post(&ut->gm.irqs[UTGARD_IRQ_PMU], PMU_INT_CMD, false);
}

u32 utgard_pmu_read(struct utgard *ut, u32 reg)
{
	switch (reg) {
	case PMU_STATUS:
		return ut->off;
	case PMU_INT_MASK:
		return ut->gm.irqs[UTGARD_IRQ_PMU].mask;
	case PMU_INT_RAWSTAT:
		return ut->gm.irqs[UTGARD_IRQ_PMU].rawstat;
	case PMU_SW_DELAY:
		return ut->pmu_delay;
	default:
		gpu_model_unsupported(&ut->gm, "read of PMU register 0x%x", reg);
		return 0;
	}
}

void utgard_pmu_write(struct utgard *ut, u32 reg, u32 val)
{
	switch (reg) {
	case PMU_POWER_UP:
		utgard_pmu_power_up(ut, val);
		break;
	case PMU_POWER_DOWN:
		utgard_pmu_power_down(ut, val);
		break;
	case PMU_INT_MASK:
		gpu_model_irq_write(&ut->gm.irqs[UTGARD_IRQ_PMU], GPU_MODEL_IRQ_MASK, val);
		break;
	case PMU_INT_CLEAR:
		gpu_model_irq_write(&ut->gm.irqs[UTGARD_IRQ_PMU], GPU_MODEL_IRQ_CLEAR, val);
		break;
	case PMU_SW_DELAY:
		ut->pmu_delay = val;
		break;
	default:
		gpu_model_unsupported(&ut->gm, "write of 0x%x to PMU register 0x%x", val, reg);
	}
}
