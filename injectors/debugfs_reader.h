/* SPDX-License-Identifier: MIT */
/*
 * Reads the debugfs files of GPU drivers over and over, in a process that can be spared: many take the driver's locks
 * or those of buffers, and a read that blocks is a sign of trouble, to be counted and not to be waited for.
 */
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <sys/types.h>
#include <vector>

#include "agent/result.h"
#include "agent/root.h"

namespace drmsqueeze
{

class DebugfsReader
{
public:
	/** The files that there are, of those whose reading changes nothing: at most kMaxFiles. */
	static std::vector<std::string> files(const Root &root);

	/** Starts the process; a read longer than @limit_ns counts as blocked. */
	Status start(const Root &root, int64_t limit_ns);

	/** True once nothing of it runs any more: false when a read cannot be killed. */
	bool stop();

	bool is(pid_t pid) const { return pid != 0 && pid == pid_; }

	uint64_t blocked() const;
	uint64_t reads() const;

	/** A row for each file: what was read how often, what blocked, the longest read. */
	nlohmann::json table() const;

private:
	static constexpr size_t kMaxFiles = 32;
	static constexpr unsigned kMaxThreads = 8; /* one more for each read that blocks */

	struct File;
	struct Shared;

	static int run(const std::vector<std::string> &paths, Shared &shared, int64_t limit_ns);
	static void read_files(const std::vector<std::string> &paths, Shared &shared);

	std::vector<std::string> paths_;
	Shared *shared_ = nullptr;
	pid_t pid_ = 0;
};

} // namespace drmsqueeze
