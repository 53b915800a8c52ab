// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a CSF Mali: execution of instructions.
 *
 * A queue executes its ring buffer, which the kernel fills (panthor_sched.c, prepare_job_instrs()) and which CALLs streams of
 * user space. Instructions are fetched in lines of 64 bytes and executed from the copy. For the ring that is more than speed:
 * once SYNC_ADD64 has said that a job is done, the kernel may overwrite the rest of its line.
 *
 * What a RUN_* does is done when the instruction is: scoreboards are never waited for, and WAIT has nothing to do.
 *
 * [A] With which exceptions queues end that are themselves at fault; [A] the exception handler shares the registers of the
 * stream that it interrupts, which then tries its instruction again (as Mesa's handler expects, pan_csf.c).
 */
#include <linux/bitfield.h>

#include "mali_csf_group.h"

#define CSF_MAX_DELAY_US	(60 * USEC_PER_SEC)

static bool csf_stream_stall(struct csf_queue *queue, bool ok)
{
	if (!ok && !csf_as_enabled(queue->csf, queue->group->as))
		csf_queue_fatal(queue, CSF_EXCEPTION_CS_BUS_FAULT, 0);
	else if (!ok)
		queue->ctx.block = CSF_MMU_FAULT;
	return ok;
}

/* Accesses of the queue to its group's memory. False: it is stalled or dead. */
bool csf_stream_read(struct csf_queue *queue, u64 va, void *buf, size_t len)
{
	return csf_stream_stall(queue, csf_read(queue->csf, queue->group->as, va, buf, len));
}

bool csf_stream_write(struct csf_queue *queue, u64 va, const void *buf, size_t len)
{
	return csf_stream_stall(queue, csf_write(queue->csf, queue->group->as, va, buf, len));
}

enum csf_step csf_stream_invalid(struct csf_queue *queue, u64 instr)
{
	gpu_model_unsupported(&queue->csf->gm, "instruction 0x%016llx", instr);
	return csf_queue_fatal(queue, CSF_EXCEPTION_CS_INSTR_INVALID, instr);
}

enum csf_step csf_stream_call(struct csf_queue *queue, u64 va, u32 length)
{
	struct csf_context *ctx = &queue->ctx;

	if (ctx->depth == CSF_CALL_DEPTH)
		return csf_queue_fatal(queue, CSF_EXCEPTION_CS_CALL_STACK_OVERFLOW, va);
	if (!IS_ALIGNED(va | length, 8))
		return csf_queue_fatal(queue, CSF_EXCEPTION_CS_CONFIG_FAULT, va);
	ctx->frames[ctx->depth++] = (struct csf_frame){ .start = va, .pc = va, .end = va + length };
	return CSF_STEP_JUMPED;
}

/* A job begins: the kernel calls the stream of user space. */
static enum csf_step csf_stream_call_user(struct csf_queue *queue, u64 va, u32 length)
{
	struct gpu_model *gm = &queue->csf->gm;
	u64 value;

	if (!queue->ctx.op.step) {
		queue->ctx.op.step = 1;
		gm->counters[CSF_JOBS_STARTED]++;
		if (gpu_model_fault_hit(gm, CSF_FAULT_PROGRESS_TIMEOUT, &value))
			csf_group_event(queue->group, CSG_PROGRESS_TIMER_EVENT);
		if (gpu_model_fault_hit(gm, CSF_FAULT_CS_FAULT, &value))
			csf_queue_fault(queue, value, va);
		if (gpu_model_fault_hit(gm, CSF_FAULT_CS_FATAL, &value))
			return csf_queue_fatal(queue, value, va);
		if (gpu_model_fault_hit(gm, CSF_FAULT_NEVER_FINISH, &value)) {
			queue->ctx.block = CSF_HANGING;
			return CSF_STEP_BLOCKED;
		}
		if (gpu_model_fault_hit(gm, CSF_FAULT_DELAY_JOB, &value)) {
			queue->until = ktime_add_us(ktime_get(), value);
			return CSF_STEP_BLOCKED;
		}
	}
	return csf_stream_call(queue, va, length);
}

static enum csf_step csf_stream_jump(struct csf_queue *queue, u64 va, u32 length)
{
	if (!queue->ctx.depth)
		return csf_queue_fatal(queue, CSF_EXCEPTION_CS_CONFIG_FAULT, va);
	queue->ctx.depth--;
	return csf_stream_call(queue, va, length);
}

static enum csf_step csf_stream_branch(struct csf_queue *queue, u64 instr)
{
	s32 value = csf_reg(queue, FIELD_GET(FIELD_B, instr));
	struct csf_frame *frame;
	bool taken;
	u64 to;

	switch (FIELD_GET(GENMASK_ULL(30, 28), instr)) {
	case MALI_CSF_COND_LE:
		taken = value <= 0;
		break;
	case MALI_CSF_COND_GT:
		taken = value > 0;
		break;
	case MALI_CSF_COND_EQ:
		taken = value == 0;
		break;
	case MALI_CSF_COND_NE:
		taken = value != 0;
		break;
	case MALI_CSF_COND_LT:
		taken = value < 0;
		break;
	case MALI_CSF_COND_GE:
		taken = value >= 0;
		break;
	default:
		taken = true;
	}
	if (!taken)
		return CSF_STEP_DONE;
	if (!queue->ctx.depth)
		return csf_stream_invalid(queue, instr);

	frame = &queue->ctx.frames[queue->ctx.depth - 1];
	to = frame->pc + 8 + 8 * (s64)(s16)instr;
	if (to < frame->start || to > frame->end)
		return csf_queue_fatal(queue, CSF_EXCEPTION_INSTR_INVALID_PC, to);
	frame->pc = to;
	return CSF_STEP_JUMPED;
}

static enum csf_step csf_stream_delay(struct csf_queue *queue, u32 us)
{
	if (queue->ctx.op.step || !us)
		return CSF_STEP_DONE;
	queue->ctx.op.step = 1;
	queue->until = ktime_add_us(ktime_get(), min_t(u64, us, CSF_MAX_DELAY_US));
	return CSF_STEP_BLOCKED;
}

static enum csf_step csf_stream_run_fragment(struct csf_queue *queue)
{
	enum csf_step step = csf_stream_delay(queue, csf_reg(queue, MALI_CSF_SR_DURATION));

	return step == CSF_STEP_DONE ? csf_tiling_fragment(queue) : step;
}

static enum csf_step csf_stream_private(struct csf_queue *queue, u64 instr)
{
	u64 a = csf_pair(queue, FIELD_GET(FIELD_A, instr));
	u32 b = csf_reg(queue, FIELD_GET(FIELD_B, instr)), c = FIELD_GET(FIELD_C, instr);

	switch (instr & 0xff) {
	case MALI_CSF_PRIVATE_CONSUME:
		return csf_tiling_consume(queue, b, a);
	case MALI_CSF_PRIVATE_DELAY:
		return csf_stream_delay(queue, b);
	case MALI_CSF_PRIVATE_TOUCH:
		return csf_stream_touch(queue, instr);
	case MALI_CSF_PRIVATE_RAISE:
		return instr & MALI_CSF_PRIVATE_FLAG ? csf_queue_fault(queue, c, 0) : csf_queue_fatal(queue, c, 0);
	case MALI_CSF_PRIVATE_COPY:
		return csf_tiling_copy(queue, b, a);
	case MALI_CSF_PRIVATE_STATUS:
		return csf_tiling_status(queue, a);
	case MALI_CSF_PRIVATE_HANG:
		queue->ctx.block = CSF_HANGING;
		return CSF_STEP_BLOCKED;
	default:
		return csf_stream_invalid(queue, instr);
	}
}

static enum csf_step csf_stream_set_handler(struct csf_queue *queue, u64 instr)
{
	if ((instr & 0xff) != MALI_CSF_EXCEPTION_TILER_OOM)
		return csf_stream_invalid(queue, instr);
	queue->ctx.handler = csf_pair(queue, FIELD_GET(FIELD_B, instr));
	queue->ctx.handler_length = csf_reg(queue, FIELD_GET(FIELD_C, instr));
	return CSF_STEP_DONE;
}

static enum csf_step csf_stream_execute(struct csf_queue *queue, u64 instr)
{
	u32 dst = FIELD_GET(FIELD_A, instr), src = FIELD_GET(FIELD_B, instr), len = FIELD_GET(FIELD_C, instr);

	switch (instr >> 56) {
	case MALI_CSF_NOP:
	case MALI_CSF_WAIT:
	case MALI_CSF_SET_SB_ENTRY:
	case MALI_CSF_REQ_RESOURCE:
	case MALI_CSF_FLUSH_CACHE2:	/* the model has no caches */
	case MALI_CSF_FINISH_TILING:
		return CSF_STEP_DONE;
	case MALI_CSF_MOVE48:
		csf_set_pair(queue, dst, instr & GENMASK_ULL(47, 0));
		return CSF_STEP_DONE;
	case MALI_CSF_MOVE32:
		csf_set_reg(queue, dst, lower_32_bits(instr));
		return CSF_STEP_DONE;
	case MALI_CSF_ADD_IMM32:
		csf_set_reg(queue, dst, csf_reg(queue, src) + (s32)instr);
		return CSF_STEP_DONE;
	case MALI_CSF_ADD_IMM64:
		csf_set_pair(queue, dst, csf_pair(queue, src) + (s64)(s32)instr);
		return CSF_STEP_DONE;
	case MALI_CSF_LOAD_MULTIPLE:
	case MALI_CSF_STORE_MULTIPLE:
		return csf_stream_multiple(queue, instr, instr >> 56 == MALI_CSF_LOAD_MULTIPLE);
	case MALI_CSF_BRANCH:
		return csf_stream_branch(queue, instr);
	case MALI_CSF_CALL:
		return queue->ctx.depth ? csf_stream_call(queue, csf_pair(queue, src), csf_reg(queue, len)) :
					  csf_stream_call_user(queue, csf_pair(queue, src), csf_reg(queue, len));
	case MALI_CSF_JUMP:
		return csf_stream_jump(queue, csf_pair(queue, src), csf_reg(queue, len));
	case MALI_CSF_SYNC_ADD32:
	case MALI_CSF_SYNC_SET32:
		return csf_stream_sync_write(queue, instr, instr >> 56 == MALI_CSF_SYNC_ADD32, 4);
	case MALI_CSF_SYNC_ADD64:
	case MALI_CSF_SYNC_SET64:
		return csf_stream_sync_write(queue, instr, instr >> 56 == MALI_CSF_SYNC_ADD64, 8);
	case MALI_CSF_SYNC_WAIT32:
		return csf_stream_sync_wait(queue, instr, 4);
	case MALI_CSF_SYNC_WAIT64:
		return csf_stream_sync_wait(queue, instr, 8);
	case MALI_CSF_ERROR_BARRIER:
		queue->ctx.error = 0;
		return CSF_STEP_DONE;
	case MALI_CSF_RUN_COMPUTE:
		return csf_stream_delay(queue, csf_reg(queue, MALI_CSF_SR_DURATION));
	case MALI_CSF_RUN_IDVS:
		return csf_tiling_consume(queue, (u64)csf_reg(queue, MALI_CSF_SR_INDEX_COUNT) *
					  csf_reg(queue, MALI_CSF_SR_INSTANCES) * MALI_CSF_IDVS_BYTES,
					  csf_pair(queue, MALI_CSF_SR_TILER));
	case MALI_CSF_RUN_FRAGMENT:
		return csf_stream_run_fragment(queue);
	case MALI_CSF_FINISH_FRAGMENT:
		return csf_heap_finish_fragment(queue, csf_pair(queue, src), csf_pair(queue, len), instr & 1);
	case MALI_CSF_SET_EXCEPTION_HANDLER:
		return csf_stream_set_handler(queue, instr);
	case MALI_CSF_HEAP_SET:
		queue->ctx.heap = csf_pair(queue, src);
		return CSF_STEP_DONE;
	case MALI_CSF_HEAP_OPERATION:
		return csf_heap_operation(queue, FIELD_GET(GENMASK_ULL(33, 32), instr));
	case MALI_CSF_PRIVATE:
		return csf_stream_private(queue, instr);
	default:
		return csf_stream_invalid(queue, instr);
	}
}

static bool csf_stream_fetch_ring(struct csf_queue *queue, u64 *instr)
{
	struct csf_context *ctx = &queue->ctx;

	if (!ctx->line_valid &&
	    !csf_stream_read(queue, queue->ring_base + (round_down(ctx->extract, CSF_LINE) & (queue->ring_size - 1)),
			     ctx->line, CSF_LINE))
		return false;
	ctx->line_valid = true;
	*instr = ctx->line[(ctx->extract / 8) % CSF_LINE_INSTRS];
	return true;
}

static bool csf_stream_fetch(struct csf_queue *queue, u64 pc, u64 *instr)
{
	u64 va = round_down(pc, CSF_LINE);

	if (queue->line_va != va || !va) {
		queue->line_va = 0;
		if (!csf_stream_read(queue, va, queue->line, CSF_LINE))
			return false;
		queue->line_va = va;
	}
	*instr = queue->line[(pc / 8) % CSF_LINE_INSTRS];
	return true;
}

/* The kernel is told how far the ring was executed, in whole lines: a job is in it until it has done its last line. */
void csf_stream_line_executed(struct csf_queue *queue)
{
	csf_mcu_set64(queue->csf, queue->ring_output + CS_RING_EXTRACT, queue->ctx.extract);
	csf_mcu_set(queue->csf, queue->ring_output + CS_RING_ACTIVE, queue->ctx.extract != queue->insert);
}

static void csf_stream_next(struct csf_queue *queue, struct csf_frame *frame)
{
	if (frame) {
		frame->pc += 8;
		return;
	}
	queue->ctx.extract += 8;
	if (IS_ALIGNED(queue->ctx.extract, CSF_LINE)) {
		queue->ctx.line_valid = false;
		csf_stream_line_executed(queue);
	}
}

/* A stream has come to its end. */
static void csf_stream_return(struct csf_queue *queue)
{
	struct csf_context *ctx = &queue->ctx;

	queue->line_va = 0;	/* what the next stream has at this address may be something else */
	if (ctx->handler_depth == ctx->depth) {
		ctx->depth--;
		csf_heap_handler_returned(queue);
		return;
	}
	ctx->depth--;
	memset(&ctx->op, 0, sizeof(ctx->op));
	/* Only now is the CALL done: until then a suspended group had to know that it was in it. */
	csf_stream_next(queue, ctx->depth ? &ctx->frames[ctx->depth - 1] : NULL);
}

/* One step of one instruction of a runnable queue. */
void csf_stream_step(struct csf_queue *queue)
{
	struct csf_context *ctx = &queue->ctx;
	struct csf_frame *frame = ctx->depth ? &ctx->frames[ctx->depth - 1] : NULL;
	enum csf_step step;
	u64 instr;

	if (frame && frame->pc >= frame->end) {
		csf_stream_return(queue);
		return;
	}
	if (!(frame ? csf_stream_fetch(queue, frame->pc, &instr) : csf_stream_fetch_ring(queue, &instr)))
		return;

	step = csf_stream_execute(queue, instr);
	if (step == CSF_STEP_DONE || step == CSF_STEP_JUMPED) {
		memset(&ctx->op, 0, sizeof(ctx->op));
		queue->csf->gm.counters[CSF_INSTRUCTIONS]++;
	}
	if (step == CSF_STEP_DONE)
		csf_stream_next(queue, frame);
}
