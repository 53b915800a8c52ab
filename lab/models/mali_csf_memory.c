// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a CSF Mali: instructions that access memory: registers to and from it, and sync objects.
 */
#include <linux/bitfield.h>

#include "mali_csf_group.h"

/* Up to 16 registers from the base on, those in the mask, each at its own place in memory. */
enum csf_step csf_stream_multiple(struct csf_queue *queue, u64 instr, bool load)
{
	u64 va = csf_pair(queue, FIELD_GET(FIELD_B, instr)) + (s64)(s16)instr;
	u32 base = FIELD_GET(FIELD_A, instr), mask = FIELD_GET(GENMASK_ULL(31, 16), instr), i, n;
	u32 *regs = &queue->ctx.regs[base];

	if (!IS_ALIGNED(va, 4) || base + fls(mask) > MALI_CSF_REGS)
		return csf_queue_fatal(queue, CSF_EXCEPTION_CS_CONFIG_FAULT, va);
	for (i = 0; mask >> i; i += n) {
		bool ok = true;

		for (n = 0; mask & BIT(i + n); n++)
			;
		if (n && load)
			ok = csf_stream_read(queue, va + 4 * i, regs + i, 4 * n);
		else if (n)
			ok = csf_stream_write(queue, va + 4 * i, regs + i, 4 * n);
		if (!ok)
			return CSF_STEP_BLOCKED;
		n += !n;
	}
	return CSF_STEP_DONE;
}

/* SYNC_ADD and SYNC_SET. [A] A status is written only when there is an error to propagate. */
enum csf_step csf_stream_sync_write(struct csf_queue *queue, u64 instr, bool add, size_t size)
{
	u64 va = csf_pair(queue, FIELD_GET(FIELD_B, instr)), old = 0;
	u64 value = csf_pair(queue, FIELD_GET(FIELD_C, instr));

	if (!IS_ALIGNED(va, size))
		return csf_queue_fatal(queue, CSF_EXCEPTION_CS_CONFIG_FAULT, va);
	if (add && !csf_stream_read(queue, va, &old, size))
		return CSF_STEP_BLOCKED;
	if ((instr & 1) && queue->ctx.error && !csf_stream_write(queue, va + size, &queue->ctx.error, 4))
		return CSF_STEP_BLOCKED;
	value += old;
	if (!csf_stream_write(queue, va, &value, size))
		return CSF_STEP_BLOCKED;

	if (!queue->ctx.depth)
		queue->csf->gm.counters[CSF_JOBS_DONE]++;
	csf_groups_sync_written(queue->csf);
	if (!FIELD_GET(GENMASK_ULL(2, 1), instr))
		csf_group_event(queue->group, CSG_SYNC_UPDATE);
	return CSF_STEP_DONE;
}

enum csf_step csf_stream_sync_wait(struct csf_queue *queue, u64 instr, size_t size)
{
	struct csf_context *ctx = &queue->ctx;
	u32 condition = FIELD_GET(GENMASK_ULL(31, 28), instr);
	u64 value = 0;

	ctx->wait_va = csf_pair(queue, FIELD_GET(FIELD_B, instr));
	ctx->wait_value = size == 8 ? csf_pair(queue, FIELD_GET(FIELD_C, instr)) : csf_reg(queue, FIELD_GET(FIELD_C, instr));
	ctx->wait_64 = size == 8;
	ctx->wait_gt = condition;
	if (condition > MALI_CSF_COND_GT)
		return csf_stream_invalid(queue, instr);
	if (!IS_ALIGNED(ctx->wait_va, size))
		return csf_queue_fatal(queue, CSF_EXCEPTION_CS_CONFIG_FAULT, ctx->wait_va);
	if (!csf_stream_read(queue, ctx->wait_va, &value, size))
		return CSF_STEP_BLOCKED;
	if ((value > ctx->wait_value) == !!ctx->wait_gt)
		return CSF_STEP_DONE;

	ctx->block = CSF_SYNC_WAIT;
	queue->csf->gm.counters[CSF_SYNC_WAITS]++;
	return CSF_STEP_BLOCKED;
}

enum csf_step csf_stream_touch(struct csf_queue *queue, u64 instr)
{
	u64 va = csf_pair(queue, FIELD_GET(FIELD_A, instr)), value = csf_pair(queue, FIELD_GET(FIELD_B, instr));
	bool ok;

	if (!IS_ALIGNED(va, 8))
		return csf_queue_fatal(queue, CSF_EXCEPTION_CS_CONFIG_FAULT, va);
	if (instr & MALI_CSF_PRIVATE_FLAG)
		ok = csf_stream_write(queue, va, &value, 8);
	else
		ok = csf_stream_read(queue, va, &value, 8);
	return ok ? CSF_STEP_DONE : CSF_STEP_BLOCKED;
}
