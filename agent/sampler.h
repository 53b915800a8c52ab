/* SPDX-License-Identifier: MIT */
/*
 * Memory, swap and pressure over time. Runs in a thread of its own: reading /proc/vmstat allocates in the kernel
 * (vmstat_start), so whoever samples can be caught by the very pressure it measures, and the watcher must not be.
 */
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/recorder.h"
#include "agent/result.h"
#include "agent/root.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

/** One number of a file, told by how its line begins and by what stands before it. */
struct SampledValue {
	std::string name;  /* in the record */
	std::string line;  /* how its line begins */
	std::string field; /* what stands before the number, after the line's beginning */
	double scale = 1;
};

/** A file that is read at every sampling. */
struct SampledFile {
	std::string path;
	std::vector<SampledValue> values;
};

class Sampler
{
public:
	/** Opens what there is, @more among it; a file that is missing leaves out its samples. */
	static Sampler open(const Root &root, const std::vector<SampledFile> &more = {});

	/** Reads and records every value; records of one sampling share their time. */
	void sample(const Recorder &recorder);

private:
	struct Source {
		UniqueFd fd;
		std::vector<SampledValue> values;
	};

	std::vector<Source> sources_;
	char buffer_[16384] = {}; /* /proc/vmstat is about 5 KiB */
};

/** The number after @key at the beginning of a line (or after "total=" of that line), scaled; false when absent. */
bool find_value(std::string_view text, std::string_view line, std::string_view field, double scale, int64_t &value);

} // namespace drmsqueeze
