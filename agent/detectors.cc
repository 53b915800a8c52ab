/* SPDX-License-Identifier: MIT */
#include "agent/detectors.h"

namespace drmsqueeze
{

Status set_detectors(const Root &root, const std::map<std::string, uint64_t> &limits_s, RestoreJournal &journal)
{
	for (const Detector &detector : kDetectors) {
		auto limit = limits_s.find(detector.name);
		if (limit == limits_s.end() || !root.exists(detector.path))
			continue;
		if (Status status = journal.turn(root.path(detector.path), std::to_string(limit->second)); !status)
			return status;
	}
	return {};
}

} // namespace drmsqueeze
