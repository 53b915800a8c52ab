// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a Mali-400: the PPs, pixel processors. Knowledge: lima_pp.c.
 *
 * Each has its own registers, list, status and interrupt: a job of lima is done when all that it was given to are.
 *
 * [A] The three write-back blocks keep what is written and do nothing: what a PP writes is in its list.
 */
#include "mali_utgard.h"

static void utgard_pp_fail(struct utgard *ut, unsigned int n, u32 event)
{
	utgard_unit_end(ut, 1 + n, event, false);
}

void utgard_pp_step(struct utgard *ut, unsigned int n)
{
	switch (utgard_unit_execute(ut, 1 + n)) {
	case 0:
		break;
	case -EAGAIN:
		ut->unit[1 + n].waiting = true;
		break;
	case -ENODATA:
		utgard_unit_end(ut, 1 + n, PP_INT_END_OF_FRAME, true);
		break;
	case -EFAULT:
		utgard_pp_fail(ut, n, PP_INT_BUS_ERROR);
		break;
	default:
		utgard_pp_fail(ut, n, PP_INT_INVALID);
	}
}

/* Also what a loss of power does. */
void utgard_pp_reset(struct utgard *ut, unsigned int n)
{
	utgard_unit_reset(ut, 1 + n);
	memset(&ut->pp[n], 0, sizeof(ut->pp[n]));
	gpu_model_irq_reset(utgard_unit_irq(ut, 1 + n));
}

/* lima writes all ones to RAWSTAT before, and waits for RESET_COMPLETED alone. */
static void utgard_pp_soft_reset(struct utgard *ut, unsigned int n)
{
	u32 perf_limit = ut->unit[1 + n].perf_limit;

	utgard_unit_reset(ut, 1 + n);
	ut->unit[1 + n].perf_limit = perf_limit;
	utgard_unit_irq(ut, 1 + n)->rawstat = 0;
	gpu_model_irq_post(utgard_unit_irq(ut, 1 + n), PP_INT_RESET_DONE, false);
}

static void utgard_pp_control(struct utgard *ut, unsigned int n, u32 control)
{
	u32 known = PP_STOP_BUS | PP_FLUSH_CACHES | PP_FORCE_RESET | PP_START_RENDERING | PP_SOFT_RESET;
	struct utgard_unit *unit = &ut->unit[1 + n];
	u64 unused;

	if (control & ~known)
		gpu_model_unsupported(&ut->gm, "control 0x%x of PP %u", control, n);
	if (control & PP_STOP_BUS)
		unit->bus_stopped = true;
	if (control & PP_FORCE_RESET) {
		utgard_pp_reset(ut, n);
		ut->gm.counters[UTGARD_RESETS]++;
		unit->reset_stuck = gpu_model_fault_hit(&ut->gm, UTGARD_FAULT_STUCK_RESET, &unused);
	}
	if (control & PP_SOFT_RESET)
		utgard_pp_soft_reset(ut, n);
	if (control & PP_START_RENDERING) {
		if (unit->active || unit->bus_stopped)
			gpu_model_unsupported(&ut->gm, "start of PP %u, which is busy or stopped", n);
		else
			utgard_unit_start(ut, 1 + n, ut->pp[n].frame[0]);
	}
}

u32 utgard_pp_read(struct utgard *ut, unsigned int n, u32 reg)
{
	if (reg >= PP_INT && reg <= PP_INT + GPU_MODEL_IRQ_STAT)
		return gpu_model_irq_read(utgard_unit_irq(ut, 1 + n), reg - PP_INT);
	switch (reg) {
	case PP_FRAME ... PP_FRAME_END - 4:
		return ut->pp[n].frame[reg / 4];
	case PP_WB ... PP_WB_END - 4:
		return ut->pp[n].wb[(reg - PP_WB) / 4];
	case PP_VERSION:
		return PP_VERSION_OF_MODEL;
	case PP_STATUS:
		return (ut->unit[1 + n].active ? PP_STATUS_RENDERING : 0) |
		       (ut->unit[1 + n].bus_stopped ? PP_STATUS_BUS_STOPPED : 0);
	case PP_PERF_CNT_0_LIMIT:
		return ut->unit[1 + n].perf_limit;
	default:
		gpu_model_unsupported(&ut->gm, "read of register 0x%x of PP %u", reg, n);
		return 0;
	}
}

void utgard_pp_write(struct utgard *ut, unsigned int n, u32 reg, u32 val)
{
	if (reg == PP_INT + GPU_MODEL_IRQ_RAWSTAT) {
		gpu_model_irq_post(utgard_unit_irq(ut, 1 + n), val, false);
		return;
	}
	if (reg > PP_INT && reg <= PP_INT + GPU_MODEL_IRQ_STAT) {
		gpu_model_irq_write(utgard_unit_irq(ut, 1 + n), reg - PP_INT, val);
		return;
	}
	switch (reg) {
	case PP_FRAME ... PP_FRAME_END - 4:
		ut->pp[n].frame[reg / 4] = val;
		break;
	case PP_WB ... PP_WB_END - 4:
		ut->pp[n].wb[(reg - PP_WB) / 4] = val;
		break;
	case PP_CTRL:
		utgard_pp_control(ut, n, val);
		break;
	case PP_PERF_CNT_0_LIMIT:
		if (!ut->unit[1 + n].reset_stuck)
			ut->unit[1 + n].perf_limit = val;
		break;
	default:
		gpu_model_unsupported(&ut->gm, "write of 0x%x to register 0x%x of PP %u", val, reg, n);
	}
}
