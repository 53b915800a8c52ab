/* SPDX-License-Identifier: MIT */
/* Durations counted by their logarithm: any number of threads and processes add without locks, nothing allocates. */
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace drmsqueeze
{

/** Zeroed memory is an empty one. Buckets are 1/8 of an octave wide, so a percentile is at most 12.5 % too high. */
class LogHistogram
{
public:
	void add(int64_t ns)
	{
		auto value = static_cast<uint64_t>(ns < 1 ? 1 : ns);
		buckets_[bucket(value)].fetch_add(1, std::memory_order_relaxed);
		uint64_t most = max_.load(std::memory_order_relaxed);
		while (value > most && !max_.compare_exchange_weak(most, value, std::memory_order_relaxed))
			;
	}

	uint64_t count() const
	{
		uint64_t sum = 0;
		for (const auto &bucket : buckets_)
			sum += bucket.load(std::memory_order_relaxed);
		return sum;
	}

	uint64_t max() const { return max_.load(std::memory_order_relaxed); }

	/** The upper edge of the bucket below which at least @share (0..1) of all lie, at most max(); 0 when empty. */
	uint64_t percentile(double share) const
	{
		const double wanted = share * static_cast<double>(count());
		uint64_t sum = 0;
		for (size_t i = 0; i < kBuckets; i++) {
			sum += buckets_[i].load(std::memory_order_relaxed);
			if (sum > 0 && static_cast<double>(sum) >= wanted)
				return std::min(upper_edge(i), max());
		}
		return max();
	}

private:
	static constexpr unsigned kSubBits = 3;
	static constexpr size_t kSub = 1 << kSubBits;
	static constexpr size_t kBuckets = (64 - kSubBits + 1) * kSub;

	/* Values below kSub have a bucket of their own; above, the octave and the three bits after its first one. */
	static size_t bucket(uint64_t value)
	{
		if (value < kSub)
			return value;
		auto shift = static_cast<unsigned>(std::bit_width(value)) - kSubBits - 1;
		return (shift + 1) * kSub + ((value >> shift) - kSub);
	}

	static uint64_t upper_edge(size_t index)
	{
		if (index < kSub)
			return index;
		auto shift = static_cast<unsigned>(index / kSub - 1);
		uint64_t begin = (kSub + index % kSub) << shift;
		return begin + ((uint64_t{1} << shift) - 1);
	}

	std::array<std::atomic<uint64_t>, kBuckets> buckets_;
	std::atomic<uint64_t> max_;
};

} // namespace drmsqueeze
