// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a CSF Mali: render passes, and what they write into the heap.
 *
 * A pass takes blocks of 4 KiB, one after the other, from its chunks, and writes a word at the start of each from which one
 * can tell that it is still the pass's: the seed plus the offset in the pass. A fragment job reads them all again, and counts
 * those that hold something else; COPY brings one to memory that a program can see. A chunk that was given away twice, or
 * whose pages were lost, is so seen as wrong content. The pass's chunks are found through the links in their headers, as the
 * tiler's memory is all that there is.
 */
#include <linux/bitfield.h>

#include "mali_csf_group.h"

/* Of one instruction, with the lock held */
#define CSF_BLOCKS_AT_ONCE	8
#define CSF_LINKS_AT_ONCE	16

void csf_tiling_begin(struct csf_queue *queue)
{
	memset(&queue->ctx.tiling, 0, sizeof(queue->ctx.tiling));
}

/* The chunks of what was tiled until now are no longer the pass's. */
void csf_tiling_rendered(struct csf_queue *queue, bool incremental)
{
	struct csf_tiling *tiling = &queue->ctx.tiling;

	tiling->rendered = tiling->offset;
	tiling->first_chunk = 0;
	tiling->last_full = 0;
	tiling->cursor_chunk = 0;
	tiling->incremental += incremental;
	queue->csf->gm.counters[CSF_INCREMENTAL_PASSES] += incremental;
}

/* Where in a chunk a block begins. */
static u64 csf_block_va(u64 chunk, u64 block)
{
	return (chunk & CHUNK_ADDRESS) + (block ? block * MALI_CSF_HEAP_BLOCK : MALI_CSF_CHUNK_HEADER);
}

static bool csf_tiling_take_block(struct csf_queue *queue, struct csf_heap_desc *desc)
{
	struct csf_tiling *tiling = &queue->ctx.tiling;
	u64 block = (desc->bottom - desc->base) / MALI_CSF_HEAP_BLOCK;
	u64 word = tiling->seed + tiling->offset, mask;

	if (gpu_model_fault_hit(&queue->csf->gm, CSF_FAULT_CORRUPT_HEAP, &mask))
		word ^= mask;
	if (!csf_stream_write(queue, csf_block_va(desc->base, block), &word, sizeof(word)))
		return false;
	if (!tiling->first_chunk) {
		tiling->first_chunk = desc->base | FIELD_PREP(CHUNK_PAGES, (desc->top - desc->base) >> 12);
		tiling->first_block = block;
	}
	tiling->offset += MALI_CSF_HEAP_BLOCK;
	desc->bottom = desc->base + (block + 1) * MALI_CSF_HEAP_BLOCK;
	queue->csf->gm.counters[CSF_HEAP_BLOCKS]++;
	return true;
}

/* Takes BYTES from the heap, a few blocks with each step. */
enum csf_step csf_tiling_consume(struct csf_queue *queue, u64 bytes, u64 seed)
{
	u64 tiler = queue->ctx.regs[MALI_CSF_SR_TILER] | (u64)queue->ctx.regs[MALI_CSF_SR_TILER + 1] << 32;
	u64 blocks = DIV_ROUND_UP_ULL(bytes, MALI_CSF_HEAP_BLOCK);
	struct csf_op *op = &queue->ctx.op;
	struct csf_heap_desc desc;
	enum csf_step step;
	unsigned int i;

	if (op->done >= blocks)
		return CSF_STEP_DONE;
	step = csf_heap_chunk(queue, tiler, &desc);
	if (step != CSF_STEP_DONE)
		return step;

	if (!queue->ctx.tiling.offset)
		queue->ctx.tiling.seed = seed;
	for (i = 0; i < CSF_BLOCKS_AT_ONCE && op->done < blocks && desc.bottom < desc.top; i++, op->done++) {
		if (!csf_tiling_take_block(queue, &desc))
			return CSF_STEP_BLOCKED;
	}
	if (!csf_heap_desc_write(queue, &desc))
		return CSF_STEP_BLOCKED;
	return op->done < blocks ? CSF_STEP_MORE : CSF_STEP_DONE;
}

/*
 * Finds the block at OFFSET of the pass, which is no longer rendered. *VA is 0 if the chain of chunks ends before it. MORE: the
 * search goes on with the next step.
 */
static enum csf_step csf_tiling_find(struct csf_queue *queue, u64 offset, u64 *va)
{
	struct csf_tiling *tiling = &queue->ctx.tiling;
	s64 block = (offset - tiling->rendered) / MALI_CSF_HEAP_BLOCK;
	unsigned int i;

	if (!tiling->cursor_chunk || block < tiling->cursor_block) {
		tiling->cursor_chunk = tiling->first_chunk;
		tiling->cursor_block = -(s64)tiling->first_block;
	}
	for (i = 0; i < CSF_LINKS_AT_ONCE; i++) {
		u64 pages = FIELD_GET(CHUNK_PAGES, tiling->cursor_chunk), next;

		if (block < tiling->cursor_block + (s64)pages) {
			*va = csf_block_va(tiling->cursor_chunk, block - tiling->cursor_block);
			return CSF_STEP_DONE;
		}
		if (!csf_stream_read(queue, tiling->cursor_chunk & CHUNK_ADDRESS, &next, sizeof(next)))
			return CSF_STEP_BLOCKED;
		if (!pages || !FIELD_GET(CHUNK_PAGES, next)) {
			*va = 0;
			return CSF_STEP_DONE;
		}
		tiling->cursor_block += pages;
		tiling->cursor_chunk = next;
	}
	return CSF_STEP_MORE;
}

/* A fragment job reads all that the pass has tiled since the last one. */
enum csf_step csf_tiling_fragment(struct csf_queue *queue)
{
	struct csf_tiling *tiling = &queue->ctx.tiling;
	struct csf_op *op = &queue->ctx.op;
	unsigned int i;

	for (i = 0; i < CSF_BLOCKS_AT_ONCE; i++, op->done += MALI_CSF_HEAP_BLOCK) {
		u64 offset = tiling->rendered + op->done, word = 0, va;
		enum csf_step step;

		if (offset >= tiling->offset)
			return CSF_STEP_DONE;
		step = csf_tiling_find(queue, offset, &va);
		if (step != CSF_STEP_DONE)
			return step;
		if (va && !csf_stream_read(queue, va, &word, sizeof(word)))
			return CSF_STEP_BLOCKED;
		if (!va || word != tiling->seed + offset) {
			tiling->wrong++;
			queue->csf->gm.counters[CSF_HEAP_BLOCKS_WRONG]++;
		}
	}
	return CSF_STEP_MORE;
}

enum csf_step csf_tiling_copy(struct csf_queue *queue, u64 offset, u64 va)
{
	struct csf_tiling *tiling = &queue->ctx.tiling;
	u64 word = MALI_CSF_HEAP_NOTHING, from = 0;
	enum csf_step step;

	if (!IS_ALIGNED(va, 8))
		return csf_queue_fatal(queue, CSF_EXCEPTION_CS_CONFIG_FAULT, va);
	offset = round_down(offset, MALI_CSF_HEAP_BLOCK);
	if (offset < tiling->rendered) {
		word = MALI_CSF_HEAP_RENDERED;
	} else if (offset < tiling->offset) {
		step = csf_tiling_find(queue, offset, &from);
		if (step != CSF_STEP_DONE)
			return step;
		if (from && !csf_stream_read(queue, from, &word, sizeof(word)))
			return CSF_STEP_BLOCKED;
	}
	return csf_stream_write(queue, va, &word, sizeof(word)) ? CSF_STEP_DONE : CSF_STEP_BLOCKED;
}

enum csf_step csf_tiling_status(struct csf_queue *queue, u64 va)
{
	const struct csf_tiling *tiling = &queue->ctx.tiling;
	struct mali_csf_heap_status status = {
		.consumed = tiling->offset,
		.rendered = tiling->rendered,
		.incremental = tiling->incremental,
		.wrong = tiling->wrong,
		.chunks_null = tiling->nulls,
	};

	if (!IS_ALIGNED(va, 8))
		return csf_queue_fatal(queue, CSF_EXCEPTION_CS_CONFIG_FAULT, va);
	return csf_stream_write(queue, va, &status, sizeof(status)) ? CSF_STEP_DONE : CSF_STEP_BLOCKED;
}
