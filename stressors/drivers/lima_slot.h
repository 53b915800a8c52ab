/* SPDX-License-Identifier: MIT */
/*
 * A job of lima: its lists and the copies that it makes of what it wrote to a heap, in one BO, and its fence. A heap
 * job of the queue for fragments is two of lima's: the GP tiles, and behind it the PPs look at what stands in the heap.
 */
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
	static Result<std::unique_ptr<JobSlot>> create(LimaClient &client, uint32_t group, unsigned pps,
						       unsigned max_writes);

	Status choose_queue(GpuQueue queue) override;
	void describe(std::span<const GpuWrite> writes) override;
	Status describe_heap(Memory &heap, std::span<const GpuWrite> writes, uint64_t bytes) override;
	int submit(const Memory &memory) override;
	int wait(int64_t until_ns) override { return fence_.wait(until_ns); }
	Result<int> fence_error() override;
	Result<UniqueFd> export_fence() override;
	unsigned writes_done() const override;
	Result<unsigned> first_wrong(Memory &heap, std::span<const GpuWrite> writes) override;

private:
	LimaSlot(LimaClient &client, uint32_t group, unsigned pps, unsigned max_writes,
		 std::unique_ptr<LimaBuffer> memory, Mapping view, Syncobj tiled, Syncobj fence);

	uint64_t lists_offset() const { return max_writes_ * sizeof(uint64_t); }
	/** Nothing of an earlier job is left; @list begins with command @at. */
	void put(unsigned at, std::span<const LimaCommand> list);
	/** @list, shared by the PPs. */
	void put_pp_lists(std::span<const LimaCommand> list);
	bool renders() const { return tiles_ && queue_ == GpuQueue::fragment; }
	int submit_gp(const Memory &memory, const Syncobj &end) const;
	int submit_pp(const Memory &memory) const;
	/** Begins after @after, where there is one. */
	int submit_frame(const Memory &memory, uint32_t pipe, std::span<const std::byte> frame, const Syncobj *after,
			 const Syncobj &end) const;
	uint32_t address_of(unsigned index) const;

	LimaClient &client_;
	uint32_t group_;
	unsigned pps_;
	unsigned max_writes_;
	std::unique_ptr<LimaBuffer> memory_; /* the copies, the lists behind them */
	Mapping view_;
	Syncobj tiled_; /* of a job that renders: its GP's part */
	Syncobj fence_;
	GpuQueue queue_ = GpuQueue::geometry;
	uint64_t heap_ = 0;     /* of the job: the heap's address, */
	bool tiles_ = false;    /* if it takes memory from one */
	unsigned takes_ = 0;    /* commands that do so */
	unsigned gp_end_ = 0;   /* of the GP's list */
	unsigned commands_ = 0; /* in all its lists */
	unsigned writes_ = 0;
	std::vector<unsigned> pp_lists_; /* where each PP's list begins */
};

} // namespace drmsqueeze
