/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/panthor_stream.h"

namespace drmsqueeze
{

namespace
{

/* Registers. The handler runs between two instructions of a heap stream, so what it changes nobody else uses. */
constexpr unsigned kAddress = 0; /* pair */
constexpr unsigned kValue = 2;   /* pair */
constexpr unsigned kStatus = 4;  /* pair, the whole stream long */
constexpr unsigned kDone = 6;
constexpr unsigned kZero = 8; /* and the next three */
constexpr unsigned kBytes = 12;
constexpr unsigned kSeed = 14;    /* pair */
constexpr unsigned kHeap = 16;    /* pair */
constexpr unsigned kHandler = 18; /* pair */
constexpr unsigned kLength = 20;
constexpr unsigned kPasses = 22;
constexpr unsigned kChunks = 24; /* two pairs: first and last */

constexpr unsigned kScoreboard = 0;    /* what SET_SB_ENTRY gives a queue at first */
constexpr uint64_t kAllCaches = 0x233; /* clean and invalidate, as prepare_job_instrs() in panthor_sched.c does */

/* The header's encoders cast as C does. */
constexpr uint64_t op(uint64_t opcode)
{
	return opcode << 56;
}
constexpr uint64_t field_a(uint64_t value)
{
	return value << 48;
}
constexpr uint64_t field_b(uint64_t value)
{
	return value << 40;
}
constexpr uint64_t field_c(uint64_t value)
{
	return value << 32;
}

constexpr uint64_t registers(unsigned count)
{
	return ((uint64_t{1} << count) - 1) << 16;
}

} // namespace

PanthorStream &PanthorStream::word(uint64_t instruction)
{
	words_.push_back(instruction);
	return *this;
}

PanthorStream &PanthorStream::move48(unsigned reg, uint64_t value)
{
	return word(op(MALI_CSF_MOVE48) | field_a(reg) | (value & 0xffffffffffff));
}

PanthorStream &PanthorStream::move32(unsigned reg, uint32_t value)
{
	return word(op(MALI_CSF_MOVE32) | field_a(reg) | value);
}

PanthorStream &PanthorStream::move64(unsigned reg, uint64_t value)
{
	return move32(reg, static_cast<uint32_t>(value)).move32(reg + 1, static_cast<uint32_t>(value >> 32));
}

PanthorStream &PanthorStream::store(unsigned first, unsigned count, unsigned at, unsigned offset)
{
	word(op(MALI_CSF_STORE_MULTIPLE) | field_a(first) | field_b(at) | registers(count) | offset);
	return word(op(MALI_CSF_WAIT) | registers(1) << kScoreboard);
}

PanthorStream &PanthorStream::load(unsigned first, unsigned count, unsigned at, unsigned offset)
{
	word(op(MALI_CSF_LOAD_MULTIPLE) | field_a(first) | field_b(at) | registers(count) | offset);
	return word(op(MALI_CSF_WAIT) | registers(1) << kScoreboard);
}

PanthorStream &PanthorStream::add32(unsigned reg, int32_t value)
{
	return word(op(MALI_CSF_ADD_IMM32) | field_a(reg) | field_b(reg) | static_cast<uint32_t>(value));
}

PanthorStream &PanthorStream::begin(uint64_t status)
{
	move48(kStatus, status).move32(kDone, 1);
	return store(kDone, 1, kStatus, offsetof(PanthorStatus, begun));
}

PanthorStream &PanthorStream::done(unsigned writes)
{
	return move32(kDone, writes).store(kDone, 1, kStatus, offsetof(PanthorStatus, writes_done));
}

/* What was stored lies in the GPU's caches, and boards need not be coherent. */
PanthorStream &PanthorStream::flush()
{
	move32(kZero, 0); /* the flush id: always */
	return word(op(MALI_CSF_FLUSH_CACHE2) | field_a(kScoreboard) | field_b(kZero) | kAllCaches);
}

PanthorStream &PanthorStream::private_op(unsigned operation, unsigned a, unsigned b)
{
	return word(op(MALI_CSF_PRIVATE) | field_a(a) | field_b(b) | operation);
}

/* As Mesa's handler does (pan_csf.c): the tiler lists its full chunks in the tiler context. */
PanthorStream &PanthorStream::give_chunks_back(bool completed)
{
	load(kChunks, 4, MALI_CSF_SR_TILER, MALI_CSF_TILER_COMPLETED_TOP);
	word(op(MALI_CSF_FINISH_FRAGMENT) | field_b(kChunks) | field_c(kChunks + 2) | (completed ? 1 : 0));
	move64(kZero, 0).move64(kZero + 2, 0);
	return store(kZero, 4, MALI_CSF_SR_TILER, MALI_CSF_TILER_COMPLETED_TOP);
}

std::vector<uint64_t> PanthorStream::of_writes(std::span<const GpuWrite> writes, uint64_t status)
{
	PanthorStream stream;
	stream.begin(status);
	unsigned done = 0;
	for (const GpuWrite &write : writes) {
		stream.move48(kAddress, write.address).move64(kValue, write.value).store(kValue, 2, kAddress, 0);
		stream.done(++done);
	}
	return stream.flush().take();
}

std::vector<uint64_t> PanthorStream::of_heap(const PanthorHeapPlan &plan, std::span<const uint64_t> offsets,
					     uint64_t bytes)
{
	PanthorStream stream;
	stream.begin(plan.status).move64(MALI_CSF_SR_TILER, plan.tiler).move64(kHeap, plan.context);
	stream.move64(kSeed, plan.seed).move32(kPasses, 0).move32(MALI_CSF_SR_DURATION, 0);
	stream.word(op(MALI_CSF_HEAP_SET) | field_b(kHeap));
	stream.move64(kHandler, plan.handler).move32(kLength, plan.handler_bytes);
	stream.word(op(MALI_CSF_SET_EXCEPTION_HANDLER) | field_b(kHandler) | field_c(kLength) |
		    MALI_CSF_EXCEPTION_TILER_OOM);
	stream.word(op(MALI_CSF_HEAP_OPERATION) | field_c(MALI_CSF_HEAP_VT_START));
	for (size_t i = 0; i < offsets.size(); i++) {
		uint64_t next = i + 1 < offsets.size() ? offsets[i + 1] : bytes;
		stream.move32(kBytes, static_cast<uint32_t>(next - offsets[i]));
		stream.private_op(MALI_CSF_PRIVATE_CONSUME, kSeed, kBytes).done(static_cast<unsigned>(i + 1));
	}
	stream.word(op(MALI_CSF_FINISH_TILING));
	stream.word(op(MALI_CSF_HEAP_OPERATION) | field_c(MALI_CSF_HEAP_VT_END));
	for (size_t i = 0; i < offsets.size(); i++) {
		stream.move48(kAddress, plan.copies + i * sizeof(uint64_t));
		stream.move32(kBytes, static_cast<uint32_t>(offsets[i]));
		stream.private_op(MALI_CSF_PRIVATE_COPY, kAddress, kBytes);
	}
	stream.word(op(MALI_CSF_RUN_FRAGMENT));
	stream.move48(kAddress, plan.status + offsetof(PanthorStatus, heap));
	stream.private_op(MALI_CSF_PRIVATE_STATUS, kAddress, 0);
	stream.give_chunks_back(true); /* counts the fragment job too: no HEAP_OPERATION is needed */
	return stream.flush().take();
}

std::vector<uint64_t> PanthorStream::of_handler()
{
	PanthorStream stream;
	stream.word(op(MALI_CSF_RUN_FRAGMENT)).give_chunks_back(false);
	stream.add32(kPasses, 1).store(kPasses, 1, kStatus, offsetof(PanthorStatus, incremental_passes));
	return stream.take();
}

} // namespace drmsqueeze
