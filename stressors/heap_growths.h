/* SPDX-License-Identifier: MIT */
/*
 * How often heaps grew: a driver backs a heap in chunks, when the GPU first touches one (panfrost_mmu.c:
 * NUM_FAULT_PAGES, 2 MiB). It is counted from how many of its writes the GPU says it has done, so it works on boards as
 * on models, and what a failed job had touched counts too.
 */
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "stressors/heap_pattern.h"

namespace drmsqueeze
{

/** In shared memory: clients count, the guardian reads. Lives as long as the run. */
class HeapGrowths
{
public:
	static constexpr uint32_t kMaxHeaps = 64;
	static constexpr uint64_t kChunk = 2UL << 20;

	/** The chunks that the first @writes places of a heap lie in. */
	static uint64_t chunks(const HeapPattern &pattern, unsigned writes)
	{
		if (writes == 0)
			return 0;
		return pattern.step >= kChunk ? writes : pattern.offset(writes - 1, 0) / kChunk + 1;
	}

	/** A job has touched @chunks of a heap of its own. */
	void fresh(uint64_t chunks) { fresh_.fetch_add(chunks); }

	/** A job has touched the first @chunks of a heap that other jobs touch too. */
	void kept(uint32_t heap, uint64_t chunks)
	{
		std::atomic<uint64_t> &most = most_[heap % kMaxHeaps];
		uint64_t before = most.load();
		while (before < chunks && !most.compare_exchange_weak(before, chunks))
			;
	}

	/** A job has rendered @passes times because it got no memory. */
	void incremental_passes(uint64_t passes) { passes_.fetch_add(passes); }
	uint64_t passes() const { return passes_.load(); }

	uint64_t total() const
	{
		uint64_t sum = fresh_.load();
		for (const auto &most : most_)
			sum += most.load();
		return sum;
	}

private:
	std::atomic<uint64_t> fresh_{0};
	std::atomic<uint64_t> passes_{0};
	std::array<std::atomic<uint64_t>, kMaxHeaps> most_{};
};

} // namespace drmsqueeze
