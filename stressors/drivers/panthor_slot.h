/* SPDX-License-Identifier: MIT */
/* A job of panthor: its streams, what it reports to the CPU, and its fence, in one BO and one syncobj. */
#pragma once

#include "stressors/drivers/panthor_group.h"
#include "stressors/drivers/panthor_heap.h"
#include "stressors/drivers/panthor_stream.h"

namespace drmsqueeze
{

class PanthorSlot : public JobSlot
{
public:
	static Result<std::unique_ptr<JobSlot>> create(PanthorVm &vm, PanthorGroups &groups, uint32_t group,
						       unsigned max_writes);

	void describe(std::span<const GpuWrite> writes) override;
	Status describe_heap(Memory &heap, std::span<const GpuWrite> writes, uint64_t bytes) override;
	int submit(const Memory &memory) override;
	int wait(int64_t until_ns) override { return fence_->wait(until_ns); }
	Result<int> fence_error() override;
	Result<UniqueFd> export_fence() override;
	unsigned writes_done() const override;
	Result<unsigned> first_wrong(Memory &heap, std::span<const GpuWrite> writes) override;
	bool bystander() override { return bystander_; }
	unsigned incremental_passes() const override;

private:
	/* Offsets in the slot's memory. */
	static constexpr uint64_t kTiler = 512;
	static constexpr uint64_t kHandler = 1024;
	static constexpr uint64_t kCopies = 4096;
	static constexpr uint64_t kSeed = 0x5eed; /* of heap contents, where the first write does not say */

	PanthorSlot(PanthorGroups &groups, uint32_t number, std::unique_ptr<PanthorBuffer> memory, Mapping view,
		    Syncobj fence, unsigned max_writes);

	uint64_t stream_offset() const { return kCopies + (max_writes_ * sizeof(uint64_t) + 63) / 64 * 64; }
	uint64_t address(uint64_t offset) const { return memory_->address() + offset; }
	void put(uint64_t offset, std::span<const uint64_t> words) const;
	/** @words are the job; nothing of an earlier one is left in the status. */
	void begin(std::span<const uint64_t> words, size_t writes);
	int submit_to(PanthorGroup &group, const Buffer *buffer) const;

	PanthorGroups &groups_;
	uint32_t number_;
	std::unique_ptr<PanthorBuffer> memory_;
	Mapping view_;
	std::shared_ptr<Syncobj> fence_;
	unsigned max_writes_;
	bool on_model_; /* that knows the instruction by which heaps grow */
	uint32_t handler_bytes_;
	std::shared_ptr<PanthorGroup> group_; /* of the last job */
	uint32_t stream_bytes_ = 0;
	uint32_t writes_ = 0;
	bool bystander_ = false;
};

} // namespace drmsqueeze
