/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model of a CSF Mali: groups and their queues (command streams). mali_csf_group.c has the groups' life cycle,
 * mali_csf_queue.c the queues' events and faults, mali_csf_stream.c and mali_csf_memory.c execute instructions,
 * mali_csf_heap.c has the tiler's chunks, mali_csf_oom.c asks the kernel for more, and mali_csf_tiling.c has what is in them.
 *
 * Everything in here is protected by gm.lock; every function is called with it held.
 */
#ifndef MALI_CSF_GROUP_H
#define MALI_CSF_GROUP_H

#include <linux/ktime.h>

#include "mali_csf.h"
#include "mali_csf_instr.h"

#define CSF_CALL_DEPTH		8
#define CSF_LINE		64	/* bytes of instructions that are fetched at once */
#define CSF_LINE_INSTRS		(CSF_LINE / 8)

/* What firmware does when the kernel answers TILER_OOM without a chunk. Nobody outside Arm knows: [A], module parameter oom_null. */
enum csf_oom_null {
	CSF_OOM_NULL_DEFAULT,	/* the first of the following three that can help */
	CSF_OOM_NULL_WAIT,	/* wait for a fragment job to free a chunk, for ever if none does */
	CSF_OOM_NULL_HANDLER,	/* run the queue's exception handler; fatal without one */
	CSF_OOM_NULL_FATAL,	/* CS_FATAL */
	CSF_OOM_NULL_FAULT,	/* CS_FAULT: the rest of the instruction's work is left out, and the stream goes on */
};

/* Why a queue does not go on. In the suspend buffer: only append. */
enum csf_block {
	CSF_RUNNING,		/* has work, or has executed all of it */
	CSF_SYNC_WAIT,
	CSF_OOM,		/* waits for the kernel's answer to TILER_OOM */
	CSF_OOM_FRAGMENT,	/* had no chunk for an answer, waits for a fragment job to free one */
	CSF_MMU_FAULT,
	CSF_HANGING,
	CSF_DEAD,		/* after CS_FATAL */
	CSF_FAULTED,		/* after CS_FAULT, until the kernel has seen it */
};

struct csf_frame {
	u64 start;
	u64 pc;
	u64 end;
};

/* The instruction under way, of those that take more than one step */
struct csf_op {
	u32 step;
	u64 done;		/* blocks */
};

/* A render pass, between HEAP_OPERATION VT_START and the next one. Offsets are in bytes since its start. */
struct csf_tiling {
	u64 seed;		/* what is written to the block at an offset is this plus the offset */
	u64 offset;		/* consumed */
	u64 rendered;		/* of these, by incremental passes; their chunks are no longer the pass's */
	u64 first_chunk;	/* encoded pointer to the chunk that holds the offset `rendered`; 0 nothing tiled yet */
	u32 first_block;	/* in that chunk */
	u32 incremental;
	u32 wrong;
	u32 nulls;
	u64 last_full;		/* the chunk that was filled last, to link the next one to; 0 none */
	u64 cursor_chunk;	/* where a search in the pass's chunks stands; 0 nowhere */
	s64 cursor_block;	/* number in the pass of that chunk's first block */
};

/* What is stored in the suspend buffer of a group, for each queue. */
struct csf_context {
	u32 magic;
	u32 block;		/* enum csf_block */
	u32 started;
	u32 error;		/* of the last CS_FAULT; until ERROR_BARRIER */
	u32 regs[MALI_CSF_REGS];
	u64 extract;		/* bytes of the ring buffer that were executed */
	u32 line_valid;		/* line holds the ring's 64 bytes around extract */
	u32 depth;		/* of frames; 0: in the ring buffer */
	u64 line[CSF_LINE_INSTRS];
	struct csf_frame frames[CSF_CALL_DEPTH];
	struct csf_op op;
	s64 delay_left;		/* ns of a delay that was interrupted; 0 none */
	u64 wait_va;		/* CSF_SYNC_WAIT: until the word there is above (or not above) wait_value */
	u64 wait_value;
	u32 wait_gt;
	u32 wait_64;
	u64 handler;		/* of tiler out-of-memory; 0 none */
	u32 handler_length;
	u32 handler_depth;	/* of its frame, while it runs; 0 otherwise */
	u32 handler_freed;	/* it has given chunks back */
	u32 oom_withdrawn;	/* TILER_OOM was raised, and not answered before the group left its slot */
	struct csf_op handler_op;	/* the instruction that it interrupted */
	u64 heap;		/* heap context, from HEAP_SET; 0 none */
	struct csf_tiling tiling;
};

struct csf_queue {
	/* Fixed */
	struct mali_csf *csf;
	struct csf_group *group;
	u32 index;		/* of its slot in the group's */

	struct csf_context ctx;

	/* What follows belongs to the slot and not to the group. */
	u64 ring_base;
	u32 ring_size;
	u64 ring_input;
	u64 ring_output;
	u64 insert;		/* as last seen */
	u64 line_va;		/* of `line`, which is from a user stream; 0 none */
	u64 line[CSF_LINE_INSTRS];
	ktime_t until;		/* of a delay; 0 none */
	u32 wanted;		/* events to be raised when the kernel has seen the last ones of their kind */
	bool oom_raised;	/* TILER_OOM is with the kernel */
	ktime_t oom_at;		/* since when */
	ktime_t oom_due;	/* when to raise it (planted); 0 none */
	ktime_t answer_due;	/* when to look at the answer (planted); 0 none */
	u64 oom_repeats;	/* times that the event will be raised again although it was answered (planted) */
	u64 answer;		/* last value of heap_start that was looked at */
};

struct csf_group {
	/* Fixed */
	struct mali_csf *csf;
	u32 index;		/* of its slot */
	struct csf_queue queues[CSF_NUM_CS];

	bool running;
	bool idle;		/* as the kernel was told */
	u32 as;
	u64 suspend_buf;
	unsigned int slices;	/* of the worker that the group used up, one after the other */
	u32 repeated;		/* events to be raised again when the kernel has seen them (planted) */
	u32 delayed;		/* events that are held back (planted), until: */
	ktime_t delayed_due;
};

/* How a step of an instruction ended */
enum csf_step {
	CSF_STEP_DONE,		/* on to the next instruction */
	CSF_STEP_JUMPED,	/* done, and has set the next instruction itself */
	CSF_STEP_MORE,		/* some of it is done; the same instruction again */
	CSF_STEP_BLOCKED,	/* the queue waits or is dead; the same instruction again if it ever goes on */
};

static inline u64 csf_queue_input(const struct csf_queue *queue)
{
	return CSF_CS_INPUT(queue->group->index, queue->index);
}

static inline u64 csf_queue_output(const struct csf_queue *queue)
{
	return CSF_CS_OUTPUT(queue->group->index, queue->index);
}

/* mali_csf_group.c */
void csf_group_event(struct csf_group *group, u32 event);
void csf_groups_sync_written(struct mali_csf *csf);
void csf_groups_chunk_freed(struct csf_queue *by);

/* mali_csf_queue.c */
void csf_queue_start(struct csf_queue *queue, const struct csf_context *resume);
void csf_queue_save(struct csf_queue *queue);
void csf_queue_clear(struct csf_queue *queue);
void csf_queue_doorbell(struct csf_queue *queue);
void csf_queue_request(struct csf_queue *queue);
void csf_queue_report(struct csf_queue *queue);
bool csf_queue_idle(const struct csf_queue *queue);
bool csf_queue_runnable(const struct csf_queue *queue);
ktime_t csf_queue_timers(struct csf_queue *queue, ktime_t now);
void csf_queue_event(struct csf_queue *queue, u32 event);
bool csf_queue_event_pending(struct csf_queue *queue, u32 event);
enum csf_step csf_queue_fatal(struct csf_queue *queue, u32 type, u64 info);
enum csf_step csf_queue_fault(struct csf_queue *queue, u32 type, u64 info);
void csf_queue_sync_written(struct csf_queue *queue);

/* Fields of instructions */
#define FIELD_A			GENMASK_ULL(55, 48)
#define FIELD_B			GENMASK_ULL(47, 40)
#define FIELD_C			GENMASK_ULL(39, 32)

/* Registers that do not exist read 0 and take nothing. */
static inline u32 csf_reg(const struct csf_queue *queue, u32 reg)
{
	return reg < MALI_CSF_REGS ? queue->ctx.regs[reg] : 0;
}

static inline u64 csf_pair(const struct csf_queue *queue, u32 reg)
{
	return csf_reg(queue, reg) | (u64)csf_reg(queue, reg + 1) << 32;
}

static inline void csf_set_reg(struct csf_queue *queue, u32 reg, u32 val)
{
	if (reg < MALI_CSF_REGS)
		queue->ctx.regs[reg] = val;
}

static inline void csf_set_pair(struct csf_queue *queue, u32 reg, u64 val)
{
	csf_set_reg(queue, reg, lower_32_bits(val));
	csf_set_reg(queue, reg + 1, upper_32_bits(val));
}

/* mali_csf_stream.c */
enum csf_step csf_stream_invalid(struct csf_queue *queue, u64 instr);
void csf_stream_step(struct csf_queue *queue);
bool csf_stream_read(struct csf_queue *queue, u64 va, void *buf, size_t len);
bool csf_stream_write(struct csf_queue *queue, u64 va, const void *buf, size_t len);
enum csf_step csf_stream_call(struct csf_queue *queue, u64 va, u32 length);
void csf_stream_line_executed(struct csf_queue *queue);

/* mali_csf_memory.c: instructions */
enum csf_step csf_stream_multiple(struct csf_queue *queue, u64 instr, bool load);
enum csf_step csf_stream_sync_write(struct csf_queue *queue, u64 instr, bool add, size_t size);
enum csf_step csf_stream_sync_wait(struct csf_queue *queue, u64 instr, size_t size);
enum csf_step csf_stream_touch(struct csf_queue *queue, u64 instr);

/* mali_csf_heap.c: chunks */
#define CHUNK_ADDRESS		GENMASK_ULL(63, 12)	/* of an encoded pointer to a chunk */
#define CHUNK_PAGES		GENMASK_ULL(11, 0)	/* its size */

struct csf_heap_desc {
	u64 va;
	u32 size;
	u64 base;
	u64 bottom;
	u64 top;
};

struct csf_heap_context {
	u64 free;		/* first of the free chunks, encoded */
	u32 reserved[2];
	u32 vt_started;
	u32 vt_completed;
	u32 reserved2;
	u32 frag_completed;
};

bool csf_heap_read(struct csf_queue *queue, struct csf_heap_context *heap);
bool csf_heap_write(struct csf_queue *queue, const struct csf_heap_context *heap);
enum csf_step csf_heap_chunk(struct csf_queue *queue, u64 tiler, struct csf_heap_desc *desc);
bool csf_heap_desc_write(struct csf_queue *queue, const struct csf_heap_desc *desc);
enum csf_step csf_heap_operation(struct csf_queue *queue, u32 operation);
enum csf_step csf_heap_finish_fragment(struct csf_queue *queue, u64 first, u64 last, bool count);

/* mali_csf_oom.c: the kernel is asked for a chunk */
void csf_heap_raise(struct csf_queue *queue);
void csf_heap_post(struct csf_queue *queue);
void csf_heap_doorbell(struct csf_queue *queue);
void csf_heap_answered(struct csf_queue *queue);
void csf_heap_withdraw(struct csf_queue *queue);
void csf_heap_handler_returned(struct csf_queue *queue);

/* mali_csf_tiling.c: what a render pass writes into them and reads from them */
enum csf_step csf_tiling_consume(struct csf_queue *queue, u64 bytes, u64 seed);
enum csf_step csf_tiling_fragment(struct csf_queue *queue);
enum csf_step csf_tiling_copy(struct csf_queue *queue, u64 offset, u64 va);
enum csf_step csf_tiling_status(struct csf_queue *queue, u64 va);
void csf_tiling_begin(struct csf_queue *queue);
void csf_tiling_rendered(struct csf_queue *queue, bool incremental);

#endif
