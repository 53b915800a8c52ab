/* SPDX-License-Identifier: MIT */
#pragma once

#include <memory>

#include "stressors/drivers/driver.h"

namespace drmsqueeze
{

/** A heap, and the slot of jobs that make it grow. */
struct Grower {
	std::unique_ptr<Memory> heap;
	std::unique_ptr<JobSlot> slot;

	static Result<Grower> create(Context &context, const HeapShape &shape, uint32_t group = 0,
				     unsigned max_writes = 1);

	/** A job that takes all of the heap's bytes and writes to the first place only. Anew for each job. */
	Status describe() const;
	/** As JobSlot::run(). */
	int run(int64_t until_ns) const { return slot->run(*heap, until_ns); }
};

} // namespace drmsqueeze
