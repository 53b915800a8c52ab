/* SPDX-License-Identifier: MIT */
/* Tasks that stay in uninterruptible sleep, found by looking at /proc every so often. */
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "agent/root.h"

namespace drmsqueeze
{

/** A task that has been in one and the same sleep for longer than the limit. */
struct LongBlocked {
	int64_t tid;
	std::string comm;
	int64_t since_ns;  /* seen first; CLOCK_MONOTONIC */
	std::string stack; /* as /proc has it; empty where it may not be read */
};

class BlockedTasks
{
public:
	BlockedTasks(Root root, int64_t limit_ns) : root_(std::move(root)), limit_ns_(limit_ns) {}

	/**
	 * Looks at every task at @now_ns; each that is over the limit goes to @report once. Left out are ours that hold
	 * memory (the hog), and the readers of evidence.
	 */
	void look(int64_t now_ns, const std::function<void(const LongBlocked &)> &report);

private:
	struct Seen {
		int64_t since_ns;
		int64_t switches; /* that it was not awake between two looks */
		bool reported = false;
		bool still = true;
	};

	void look_at(const std::string &directory, int64_t tid, int64_t now_ns,
		     const std::function<void(const LongBlocked &)> &report);

	Root root_;
	int64_t limit_ns_;
	std::map<int64_t, Seen> seen_;
};

} // namespace drmsqueeze
