/* SPDX-License-Identifier: MIT */
/* Command lists for the GPU model mali-utgard (lab/models/mali_utgard_list.h): no Mali-400 knows them. */
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lab/models/mali_utgard_list.h"
#include "stressors/drivers/driver.h"

namespace drmsqueeze
{

/** Where the model is, if it is. */
inline constexpr const char *kUtgardModel = "/sys/kernel/debug/drmsqueeze/mali-utgard";

using LimaCommand = utgard_command;
static_assert(sizeof(LimaCommand) == 16);

class LimaList
{
public:
	/** How many commands a job of so many writes takes at most, whatever it does. */
	static unsigned commands_for(unsigned max_writes) { return 2 * max_writes + 1 + kMaxPps; }
	static constexpr unsigned kMaxPps = 4;

	/** Writes of the GP, in order. */
	static std::vector<LimaCommand> of_writes(std::span<const GpuWrite> writes);

	/**
	 * The part of @commands that PP @pp of @pps executes, with an end: the parts of all are all of them. Each list
	 * is to lie behind the one before.
	 */
	static std::vector<LimaCommand> of_pp(std::span<const LimaCommand> commands, unsigned pp, unsigned pps);

	/**
	 * The PLBU takes @bytes of the heap at address @base, and @writes, each in a block of its own and in rising
	 * order, find their places as it does. Fails with EINVAL where places or @bytes do not fit in with blocks.
	 */
	static Result<std::vector<LimaCommand>> of_heap(uint64_t base, std::span<const GpuWrite> writes,
							uint64_t bytes);

	/** What stands at the places of @writes goes to @copies, 64 bits each. */
	static std::vector<LimaCommand> of_copies(std::span<const GpuWrite> writes, uint64_t copies);
};

} // namespace drmsqueeze
