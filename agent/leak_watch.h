/* SPDX-License-Identifier: MIT */
/*
 * What a run leaves behind: the kernel's objects that belong to the GPU or to us are counted before anything is set up,
 * and again once everybody is gone and all is given back. Both times nothing runs, so the counts are equal but for a
 * little noise; what there is more of, beyond that noise, has leaked.
 */
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "agent/census.h"
#include "agent/result.h"
#include "agent/root.h"

namespace drmsqueeze
{

class LeakWatch
{
public:
	explicit LeakWatch(Root root) : root_(std::move(root)) {}

	/** Before the run; drops caches. The error of a census that cannot be taken, which the report then gives. */
	Status begin();

	/**
	 * After the run. What has grown is counted again until it is back or @limit_ns is over, for some things go back
	 * late, by RCU and by work queues; @meanwhile is called before each count. Without a count before the run there
	 * is none after it, and the error is begin()'s.
	 */
	Status end(int64_t limit_ns, const std::function<void()> &meanwhile);

	/** Nothing is compared, and why: what hangs holds what it has. */
	void give_up(std::string reason);

	/** leaks.json: compared, reason, waited_s, and counts [{what, before, after, allowed}]. */
	std::string report() const;

private:
	Result<Census> count(const CensusTaker &taker);

	Root root_;
	std::set<std::string> others_; /* processes that were not ours, at the last count */
	std::optional<Census> before_;
	Census after_;
	int64_t waited_ns_ = 0;
	std::string reason_ = "the run did not come to its end";
};

/* The parts, for tests. */

/** By how much a count may grow without a leak; what is not watched is not to be looked at. */
std::optional<int64_t> allowed_growth(std::string_view what);

/** "module references NAME" for every module in @modules (/proc/modules). */
void count_module_references(std::string_view modules, Census &census);

/** "cgroups" and "dying cgroups" of @stat (cgroup.stat of the root). */
void count_cgroups(std::string_view stat, Census &census);

/** The processes of user space that live under @root, without zombies. */
struct Processes {
	int64_t ours = 0; /* of a session */
	std::set<std::string> others;
};
Processes find_processes(const Root &root, pid_t session);

/** All open descriptors of the processes under @root. */
int64_t count_descriptors(const Root &root);

} // namespace drmsqueeze
