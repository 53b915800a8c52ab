/* SPDX-License-Identifier: MIT */
/*
 * Memory, swap and pressure over time. Runs in a thread of its own: reading /proc/vmstat allocates in the kernel
 * (vmstat_start), so whoever samples can be caught by the very pressure it measures, and the watcher must not be.
 */
#pragma once

#include <array>
#include <string_view>

#include "agent/recorder.h"
#include "agent/result.h"
#include "agent/root.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

class Sampler
{
public:
	/** Opens what there is; a file that is missing leaves out its samples. */
	static Sampler open(const Root &root);

	/** Reads and records every value; records of one sampling share their time. */
	void sample(const Recorder &recorder);

private:
	static constexpr size_t kFiles = 3;
	std::array<UniqueFd, kFiles> fds_;
	char buffer_[16384] = {}; /* /proc/vmstat is about 5 KiB */
};

/** The number after @key at the beginning of a line (or after "total=" of that line), scaled; false when absent. */
bool find_value(std::string_view text, std::string_view line, std::string_view field, int64_t scale, int64_t &value);

} // namespace drmsqueeze
