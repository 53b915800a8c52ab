// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a CSF Mali: the tiler heap's chunks.
 *
 * A heap is a context (32 bytes, which the kernel only zeroes) and chunks, each with a header whose first word points to the
 * next one. A pointer to a chunk has its size in 4 KiB pages in the lowest 12 bits (panthor_heap.c). Layout of the context:
 * the first panthor patches [K]. The tiler takes its memory from the chunk that the tiler heap descriptor names. When that is
 * full it goes to the list of full chunks in the tiler context, and the next one is, in this order: the one that its header
 * points to (the chunks which a heap begins with are chained so), the first of the context's free list, or one that the
 * kernel is asked for (mali_csf_oom.c). FINISH_FRAGMENT gives the full chunks to the free list.
 */
#include <linux/bitfield.h>

#include "mali_csf_group.h"

bool csf_heap_read(struct csf_queue *queue, struct csf_heap_context *heap)
{
	return csf_stream_read(queue, queue->ctx.heap, heap, sizeof(*heap));
}

bool csf_heap_write(struct csf_queue *queue, const struct csf_heap_context *heap)
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
