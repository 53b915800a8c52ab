/* SPDX-License-Identifier: MIT */
/* Where jobs write into a heap, and what: no two jobs in flight share a place, and no two jobs a value. */
#pragma once

#include <cstdint>
#include <vector>

#include "stressors/drivers/driver.h"

namespace drmsqueeze
{

struct HeapPattern {
	uint64_t bytes;
	uint64_t step;      /* distance of the values, bytes */
	unsigned first = 0; /* of the values of a part: how many of its job come before it */

	unsigned count() const { return static_cast<unsigned>(bytes / step); }

	/** So many values from @from on, in a heap of their own; all of them take all of its bytes. */
	HeapPattern part(unsigned from, unsigned values) const
	{
		return values == count() ? *this : HeapPattern{values * step, step, first + from};
	}

	/** @lane: which 8 bytes of a step; jobs that share a heap in flight use lanes of their own. */
	uint64_t offset(unsigned index, unsigned lane) const { return index * step + lane * sizeof(uint64_t); }

	/** Never zero, which fresh memory holds. SplitMix64 of job and index: neighbours share no bits on average. */
	static uint64_t value(uint64_t seed, uint64_t job, unsigned index)
	{
		uint64_t x = seed + 0x9e3779b97f4a7c15 * (job * 0x100000001b3 + index + 1);
		x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
		x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
		return (x ^ (x >> 31)) | 1;
	}

	void fill(std::vector<GpuWrite> &writes, uint64_t base, unsigned lane, uint64_t seed, uint64_t job) const
	{
		writes.resize(count());
		for (unsigned i = 0; i < writes.size(); i++)
			writes[i] = {base + offset(i, lane), value(seed, job, first + i)};
	}

	/** As fill(), by the CPU. */
	void write(const Mapping &view, unsigned lane, uint64_t seed, uint64_t job) const
	{
		for (unsigned i = 0; i < count(); i++)
			view.store64(offset(i, lane), value(seed, job, first + i));
	}

	/** The first place of @view that does not hold its value; count() when all do. */
	unsigned first_wrong(const Mapping &view, unsigned lane, uint64_t seed, uint64_t job) const
	{
		unsigned i = 0;
		while (i < count() && view.load64(offset(i, lane)) == value(seed, job, first + i))
			i++;
		return i;
	}

	/** The first place that does not hold its value, count() when all do, or the errno of reading. */
	Result<unsigned> first_wrong(Buffer &heap, unsigned lane, uint64_t seed, uint64_t job) const
	{
		for (unsigned i = 0; i < count(); i++) {
			auto found = heap.read64(offset(i, lane));
			if (!found)
				return found.error();
			if (*found != value(seed, job, first + i))
				return i;
		}
		return count();
	}
};

} // namespace drmsqueeze
