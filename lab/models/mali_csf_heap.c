// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a CSF Mali: the tiler heap's chunks, the TILER_OOM event and its answer.
 *
 * A heap is a context (32 bytes, which the kernel only zeroes) and chunks, each with a header whose first word points to the
 * next one. A pointer to a chunk has its size in 4 KiB pages in the lowest 12 bits (panthor_heap.c). Layout of the context:
 * the first panthor patches [K]. The tiler takes its memory from the chunk that the tiler heap descriptor names. When that is
 * full it goes to the list of full chunks in the tiler context, and the next one is, in this order: the one that its header
 * points to (the chunks which a heap begins with are chained so), the first of the context's free list, or one that the
 * kernel is asked for with TILER_OOM. FINISH_FRAGMENT gives the full chunks to the free list.
 *
 * The event carries the numbers of render passes begun, tiled and rendered, which the kernel checks (panthor_sched.c,
 * group_process_tiler_oom()). It is answered when the kernel makes its bit of REQ equal to ACK, with the chunk or 0 in
 * heap_start. After an answer without a chunk it is asked again only when something has changed.
 *
 * [A] The firmware marks chunks that it has been given in the reserved part of their header: a chunk that comes marked was
 * given twice. One that does not begin with zeroes was not cleared. Both are counted, and used as they are.
 * [A] A chunk that comes when no queue asks for one is not looked at, and so lost to the heap: counted as late.
 */
#include <linux/bitfield.h>
#include <linux/module.h>
#include <linux/string.h>

#include "mali_csf_group.h"

#define CHUNK_ADDRESS		GENMASK_ULL(63, 12)
#define CHUNK_PAGES		GENMASK_ULL(11, 0)
#define CHUNK_OWNED		0x44454e574f465343ull	/* "CSFOWNED" */

struct csf_chunk_header {
	u64 next;
	u64 owned;
	u64 reserved[6];
};

struct csf_heap_context {
	u64 free;		/* first of the free chunks, encoded */
	u32 reserved[2];
	u32 vt_started;
	u32 vt_completed;
	u32 reserved2;
	u32 frag_completed;
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

static bool csf_heap_read(struct csf_queue *queue, struct csf_heap_context *heap)
{
	return csf_stream_read(queue, queue->ctx.heap, heap, sizeof(*heap));
}

static bool csf_heap_write(struct csf_queue *queue, const struct csf_heap_context *heap)
{
	return csf_stream_write(queue, queue->ctx.heap, heap, sizeof(*heap));
}

static bool csf_chunk_link(struct csf_queue *queue, u64 chunk, u64 next)
{
	return csf_stream_write(queue, chunk & CHUNK_ADDRESS, &next, sizeof(next));
}

bool csf_heap_desc_write(struct csf_queue *queue, const struct csf_heap_desc *desc)
{
	u64 words[3] = { desc->base, desc->bottom, desc->top };

	return csf_stream_write(queue, desc->va + MALI_CSF_HEAP_DESC_BASE, words, sizeof(words));
}

static bool csf_heap_desc_read(struct csf_queue *queue, u64 tiler, struct csf_heap_desc *desc)
{
	u64 words[4];

	if (!csf_stream_read(queue, tiler + MALI_CSF_TILER_HEAP_DESC, &desc->va, sizeof(desc->va)) ||
	    !csf_stream_read(queue, desc->va, words, sizeof(words)))
		return false;
	desc->size = upper_32_bits(words[0]);
	desc->base = words[1];
	desc->bottom = words[2];
	desc->top = words[3];
	return true;
}

static bool csf_heap_full(const struct csf_heap_desc *desc)
{
	return !desc->base || desc->bottom < desc->base || desc->bottom >= desc->top;
}

/* The current chunk is full: to the end of the pass's list with it. *NEXT is what its header points to. */
static bool csf_heap_retire(struct csf_queue *queue, u64 tiler, struct csf_heap_desc *desc, u64 *next)
{
	struct csf_tiling *tiling = &queue->ctx.tiling;
	u64 chunk = desc->base | FIELD_PREP(CHUNK_PAGES, desc->size >> 12), list[2];

	if (!csf_stream_read(queue, desc->base, next, sizeof(*next)) ||
	    !csf_stream_read(queue, tiler + MALI_CSF_TILER_COMPLETED_TOP, list, sizeof(list)))
		return false;
	if (!list[0])
		list[0] = chunk;
	list[1] = chunk;
	desc->base = 0;
	desc->bottom = 0;
	desc->top = 0;
	if (!csf_stream_write(queue, tiler + MALI_CSF_TILER_COMPLETED_TOP, list, sizeof(list)) ||
	    !csf_heap_desc_write(queue, desc))
		return false;
	tiling->last_full = chunk;
	return true;
}

static bool csf_heap_use(struct csf_queue *queue, struct csf_heap_desc *desc, u64 chunk)
{
	desc->base = chunk & CHUNK_ADDRESS;
	desc->bottom = desc->base + MALI_CSF_CHUNK_HEADER;
	desc->top = desc->base + (FIELD_GET(CHUNK_PAGES, chunk) << 12);
	return csf_heap_desc_write(queue, desc);
}

/* Takes the first chunk of the free list; *CHUNK is 0 if there is none. */
static bool csf_heap_pop(struct csf_queue *queue, u64 *chunk)
{
	struct csf_heap_context heap;

	if (!csf_heap_read(queue, &heap))
		return false;
	*chunk = heap.free;
	if (!heap.free)
		return true;
	if (!csf_stream_read(queue, *chunk & CHUNK_ADDRESS, &heap.free, sizeof(heap.free)) ||
	    !csf_chunk_link(queue, *chunk, 0) || !csf_heap_write(queue, &heap))
		return false;
	queue->csf->gm.counters[CSF_CHUNKS_TAKEN]++;
	return true;
}

/* Sees to it that the tiler's current chunk has room; DONE: it has. */
enum csf_step csf_heap_chunk(struct csf_queue *queue, u64 tiler, struct csf_heap_desc *desc)
{
	struct csf_tiling *tiling = &queue->ctx.tiling;
	u64 chunk = 0;

	if (!queue->ctx.heap)
		return csf_queue_fatal(queue, CSF_EXCEPTION_CS_CONFIG_FAULT, tiler);
	if (!csf_heap_desc_read(queue, tiler, desc))
		return CSF_STEP_BLOCKED;
	if (!csf_heap_full(desc))
		return CSF_STEP_DONE;

	if (desc->base && !csf_heap_retire(queue, tiler, desc, &chunk))
		return CSF_STEP_BLOCKED;
	if (!chunk) {
		if (!csf_heap_pop(queue, &chunk))
			return CSF_STEP_BLOCKED;
		if (chunk && tiling->last_full && !csf_chunk_link(queue, tiling->last_full, chunk))
			return CSF_STEP_BLOCKED;
	}
	if (chunk) {
		if (!FIELD_GET(CHUNK_PAGES, chunk))
			return csf_queue_fatal(queue, CSF_EXCEPTION_OOM, chunk);
		return csf_heap_use(queue, desc, chunk) ? CSF_STEP_DONE : CSF_STEP_BLOCKED;
	}

	/* The exception handler itself needs memory. */
	if (queue->ctx.handler_depth)
		return csf_queue_fatal(queue, CSF_EXCEPTION_OOM, queue->ctx.heap);
	queue->ctx.block = CSF_OOM;
	csf_heap_raise(queue);
	return CSF_STEP_BLOCKED;
}

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

enum csf_step csf_heap_operation(struct csf_queue *queue, u32 operation)
{
	struct csf_heap_context heap;

	if (!queue->ctx.heap)
		return csf_queue_fatal(queue, CSF_EXCEPTION_CS_CONFIG_FAULT, operation);
	if (!csf_heap_read(queue, &heap))
		return CSF_STEP_BLOCKED;
	if (operation == MALI_CSF_HEAP_VT_START)
		heap.vt_started++;
	else if (operation == MALI_CSF_HEAP_VT_END)
		heap.vt_completed++;
	else if (operation == MALI_CSF_HEAP_FRAG_END)
		heap.frag_completed++;
	else
		return csf_queue_fatal(queue, CSF_EXCEPTION_CS_INSTR_INVALID, operation);
	if (!csf_heap_write(queue, &heap))
		return CSF_STEP_BLOCKED;

	if (operation == MALI_CSF_HEAP_VT_START)
		csf_tiling_begin(queue);
	else if (operation == MALI_CSF_HEAP_FRAG_END)
		csf_groups_chunk_freed(queue);
	return CSF_STEP_DONE;
}

/* What was tiled has been rendered: the chunks from FIRST to LAST are free. One that is not counted was incremental. */
enum csf_step csf_heap_finish_fragment(struct csf_queue *queue, u64 first, u64 last, bool count)
{
	struct csf_heap_context heap;

	if (!queue->ctx.heap)
		return csf_queue_fatal(queue, CSF_EXCEPTION_CS_CONFIG_FAULT, first);
	if (!csf_heap_read(queue, &heap))
		return CSF_STEP_BLOCKED;
	if (first && last) {
		if (!csf_chunk_link(queue, last, heap.free))
			return CSF_STEP_BLOCKED;
		heap.free = first;
		queue->ctx.handler_freed = 1;
		queue->csf->gm.counters[CSF_CHUNK_LISTS_RETURNED]++;
	}
	heap.frag_completed += count;
	if (!csf_heap_write(queue, &heap))
		return CSF_STEP_BLOCKED;

	csf_tiling_rendered(queue, !count);
	csf_groups_chunk_freed(queue);
	return CSF_STEP_DONE;
}
