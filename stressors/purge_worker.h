/* SPDX-License-Identifier: MIT */
/* One thread of a client of the stressor `shrinker`, with its BOs. */
#pragma once

#include <vector>

#include "stressors/needed_bos.h"
#include "stressors/purgeable_bo.h"
#include "stressors/stressor.h"
#include "stressors/timeout_watch.h"

namespace drmsqueeze
{

struct ShrinkerOptions {
	uint64_t bytes = 0;
	uint64_t jobs = 0;    /* per thread */
	uint32_t buffers = 0; /* idle BOs of each thread */
	uint32_t busy = 0;    /* busy BOs of each thread */
	uint32_t needed = 0;  /* BOs of each thread that its GPU jobs name besides */
	uint32_t contexts = 1;
	uint32_t threads = 1;
	double rate_hz = 0; /* per thread; 0 = back to back */
	bool mapped = true;

	/** Jobs in flight of one thread, and the job of its CPU. */
	uint32_t slots() const { return busy + 1; }
};

class PurgeWorker
{
public:
	static constexpr const char *kStressor = "shrinker";

	/** Borrows everything. */
	PurgeWorker(const ShrinkerOptions &options, const ClientSeat &seat, uint32_t thread,
		    const PurgeableBo::Plan &plan, Context &context, PurgeCounts &counts);

	/** All jobs, or those until the run's phase changes; returns with none in flight. */
	void run();

private:
	struct Flight {
		PurgeableBo bo;
		uint32_t slot;
		bool under_way = false;
		StepVerdict given_up = {};
	};

	uint32_t first_slot() const { return seat_.first_slot + thread_ * options_.slots(); }
	uint64_t begin(uint32_t slot);
	void end(uint32_t slot, const StepVerdict &verdict);
	void cycle(PurgeableBo &bo);
	void launch(Flight &flight);
	/** Returns with the fence signalled, or when nobody waits any more: then the supervisor ends the job. */
	void wait_for(Flight &flight);
	void finish(Flight &flight);

	const ShrinkerOptions &options_;
	const ClientSeat &seat_;
	uint32_t thread_;
	Context &context_;
	PurgeCounts &counts_;
	NeededBos needed_;
	StepVerdict needed_made_;
	std::vector<PurgeableBo> idle_;
	std::vector<Flight> flights_;
	TimeoutWatch timeouts_;
};

} // namespace drmsqueeze
