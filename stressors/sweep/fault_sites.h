/* SPDX-License-Identifier: MIT */
/*
 * Fault injection of one thread (/proc/PID/task/TID/fail-nth, fs/proc/base.c), and where it hit: the records of our
 * module lab/probes/fault_site.c.
 */
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "agent/result.h"
#include "agent/root.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

/** Makes the n-th allocation fail that a thread does from now on. */
class FailNth
{
public:
	/**
	 * @tid 0: the calling thread. Threads of the kernel can be armed too. ENOENT without CONFIG_FAULT_INJECTION.
	 */
	static Result<FailNth> open(const Root &root, pid_t tid) { return open(root, std::vector{tid}); }
	/** Of whichever of some threads does the work; each counts by itself. Those that are gone are left out. */
	static Result<FailNth> open(const Root &root, const std::vector<pid_t> &tids);

	/** @n 0 disarms. */
	bool arm(uint32_t n) const;
	/** Disarms; what was left of n, of the thread that came closest: 0 when the failure has happened. */
	Result<uint32_t> disarm() const;

private:
	explicit FailNth(std::vector<UniqueFd> fds) : fds_(std::move(fds)) {}

	std::vector<UniqueFd> fds_; /* never empty */
};

/** One allocation that fail-nth counted. */
struct FaultSite {
	uint32_t left = 0; /* what fail-nth came to */
	bool fired = false;
	pid_t pid = 0;
	uint64_t size = 0;               /* bytes of a slab object, or pages */
	bool pages = false;              /* of the page allocator */
	std::vector<std::string> frames; /* innermost first, the allocator's own functions left out */

	/** All frames: what tells one site from another. */
	std::string key() const;
	/** What is asked for and the @frames innermost functions, for a table. */
	std::string brief(size_t count) const;
};

/** Lines of `passed` and `fired`; lines that are none are left out. */
std::vector<FaultSite> parse_fault_sites(std::string_view text);

/** The records of the probe module; without it there are none. */
class FaultSites
{
public:
	explicit FaultSites(Root root) : root_(std::move(root)) {}

	bool available() const;
	/** Forgets what has been recorded. */
	void reset() const;
	/** The allocation that failed since the reset. */
	std::optional<FaultSite> fired() const;
	/** All that were counted since the reset, in order. */
	std::vector<FaultSite> passed() const;

private:
	Root root_;
};

/** Ids of the processes, threads of the kernel among them, whose name matches @glob. */
std::vector<pid_t> processes_named(const Root &root, const std::string &glob);

} // namespace drmsqueeze
