// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a Mali-400: the L2 cache. Knowledge: lima_l2_cache.c.
 *
 * It is transparent, as memory is coherent here: a flush is counted, and complete when its write returns. lima polls for
 * that with a spinlock held.
 */
#include "mali_utgard.h"

u32 utgard_l2_read(struct utgard *ut, u32 reg)
{
	switch (reg) {
	case L2_SIZE:
		return L2_SIZE_OF_MODEL;
	case L2_STATUS:
		return 0;
	case L2_MAX_READS:
		return ut->l2_max_reads;
	case L2_ENABLE:
		return ut->l2_enable;
	default:
		gpu_model_unsupported(&ut->gm, "read of L2 register 0x%x", reg);
		return 0;
	}
}

void utgard_l2_write(struct utgard *ut, u32 reg, u32 val)
{
	switch (reg) {
	case L2_COMMAND:
		if (val != L2_CLEAR_ALL)
			gpu_model_unsupported(&ut->gm, "L2 command 0x%x", val);
		else
			ut->gm.counters[UTGARD_L2_FLUSHES]++;
		break;
	case L2_MAX_READS:
		ut->l2_max_reads = val;
		break;
	case L2_ENABLE:
		ut->l2_enable = val;
		break;
	default:
		gpu_model_unsupported(&ut->gm, "write of 0x%x to L2 register 0x%x", val, reg);
	}
}

void utgard_l2_reset(struct utgard *ut)
{
	ut->l2_max_reads = 0;
	ut->l2_enable = 0;
}
