/* SPDX-License-Identifier: MIT */
/*
 * One thread of tiler-heap whose jobs lose what they stand on while they run: their heap, group, VM, file or process.
 * Each job has all of these for itself; its fence is kept as a sync file, which outlives them.
 */
#pragma once

#include <atomic>

#include "stressors/drm/sync.h"
#include "stressors/grower.h"
#include "stressors/heap_submitter.h"

namespace drmsqueeze
{

class HeapLeaver
{
public:
	/** Borrows everything. */
	HeapLeaver(const TilerHeapOptions &options, const ClientSeat &seat, uint32_t thread)
		: options_(options), seat_(seat), thread_(thread), judge_(seat),
		  slot_(seat.first_slot + thread * options.in_flight)
	{
		judge_.set_up();
	}

	/** All jobs, or those until the run's phase changes. */
	void run();

private:
	/** The job's things, and the job itself under way. */
	struct Owned {
		std::unique_ptr<Context> context;
		Grower grower;
	};

	/** What the other process tells. */
	struct News {
		std::atomic<int> fence; /* a descriptor of its own; kNotYet, kNoJob */
		std::atomic<int> error;
	};

	/** The job's fence. */
	Result<SyncFile> submit(Owned &owned, uint64_t job);
	/* The same; both return when the job has lost what it is to lose. */
	Result<SyncFile> in_this_process(uint64_t job);
	Result<SyncFile> in_another_process(uint64_t job);
	void dwell() const;

	const TilerHeapOptions &options_;
	const ClientSeat &seat_;
	uint32_t thread_;
	JobJudge judge_;
	uint32_t slot_;
	News *news_ = nullptr; /* shared with the other process */
	std::vector<GpuWrite> writes_;
};

} // namespace drmsqueeze
