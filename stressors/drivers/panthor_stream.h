/* SPDX-License-Identifier: MIT */
/*
 * Command streams for panthor: words of 64 bits, as lab/models/mali_csf_instr.h encodes them. Values written by
 * STORE_MULTIPLE need no shader, so those streams run on boards; heap streams use an instruction of the GPU model.
 */
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lab/models/mali_csf_instr.h"
#include "stressors/drivers/driver.h"

namespace drmsqueeze
{

/** Boards have no such directory: there the same interface has a GPU behind it that knows no private instruction. */
inline constexpr const char *kCsfModel = "/sys/kernel/debug/drmsqueeze/mali-csf";

/** What jobs tell the CPU, in memory of their slot. */
struct PanthorStatus {
	uint32_t begun;
	uint32_t writes_done;
	uint32_t incremental_passes;
	uint32_t reserved;
	mali_csf_heap_status heap;
};

/** Where a heap job finds what, all of it addresses of the GPU. */
struct PanthorHeapPlan {
	uint64_t context; /* of the heap: TILER_HEAP_CREATE gave it */
	uint64_t tiler;   /* the job's own tiler context */
	uint64_t status;  /* a PanthorStatus */
	uint64_t copies;  /* one word for each write, as the heap holds it in the end */
	uint64_t handler; /* the out-of-memory handler's stream; 0: none, and a job without memory faults */
	uint32_t handler_bytes;
	uint64_t seed; /* each 4 KiB block of what the job takes begins with this + its offset */
};

class PanthorStream
{
public:
	/** Registers r0 to r91 are ours: MALI_CSF_KERNEL_REG. */
	PanthorStream &move48(unsigned reg, uint64_t value);
	PanthorStream &move32(unsigned reg, uint32_t value);
	/** Both halves: MOVE48 reaches 48 bits only. */
	PanthorStream &move64(unsigned reg, uint64_t value);
	/** @count registers from @first, to the address in the pair @at plus @offset; waits until it is done. */
	PanthorStream &store(unsigned first, unsigned count, unsigned at, unsigned offset);
	PanthorStream &load(unsigned first, unsigned count, unsigned at, unsigned offset);
	PanthorStream &add32(unsigned reg, int32_t value);
	PanthorStream &word(uint64_t instruction);

	/** The GPU writes @writes in order, and says in @status how far it is. */
	static std::vector<uint64_t> of_writes(std::span<const GpuWrite> writes, uint64_t status);
	/** One render pass that takes heap memory up to the place of each of @offsets, then up to @bytes. */
	static std::vector<uint64_t> of_heap(const PanthorHeapPlan &plan, std::span<const uint64_t> offsets,
					     uint64_t bytes);
	/** Renders what the pass has tiled so far and gives its full chunks back; runs with the job's registers. */
	static std::vector<uint64_t> of_handler();

	std::vector<uint64_t> take() { return std::move(words_); }

	/* For the size of a slot's memory: no stream has more words than this. */
	static constexpr uint64_t words_for(uint64_t writes) { return 64 + writes * 12; }

private:
	PanthorStream &begin(uint64_t status);
	PanthorStream &done(unsigned writes);
	PanthorStream &flush();
	PanthorStream &give_chunks_back(bool completed);
	PanthorStream &private_op(unsigned operation, unsigned a, unsigned b);

	std::vector<uint64_t> words_;
};

} // namespace drmsqueeze
