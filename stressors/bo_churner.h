/* SPDX-License-Identifier: MIT */
/* One thread of bo-churn: gets a BO, fills it, and lets go of the oldest of those that it holds. */
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "stressors/bo_ladder.h"
#include "stressors/heap_pattern.h"
#include "stressors/step_verdict.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

struct BoChurnOptions {
	uint64_t min_bytes = 0; /* of a BO: whole pages */
	uint64_t max_bytes = 0;
	uint64_t jobs = 0;        /* per thread */
	uint32_t working_set = 1; /* BOs that each thread holds */
	uint32_t contexts = 1;
	uint32_t threads = 1;
	bool purgeable = false;
	double rate_hz = 0;                  /* per thread; 0 = back to back */
	double touch = 1;                    /* share of the pages that the CPU writes to */
	double gpu = 0;                      /* share of the BOs that a GPU job writes to as well */
	std::optional<Binding> binding = {}; /* nothing: as the driver does it */
	const LadderPolicy *policy = nullptr;
	int64_t wait_ns = 0; /* before time_scale */
	int64_t stale_ns = 0;
};

/** In memory that all clients share. */
struct ChurnCounts {
	LadderCounts ladder;
	std::atomic<uint64_t> created_kib;
	std::atomic<uint64_t> sigbus;
	std::atomic<uint64_t> gpu_jobs;
	std::atomic<uint64_t> gpu_jobs_failed;
	std::atomic<uint64_t> verified; /* BOs whose contents were read back after a time in the set or the cache */
};

/** Where BOs hold values, of what kind the run is. */
class ChurnPattern
{
public:
	ChurnPattern(const BoChurnOptions &options, uint64_t seed) : options_(options), seed_(seed) {}

	/** The size of the @number-th BO of a thread: even over the pages from min to max. */
	uint64_t bytes(uint64_t stream, uint64_t number) const;
	bool by_gpu(uint64_t stream, uint64_t number) const;

	/* The CPU's values lie in the first 8 bytes of a page, the GPU's in the next. */
	static constexpr unsigned kCpuLane = 0;
	static constexpr unsigned kGpuLane = 1;
	static constexpr unsigned kMaxGpuWrites = 32;
	HeapPattern of_cpu(uint64_t bytes) const;
	static HeapPattern of_gpu(uint64_t bytes);

	uint64_t seed() const { return seed_; }
	/** The CPU's and the GPU's values differ. */
	uint64_t gpu_seed() const { return ~seed_; }

private:
	const BoChurnOptions &options_;
	uint64_t seed_;
};

class BoChurner
{
public:
	static constexpr const char *kStressor = "bo-churn";

	using Verdict = StepVerdict;

	/** @stream tells this thread from the others of the run. Borrows everything. */
	BoChurner(const BoChurnOptions &options, const ChurnPattern &pattern, uint64_t stream, const Driver &driver,
		  Context &context, BoLadder &ladder, ChurnCounts &counts)
		: options_(options), pattern_(pattern), stream_(stream), driver_(driver), context_(context),
		  ladder_(ladder), counts_(counts)
	{
	}

	/** The size of the BO of cycle @number. */
	uint64_t bytes(uint64_t number) const { return pattern_.bytes(stream_, number); }

	/** One job: the oldest BO of a full working set is checked and let go, a new one is got and filled. */
	Verdict cycle(uint64_t job, uint64_t number);

private:
	Verdict retire_oldest();
	Verdict await_bound(const ChurnBo &bo);
	Verdict fill(ChurnBo &bo, uint64_t job, bool by_gpu);
	Verdict submit(ChurnBo &bo);
	Verdict check(ChurnBo &bo);
	Verdict read_back(const ChurnBo &bo, const Mapping &view, bool gpu_values);

	const BoChurnOptions &options_;
	const ChurnPattern &pattern_;
	uint64_t stream_;
	const Driver &driver_;
	Context &context_;
	BoLadder &ladder_;
	ChurnCounts &counts_;
	std::deque<ChurnBo> held_; /* the working set, oldest first */
	std::vector<GpuWrite> writes_;
};

} // namespace drmsqueeze
