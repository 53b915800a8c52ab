/* SPDX-License-Identifier: MIT */
/*
 * A BO that its owner gives up between uses (madvise DONTNEED), so that a shrinker may purge it, and takes back
 * (WILLNEED). What the kernel then says of its contents is held against what is in it.
 */
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "stressors/drivers/driver.h"
#include "stressors/heap_pattern.h"
#include "stressors/step_verdict.h"

namespace drmsqueeze
{

/** In memory that all clients share. */
struct PurgeCounts {
	std::atomic<uint64_t> given_up;
	std::atomic<uint64_t> retained;         /* taken back with its contents */
	std::atomic<uint64_t> purged;           /* taken back without */
	std::atomic<uint64_t> purged_kib;       /* what these BOs held */
	std::atomic<uint64_t> purged_after_gpu; /* of the purged, those that a GPU job had written to */
	std::atomic<uint64_t> made;             /* the first time, and for each that was purged */
	std::atomic<uint64_t> verified;         /* retained BOs whose values were read back */
	std::atomic<uint64_t> stale_checked;    /* old mappings of purged BOs that were tried, and answered SIGBUS */
	std::atomic<uint64_t> gpu_jobs;
	std::atomic<uint64_t> needed_verified; /* needed BOs (needed_bos.h) whose values were read back */
};

class PurgeableBo
{
public:
	struct Plan {
		uint64_t bytes = 0;
		uint64_t seed = 0;
		bool mapped = true; /* the CPU's mapping stays while the BO is given up */
	};

	/** Borrows everything. */
	PurgeableBo(const Plan &plan, Context &context, PurgeCounts &counts)
		: plan_(plan), context_(context), counts_(counts)
	{
	}

	/**
	 * WILLNEED. A retained BO must hold what was left in it (`corrupted` when not); of a purged one not even the
	 * old mapping may still show memory, and it is made anew: `failed` when there is no memory for that, and the
	 * next call tries again.
	 */
	StepVerdict take_back();

	/** The CPU writes the values of @job, one in each page. Of a BO that was taken back. */
	StepVerdict fill(uint64_t job);

	/** GPU jobs name @buffers as well (JobSlot::use_also()); they outlive this. */
	void use_also(std::span<Buffer *const> buffers) { also_ = buffers; }

	/** A GPU job that writes the values of @job is submitted; its fence is gpu().wait()'s. */
	StepVerdict submit(uint64_t job);

	/** DONTNEED. A BO that was in use must not have been purged: `corrupted`. */
	StepVerdict give_up();

	JobSlot &gpu() { return *gpu_; }
	/** The GPU's values are worth nothing: its job has failed. */
	void forget() { job_ = 0; }

private:
	static constexpr uint64_t kPage = 4096;
	static constexpr unsigned kMaxGpuWrites = 32;
	static constexpr unsigned kLane = 0;

	HeapPattern values() const;
	StepVerdict make();
	StepVerdict look_into_purged() const;
	StepVerdict verify();
	StepVerdict map();

	const Plan &plan_;
	Context &context_;
	PurgeCounts &counts_;
	std::unique_ptr<Buffer> buffer_;
	std::unique_ptr<JobSlot> gpu_;
	std::span<Buffer *const> also_;
	Mapping view_;
	uint64_t job_ = 0; /* whose values it holds; 0: nobody's */
	bool by_gpu_ = false;
	bool given_up_ = false;
	std::vector<GpuWrite> writes_;
};

} // namespace drmsqueeze
