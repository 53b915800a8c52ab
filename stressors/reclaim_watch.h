/* SPDX-License-Identifier: MIT */
/* What shrinkers and swap have done in a run, as driver and kernel count it. */
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "agent/root.h"
#include "stressors/drivers/driver.h"

namespace drmsqueeze
{

/** Plain memory, for processes to share. */
class ReclaimWatch
{
public:
	/** Notes where the counters stand. */
	void begin(const Root &root, const Driver &driver);

	/**
	 * What each has risen by; those that cannot be read are left out. shrinker_purged_pages, ... where the driver
	 * tells (Driver::shrunk_pages); swapped_out_pages and swapped_in_pages are the whole machine's.
	 */
	std::map<std::string, uint64_t> since(const Root &root) const;

private:
	struct Counts {
		ShrunkPages shrunk;
		uint64_t swapped_out;
		uint64_t swapped_in;
		bool tells_shrunk;
		bool tells_swapped;
	};

	Counts now(const Root &root) const;

	const Driver *driver_ = nullptr; /* the same in all processes: they are forked */
	Counts before_ = {};
};

} // namespace drmsqueeze
