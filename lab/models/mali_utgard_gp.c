// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a Mali-400: the GP, vertex shader (VS) and polygon list builder (PLBU). Knowledge: lima_gp.c.
 *
 * The PLBU takes memory from a heap between PLBU_ALLOC_START and _END, which UPDATE_PLBU_ALLOC latches. When there is none
 * left it raises PLBU_OUT_OF_MEM and waits, still active: after the next UPDATE_PLBU_ALLOC it goes on from the new START
 * with what it had not done.
 *
 * [A] The VS's list is executed first, then the PLBU's: real ones run beside each other and meet at semaphores.
 * [A] With which event a list ends that is itself at fault: PLBU_ or VS_INVALID_CMD.
 * [A] A soft reset ends what runs and keeps the registers of the frame.
 */
#include <linux/bitfield.h>

#include "mali_utgard.h"

/* One block for a UTGARD_LIST_TAKE, or what keeps it from one; 0 when the last has been taken. */
int utgard_gp_take(struct utgard *ut, const struct utgard_command *command)
{
	u32 offset = FIELD_GET(UTGARD_LIST_OFFSET, command->op);
	struct utgard_gp *gp = &ut->gp;
	void *to;
	int ret;

	if (!IS_ALIGNED(offset, sizeof(u64)) || !command->address || !IS_ALIGNED(command->address, UTGARD_LIST_BLOCK))
		return -EINVAL;
	if (gp->alloc_end - gp->alloc < UTGARD_LIST_BLOCK || gp->alloc_end < gp->alloc)
		return -ENOSPC;
	ret = utgard_mmu_access(ut, 0, gp->alloc + offset, UTGARD_WRITE, &to);
	if (ret)
		return ret;

	utgard_unit_store(ut, to, command->value);
	gp->alloc += UTGARD_LIST_BLOCK;
	gp->taken += UTGARD_LIST_BLOCK;
	if (gp->taken < command->address)
		return -EINPROGRESS;
	gp->taken = 0;
	return 0;
}

static bool utgard_gp_runs_vs(const struct utgard_gp *gp)
{
	return gp->status & GP_STATUS_VS;
}

static void utgard_gp_enough_memory(struct utgard *ut)
{
	ut->gp.out_of_memory = false;
	WRITE_ONCE(ut->gm.unanswered, ut->gm.unanswered & ~UTGARD_UNANSWERED_OOM);
}

static void utgard_gp_want_memory(struct utgard *ut)
{
	ut->gp.out_of_memory = true;
	ut->gm.counters[UTGARD_OUT_OF_MEMORY]++;
	WRITE_ONCE(ut->gm.unanswered, ut->gm.unanswered | UTGARD_UNANSWERED_OOM);
	utgard_unit_post(ut, 0, GP_INT_OUT_OF_MEM);
}

/* The list that is being executed is through. The driver takes a job for done when nothing is active any more. */
static void utgard_gp_list_done(struct utgard *ut)
{
	struct utgard_gp *gp = &ut->gp;
	bool vs = utgard_gp_runs_vs(gp);

	gp->status &= vs ? ~GP_STATUS_VS : ~GP_STATUS_PLBU;
	if (gp->status & GP_STATUS_PLBU) {
		ut->unit[0].at = gp->frame[GP_PLBUCL_START / 4];
		utgard_unit_post(ut, 0, GP_INT_VS_END);
	} else {
		utgard_unit_end(ut, 0, vs ? GP_INT_VS_END : GP_INT_PLBU_END, true);
	}
}

static void utgard_gp_fail(struct utgard *ut, u32 event)
{
	if (event == GP_INT_BUS_ERROR)
		ut->gp.status |= GP_STATUS_BUS_ERROR;
	utgard_unit_end(ut, 0, event, false);
}

void utgard_gp_step(struct utgard *ut)
{
	struct utgard_unit *unit = &ut->unit[0];
	struct utgard_gp *gp = &ut->gp;
	bool vs = utgard_gp_runs_vs(gp);

	if (unit->at >= gp->frame[(vs ? GP_VSCL_END : GP_PLBUCL_END) / 4]) {
		utgard_gp_list_done(ut);
		return;
	}
	switch (utgard_unit_execute(ut, 0)) {
	case 0:
	case -EINPROGRESS:
		break;
	case -EAGAIN:
		unit->waiting = true;
		break;
	case -ENOSPC:
		if (vs)
			utgard_gp_fail(ut, GP_INT_VS_INVALID);
		else
			utgard_gp_want_memory(ut);
		break;
	case -ENODATA:
		utgard_gp_list_done(ut);
		break;
	case -EFAULT:
		utgard_gp_fail(ut, GP_INT_BUS_ERROR);
		break;
	default:
		utgard_gp_fail(ut, vs ? GP_INT_VS_INVALID : GP_INT_PLBU_INVALID);
	}
}

static void utgard_gp_update_alloc(struct utgard *ut)
{
	struct utgard_gp *gp = &ut->gp;
	u64 unused;

	if (gp->out_of_memory && gpu_model_fault_hit(&ut->gm, UTGARD_FAULT_IGNORE_GROWTH, &unused))
		return;
	gp->alloc = gp->frame[GP_ALLOC_START / 4];
	gp->alloc_end = gp->frame[GP_ALLOC_END / 4];
	if (gp->out_of_memory) {
		ut->gm.counters[UTGARD_GROWTHS]++;
		utgard_gp_enough_memory(ut);
		gpu_model_kick(&ut->gm);
	}
}

static void utgard_gp_start(struct utgard *ut, u32 command)
{
	struct utgard_gp *gp = &ut->gp;

	if (ut->unit[0].active || ut->unit[0].bus_stopped) {
		gpu_model_unsupported(&ut->gm, "start of a GP that is busy or stopped");
		return;
	}
	gp->status = (command & GP_START_VS ? GP_STATUS_VS : 0) | (command & GP_START_PLBU ? GP_STATUS_PLBU : 0);
	gp->taken = 0;
	utgard_unit_start(ut, 0, gp->frame[(command & GP_START_VS ? GP_VSCL_START : GP_PLBUCL_START) / 4]);
}

static void utgard_gp_soft_reset(struct utgard *ut)
{
	u32 perf_limit = ut->unit[0].perf_limit;

	utgard_unit_reset(ut, 0);
	ut->unit[0].perf_limit = perf_limit;
	ut->gp.status = 0;
	utgard_gp_enough_memory(ut);
	gpu_model_irq_post(utgard_unit_irq(ut, 0), GP_INT_RESET_DONE, false);
}

/* Also what a loss of power does. */
void utgard_gp_reset(struct utgard *ut)
{
	utgard_unit_reset(ut, 0);
	memset(&ut->gp, 0, sizeof(ut->gp));
	utgard_gp_enough_memory(ut);
	gpu_model_irq_reset(utgard_unit_irq(ut, 0));
}

static void utgard_gp_command(struct utgard *ut, u32 command)
{
	u32 known = GP_START_VS | GP_START_PLBU | GP_UPDATE_ALLOC | GP_RESET | GP_STOP_BUS | GP_SOFT_RESET;
	u64 unused;

	if (command & ~known)
		gpu_model_unsupported(&ut->gm, "GP command 0x%x", command);
	if (command & GP_STOP_BUS)
		ut->unit[0].bus_stopped = true;
	if (command & GP_RESET) {
		utgard_gp_reset(ut);
		ut->gm.counters[UTGARD_RESETS]++;
		ut->unit[0].reset_stuck = gpu_model_fault_hit(&ut->gm, UTGARD_FAULT_STUCK_RESET, &unused);
	}
	if (command & GP_SOFT_RESET)
		utgard_gp_soft_reset(ut);
	if (command & GP_UPDATE_ALLOC)
		utgard_gp_update_alloc(ut);
	if (command & (GP_START_VS | GP_START_PLBU))
		utgard_gp_start(ut, command);
}

u32 utgard_gp_read(struct utgard *ut, u32 reg)
{
	if (reg >= GP_INT && reg <= GP_INT + GPU_MODEL_IRQ_STAT)
		return gpu_model_irq_read(utgard_unit_irq(ut, 0), reg - GP_INT);
	switch (reg) {
	case GP_VSCL_START ... GP_ALLOC_END:
		return ut->gp.frame[reg / 4];
	case GP_PERF_CNT_0_LIMIT:
		return ut->unit[0].perf_limit;
	case GP_STATUS:
		return ut->gp.status | (ut->unit[0].bus_stopped ? GP_STATUS_BUS_STOPPED : 0);
	case GP_VERSION:
		return GP_VERSION_OF_MODEL;
	default:
		gpu_model_unsupported(&ut->gm, "read of GP register 0x%x", reg);
		return 0;
	}
}

void utgard_gp_write(struct utgard *ut, u32 reg, u32 val)
{
	if (reg >= GP_INT && reg <= GP_INT + GPU_MODEL_IRQ_STAT) {
		gpu_model_irq_write(utgard_unit_irq(ut, 0), reg - GP_INT, val);
		return;
	}
	switch (reg) {
	case GP_VSCL_START ... GP_ALLOC_END:
		ut->gp.frame[reg / 4] = val;
		break;
	case GP_CMD:
		utgard_gp_command(ut, val);
		break;
	case GP_PERF_CNT_0_LIMIT:
		if (!ut->unit[0].reset_stuck)
			ut->unit[0].perf_limit = val;
		break;
	default:
		gpu_model_unsupported(&ut->gm, "write of 0x%x to GP register 0x%x", val, reg);
	}
}
