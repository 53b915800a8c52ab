/* SPDX-License-Identifier: MIT */
/* One client of the ttm stressor: a working set of BOs, and the jobs on it. */
#pragma once

#include <atomic>
#include <optional>
#include <vector>

#include "stressors/stressor.h"
#include "stressors/ttm_bo.h"
#include "stressors/ttm_state.h"

namespace drmsqueeze
{

struct TtmOptions {
	uint64_t bo_bytes = 0;
	uint32_t bos = 1;   /* of each context */
	uint64_t jobs = 0;  /* of each context */
	double replace = 0; /* share of the jobs that free their BO and allocate another */
	uint32_t swap_outs = 0;
	uint32_t contexts = 1;
	double rate_hz = 0; /* 0 = back to back */
	const Driver *device = nullptr;
};

/** How long one kind of step took. */
struct TtmStep {
	std::atomic<uint64_t> count;
	std::atomic<int64_t> total_ns;
	std::atomic<int64_t> longest_ns;

	void add(int64_t ns)
	{
		count.fetch_add(1);
		total_ns.fetch_add(ns);
		int64_t seen = longest_ns.load();
		while (ns > seen && !longest_ns.compare_exchange_weak(seen, ns)) {
		}
	}
};

/** In memory that all clients share. */
struct TtmShared {
	char vram[64]; /* the path of the device's VRAM manager */
	TtmState before;
	std::atomic<int64_t> most_buffer_objects, most_pool_pages, most_shmem_kib, most_vram_kib;
	std::atomic<uint64_t> create_failed, sigbus, verified, corrupted;
	std::atomic<int64_t> evicted_bytes;
	std::atomic<uint64_t> swapped_bos, swapped_pages, swap_out_none, swap_out_failed;
	TtmStep create, write, verify, swap_out;
};

class TtmClient
{
public:
	static constexpr const char *kStressor = "ttm";

	/** Borrows everything. */
	TtmClient(const TtmOptions &options, const ClientSeat &seat, Context &context, TtmShared &shared);

	/** All jobs of the client, until the run is over. */
	void run();

private:
	TtmVerdict cycle(std::optional<TtmBo> &bo, uint64_t job);
	TtmVerdict renew(std::optional<TtmBo> &bo);
	void count(const TtmVerdict &verdict);
	void swap_out();
	void sample();
	uint64_t next_random() { return random_ = HeapPattern::value(seat_.request.seed, random_, seat_.client); }

	const TtmOptions &options_;
	const ClientSeat &seat_;
	Context &context_;
	TtmShared &shared_;
	TtmFiles files_;
	std::vector<std::optional<TtmBo>> set_;
	uint64_t random_;
};

} // namespace drmsqueeze
