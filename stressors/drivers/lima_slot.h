/* SPDX-License-Identifier: MIT */
/* A job of lima: its lists and the copies that it makes of what it wrote to a heap, in one BO, and its fence. */
#pragma once

#include "stressors/drivers/lima_bo.h"
#include "stressors/drivers/lima_list.h"
#include "stressors/drm/sync.h"

namespace drmsqueeze
{

class LimaSlot : public JobSlot
{
public:
	/** @pps: how many PPs fragment jobs are spread over. */
	static Result<std::unique_ptr<JobSlot>> create(int fd, uint32_t context, unsigned pps, unsigned max_writes);

	Status choose_queue(GpuQueue queue) override;
	void describe(std::span<const GpuWrite> writes) override;
	Status describe_heap(Memory &heap, std::span<const GpuWrite> writes, uint64_t bytes) override;
	int submit(const Memory &memory) override;
	int wait(int64_t until_ns) override { return fence_.wait(until_ns); }
	Result<int> fence_error() override { return fence_.fence_error(); }
	Result<UniqueFd> export_fence() override;
	unsigned writes_done() const override;
	Result<unsigned> first_wrong(Memory &heap, std::span<const GpuWrite> writes) override;

private:
	LimaSlot(int fd, uint32_t context, unsigned pps, unsigned max_writes, std::unique_ptr<LimaBuffer> memory,
		 Mapping view, Syncobj fence);

	uint64_t lists_offset() const { return max_writes_ * sizeof(uint64_t); }
	/** Nothing of an earlier job is left; @list begins with command @at. */
	void put(unsigned at, std::span<const LimaCommand> list);
	int submit_gp(const Memory &memory) const;
	int submit_pp(const Memory &memory) const;
	int submit_frame(const Memory &memory, uint32_t pipe, const void *frame, uint32_t bytes) const;
	uint32_t address_of(unsigned index) const;

	int fd_;
	uint32_t context_; /* LIMA_CTX_CREATE */
	unsigned pps_;
	unsigned max_writes_;
	std::unique_ptr<LimaBuffer> memory_; /* the copies, the lists behind them */
	Mapping view_;
	Syncobj fence_;
	GpuQueue queue_ = GpuQueue::geometry;
	uint64_t heap_ = 0;     /* of the job: the heap's address, */
	bool tiles_ = false;    /* if it takes memory from one */
	unsigned commands_ = 0; /* in all its lists */
	unsigned writes_ = 0;
	std::vector<unsigned> pp_lists_; /* where each PP's list begins */
};

} // namespace drmsqueeze
