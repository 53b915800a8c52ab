// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a CSF Mali: TILER_OOM, with which the kernel is asked for a chunk, its answer, and what is done without one.
 *
 * The event carries the numbers of render passes begun, tiled and rendered, which the kernel checks (panthor_sched.c,
 * group_process_tiler_oom()). It is answered when the kernel makes its bit of REQ equal to ACK, with the chunk or 0 in
 * heap_start. After an answer without a chunk it is asked again only when something has changed.
 *
 * [A] The firmware marks chunks that it has been given in the reserved part of their header: a chunk that comes marked was
 * given twice. One that does not begin with zeroes was not cleared. Both are counted, and used as they are.
 * [A] A chunk that comes when no queue asks for one is not looked at, and so lost to the heap: counted as late.
 */
#include <linux/module.h>
#include <linux/string.h>

#include "mali_csf_group.h"

#define CHUNK_OWNED		0x44454e574f465343ull	/* "CSFOWNED" */

struct csf_chunk_header {
	u64 next;
	u64 owned;
	u64 reserved[6];
};

static const char *const csf_oom_null_names[] = {
	[CSF_OOM_NULL_DEFAULT] = "default",
	[CSF_OOM_NULL_WAIT] = "wait",
	[CSF_OOM_NULL_HANDLER] = "handler",
	[CSF_OOM_NULL_FATAL] = "fatal",
	[CSF_OOM_NULL_FAULT] = "fault",
};

static enum csf_oom_null oom_null;

static int csf_oom_null_set(const char *val, const struct kernel_param *kp)
{
	int n = __sysfs_match_string(csf_oom_null_names, ARRAY_SIZE(csf_oom_null_names), val);

	if (n < 0)
		return n;
	WRITE_ONCE(oom_null, n);
	return 0;
}

static int csf_oom_null_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%s\n", csf_oom_null_names[READ_ONCE(oom_null)]);
}

static const struct kernel_param_ops csf_oom_null_ops = {
	.set = csf_oom_null_set,
	.get = csf_oom_null_get,
};
module_param_cb(oom_null, &csf_oom_null_ops, NULL, 0644);
MODULE_PARM_DESC(oom_null, "What the firmware does with an answer to TILER_OOM without a chunk: default, wait, handler, fatal, fault");

/* A bit for each queue whose TILER_OOM has not been answered, above the address spaces'. */
static u64 csf_heap_unanswered(const struct csf_queue *queue)
{
	return BIT_ULL(16 + queue->group->index * CSF_NUM_CS + queue->index);
}

/* The kernel is asked for a chunk, at once or later. */
void csf_heap_raise(struct csf_queue *queue)
{
	struct gpu_model *gm = &queue->csf->gm;
	u64 value;

	if (gpu_model_fault_hit(gm, CSF_FAULT_REPEAT_OOM, &value))
		queue->oom_repeats = value;
	if (gpu_model_fault_hit(gm, CSF_FAULT_DELAY_OOM, &value)) {
		queue->oom_due = ktime_add_us(ktime_get(), value);
		gpu_model_kick(gm);
		return;
	}
	csf_heap_post(queue);
}

void csf_heap_post(struct csf_queue *queue)
{
	u64 out = csf_queue_output(queue), unused;
	struct mali_csf *csf = queue->csf;
	struct csf_heap_context heap;

	if (!csf_heap_read(queue, &heap))
		return;
	if (gpu_model_fault_hit(&csf->gm, CSF_FAULT_BAD_HEAP_STATISTICS, &unused))
		heap.vt_started = heap.vt_completed;
	csf_mcu_set(csf, out + CS_HEAP_VT_START, heap.vt_started);
	csf_mcu_set(csf, out + CS_HEAP_VT_END, heap.vt_completed);
	csf_mcu_set(csf, out + CS_HEAP_FRAG_END, heap.frag_completed);
	csf_mcu_set64(csf, out + CS_HEAP_ADDRESS, queue->ctx.heap);

	csf->gm.counters[queue->ctx.oom_withdrawn ? CSF_OOM_RERAISED : CSF_OOM_RAISED]++;
	queue->ctx.oom_withdrawn = 0;
	queue->oom_raised = true;
	queue->oom_at = ktime_get();
	WRITE_ONCE(csf->gm.unanswered, csf->gm.unanswered | csf_heap_unanswered(queue));
	csf_queue_event(queue, CS_TILER_OOM);
}

/* The group leaves its slot: the event goes with it, and is raised again when it comes back. */
void csf_heap_withdraw(struct csf_queue *queue)
{
	if (queue->oom_raised)
		queue->ctx.oom_withdrawn = 1;
	queue->oom_raised = false;
	queue->oom_due = 0;
	WRITE_ONCE(queue->csf->gm.unanswered, queue->csf->gm.unanswered & ~csf_heap_unanswered(queue));
}

/* From the event to its answer, as the firmware sees it. */
static void csf_heap_count_wait(struct csf_queue *queue)
{
	static const struct {
		s64 below_us;
		enum csf_counter counter;
	} classes[] = {
		{ 1000, CSF_OOM_ANSWERED_1MS },
		{ 10 * 1000, CSF_OOM_ANSWERED_10MS },
		{ 100 * 1000, CSF_OOM_ANSWERED_100MS },
		{ 1000 * 1000, CSF_OOM_ANSWERED_1S },
		{ S64_MAX, CSF_OOM_ANSWERED_LATER },
	};
	s64 us = ktime_us_delta(ktime_get(), queue->oom_at);
	u64 *worst = &queue->csf->gm.counters[CSF_OOM_WORST_US];
	unsigned int i = 0;

	while (us >= classes[i].below_us)
		i++;
	queue->csf->gm.counters[classes[i].counter]++;
	*worst = max_t(u64, *worst, us);
}

/* The group's doorbell was rung: perhaps because TILER_OOM has been answered. */
void csf_heap_doorbell(struct csf_queue *queue)
{
	u64 chunk = csf_mcu_get64(queue->csf, csf_queue_input(queue) + CS_HEAP_START), value;

	if (queue->oom_raised) {
		/* The driver rings as soon as it has seen the event, long before it answers. */
		if (csf_queue_event_pending(queue, CS_TILER_OOM))
			return;
		queue->oom_raised = false;
		queue->wanted &= ~CS_TILER_OOM;
		WRITE_ONCE(queue->csf->gm.unanswered, queue->csf->gm.unanswered & ~csf_heap_unanswered(queue));
		csf_heap_count_wait(queue);
		if (gpu_model_fault_hit(&queue->csf->gm, CSF_FAULT_DELAY_ANSWER, &value)) {
			queue->answer_due = ktime_add_us(ktime_get(), value);
			gpu_model_kick(&queue->csf->gm);
			return;
		}
		csf_heap_answered(queue);
	} else if (!queue->answer_due && chunk != queue->answer) {
		queue->csf->gm.counters[CSF_CHUNKS_LATE] += !!chunk;
		queue->answer = chunk;
	}
}

/* A chunk from the kernel goes to the free list. */
static bool csf_heap_receive(struct csf_queue *queue, u64 chunk)
{
	u64 *counters = queue->csf->gm.counters;
	struct csf_chunk_header header;
	struct csf_heap_context heap;

	if (!csf_stream_read(queue, chunk & CHUNK_ADDRESS, &header, sizeof(header)) || !csf_heap_read(queue, &heap))
		return false;
	counters[CSF_CHUNKS_RECEIVED]++;
	if (header.owned == CHUNK_OWNED)
		counters[CSF_CHUNKS_DUPLICATE]++;
	else if (memchr_inv(&header, 0, sizeof(header)))
		counters[CSF_CHUNKS_NOT_CLEARED]++;

	header.next = heap.free;
	header.owned = CHUNK_OWNED;
	heap.free = chunk;
	return csf_stream_write(queue, chunk & CHUNK_ADDRESS, &header, sizeof(header)) && csf_heap_write(queue, &heap);
}

static void csf_heap_run_handler(struct csf_queue *queue)
{
	struct csf_context *ctx = &queue->ctx;

	ctx->block = CSF_RUNNING;
	ctx->handler_op = ctx->op;
	ctx->handler_freed = 0;
	memset(&ctx->op, 0, sizeof(ctx->op));
	if (csf_stream_call(queue, ctx->handler, ctx->handler_length) == CSF_STEP_JUMPED) {
		ctx->handler_depth = ctx->depth;
		queue->csf->gm.counters[CSF_OOM_HANDLER_RUNS]++;
	}
}

/* The handler has ended: the instruction that it interrupted is tried again, if there is anything to be had now. */
void csf_heap_handler_returned(struct csf_queue *queue)
{
	struct csf_context *ctx = &queue->ctx;

	ctx->handler_depth = 0;
	ctx->op = ctx->handler_op;
	if (!ctx->handler_freed)
		csf_queue_fatal(queue, CSF_EXCEPTION_OOM, ctx->heap);
}

/* The instruction gives up, and the stream goes on behind it. */
static void csf_heap_skip(struct csf_queue *queue)
{
	csf_queue_fault(queue, CSF_EXCEPTION_OOM, queue->ctx.heap);
	memset(&queue->ctx.op, 0, sizeof(queue->ctx.op));
	queue->ctx.frames[queue->ctx.depth - 1].pc += 8;
}

static void csf_heap_no_chunk(struct csf_queue *queue)
{
	enum csf_oom_null policy = READ_ONCE(oom_null);
	struct csf_heap_context heap;

	queue->ctx.tiling.nulls++;
	if (policy == CSF_OOM_NULL_DEFAULT) {
		if (!csf_heap_read(queue, &heap))
			return;
		policy = (s32)(heap.vt_completed - heap.frag_completed) > 0 ? CSF_OOM_NULL_WAIT : CSF_OOM_NULL_HANDLER;
	}

	if (policy == CSF_OOM_NULL_WAIT) {
		queue->ctx.block = CSF_OOM_FRAGMENT;
		queue->csf->gm.counters[CSF_OOM_WAITS]++;
	} else if (policy == CSF_OOM_NULL_HANDLER && queue->ctx.handler) {
		csf_heap_run_handler(queue);
	} else if (policy == CSF_OOM_NULL_FAULT && queue->ctx.depth) {
		csf_heap_skip(queue);
	} else {
		csf_queue_fatal(queue, CSF_EXCEPTION_OOM, queue->ctx.heap);
	}
}

/* The firmware looks at the answer. */
void csf_heap_answered(struct csf_queue *queue)
{
	u64 chunk = csf_mcu_get64(queue->csf, csf_queue_input(queue) + CS_HEAP_START);
	bool waiting = queue->ctx.block == CSF_OOM;

	queue->answer = chunk;
	queue->answer_due = 0;
	gpu_model_kick(&queue->csf->gm);
	if (chunk) {
		if (!csf_heap_receive(queue, chunk))
			return;
		if (!waiting)
			queue->csf->gm.counters[CSF_CHUNKS_UNNEEDED]++;
		else
			queue->ctx.block = CSF_RUNNING;
		csf_groups_chunk_freed(queue);
	} else {
		queue->csf->gm.counters[CSF_CHUNKS_NULL]++;
		if (waiting)
			csf_heap_no_chunk(queue);
	}
	if (queue->oom_repeats) {
		queue->oom_repeats--;
		csf_heap_post(queue);
	}
}
