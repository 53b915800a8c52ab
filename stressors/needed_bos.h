/* SPDX-License-Identifier: MIT */
/*
 * BOs that are needed all the time, though they are used only now and then: what a shrinker may evict while they are
 * idle, and must bring back whole. The CPU fills each once; GPU jobs name them, and the CPU looks at one after the
 * other.
 */
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "stressors/drivers/driver.h"
#include "stressors/step_verdict.h"

namespace drmsqueeze
{

/** Of one thread. */
class NeededBos
{
public:
	/** @count BOs of @bytes; `failed` when there is no memory for all. */
	StepVerdict make(Context &context, uint32_t count, uint64_t bytes, uint64_t seed);

	/** The next one in turn: `corrupted` when it does not hold what it was filled with. @verified counts it. */
	StepVerdict look(std::atomic<uint64_t> &verified);

	std::span<Buffer *const> all() const { return pointers_; }

private:
	static constexpr unsigned kLane = 0;

	std::vector<std::unique_ptr<Buffer>> buffers_;
	std::vector<Buffer *> pointers_;
	uint64_t seed_ = 0;
	size_t next_ = 0;
};

} // namespace drmsqueeze
