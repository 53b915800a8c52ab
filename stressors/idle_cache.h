/* SPDX-License-Identifier: MIT */
/*
 * BOs that a client keeps although it does not need them, as user-space drivers do to have the next one sooner. They
 * are said to be not needed (madvise) where the driver has that; elsewhere only their owner can give their memory back.
 */
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "stressors/drivers/driver.h"

namespace drmsqueeze
{

/** Of one context, for all its threads. Borrows it. */
class IdleCache
{
public:
	static constexpr uint64_t kBoBytes = 2UL << 20;

	/** At most @bytes, in BOs of 2 MiB. */
	IdleCache(Context &context, uint64_t bytes) : context_(context), most_(bytes / kBoBytes) {}

	/** Until it is full. */
	Status fill();
	/** One BO more, as of a job that has ended, unless it is full or there is no memory. */
	void add();
	/** Frees all: how many bytes of them had not been taken back by the kernel already. */
	uint64_t evict();

private:
	Status make();

	Context &context_;
	uint64_t most_;
	std::mutex lock_; /* of idle_ */
	std::vector<std::unique_ptr<Buffer>> idle_;
};

} // namespace drmsqueeze
