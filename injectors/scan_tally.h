/* SPDX-License-Identifier: MIT */
/* What the scanning threads count, in memory that outlives them. */
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "agent/log_histogram.h"
#include "injectors/shrink_methods.h"

namespace drmsqueeze
{

/** Of one target, or of all while so many threads scanned. */
struct ScanRow {
	std::atomic<uint64_t> scans;
	std::atomic<uint64_t> errors;
	std::atomic<uint64_t> freed;
	std::atomic<uint64_t> most_counted;
	std::atomic<int64_t> spell_ns; /* for how long this row was the current one */
	LogHistogram ns;

	void add(const Scanned &scanned, uint64_t freed_here)
	{
		scans.fetch_add(1);
		freed.fetch_add(freed_here);
		ns.add(scanned.ns);
		uint64_t counted = scanned.before.value_or(0);
		uint64_t most = most_counted.load();
		while (counted > most && !most_counted.compare_exchange_weak(most, counted))
			;
	}
};

/**
 * Of a count that fell by @fallen while other threads, whose scans overlapped, took @claimed_meanwhile of it as theirs:
 * what is left for this one. So what fell once is counted once.
 */
inline uint64_t own_share(uint64_t fallen, uint64_t claimed_meanwhile)
{
	return fallen > claimed_meanwhile ? fallen - claimed_meanwhile : 0;
}

struct ScanTally {
	static constexpr size_t kMaxTargets = 32;
	static constexpr size_t kMaxSteps = 8;

	std::atomic<uint32_t> intensity_percent;
	std::atomic<uint32_t> active; /* threads that are to scan now */
	std::atomic<uint32_t> step;   /* the current row of `steps` */
	std::atomic<int> first_error; /* positive errno of a scan */
	std::array<std::atomic<uint64_t>, kMaxTargets> claimed;
	std::array<ScanRow, kMaxTargets> targets;
	std::array<ScanRow, kMaxSteps> steps;
};

} // namespace drmsqueeze
