/* SPDX-License-Identifier: MIT */
#include "stressors/reclaim_watch.h"

#include "agent/sampler.h"

namespace drmsqueeze
{

ReclaimWatch::Counts ReclaimWatch::now(const Root &root) const
{
	Counts counts{};
	if (driver_ && driver_->shrunk_pages)
		if (auto shrunk = driver_->shrunk_pages(root)) {
			counts.shrunk = *shrunk;
			counts.tells_shrunk = true;
		}
	int64_t out = 0;
	int64_t in = 0;
	auto vmstat = root.read("/proc/vmstat");
	if (vmstat && find_value(*vmstat, "pswpout ", "", 1, out) && find_value(*vmstat, "pswpin ", "", 1, in)) {
		counts.swapped_out = static_cast<uint64_t>(out);
		counts.swapped_in = static_cast<uint64_t>(in);
		counts.tells_swapped = true;
	}
	return counts;
}

void ReclaimWatch::begin(const Root &root, const Driver &driver)
{
	driver_ = &driver;
	before_ = now(root);
}

std::map<std::string, uint64_t> ReclaimWatch::since(const Root &root) const
{
	std::map<std::string, uint64_t> risen;
	const Counts after = now(root);
	if (before_.tells_shrunk && after.tells_shrunk) {
		const ShrunkPages &then = before_.shrunk;
		risen["shrinker_purged_pages"] = after.shrunk.purged - then.purged;
		risen["shrinker_evicted_pages"] = after.shrunk.evicted - then.evicted;
		risen["shrinker_active_purged_pages"] = after.shrunk.active_purged - then.active_purged;
		risen["shrinker_active_evicted_pages"] = after.shrunk.active_evicted - then.active_evicted;
		risen["shrinker_unmapped_pages"] = after.shrunk.vmaps - then.vmaps;
	}
	if (before_.tells_swapped && after.tells_swapped) {
		risen["swapped_out_pages"] = after.swapped_out - before_.swapped_out;
		risen["swapped_in_pages"] = after.swapped_in - before_.swapped_in;
	}
	return risen;
}

} // namespace drmsqueeze
