/* SPDX-License-Identifier: MIT */
/*
 * What the kernel holds, counted so exactly that one object too many shows. SLUB's counts include what lies free in the
 * slabs of each CPU, so every cache is shrunk first (/sys/kernel/slab/NAME/shrink); page counters of each CPU are
 * folded (/proc/sys/vm/stat_refresh), and free pages in per-CPU lists count as free (/proc/zoneinfo).
 */
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/result.h"
#include "agent/root.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

/** Objects or pages, by what they are: "slab kmalloc-96", "pages shmem", "dma-bufs", "pins". */
using Census = std::map<std::string, int64_t>;

/**
 * Counts everything. Its files stay open: each open of a file of sysfs leaves an object that is freed seconds later
 * (kernfs_unlink_open_file(), kfree_rcu), and the counting must not be what is counted. Nor may anything be opened
 * between the shrinking and the counting: the slab that the new file comes from would count as full.
 */
class CensusTaker
{
public:
	explicit CensusTaker(Root root);

	/** Counts now; takes tens of milliseconds. The error of a file that is missing. */
	Result<Census> take() const;

private:
	Root root_;
	std::vector<UniqueFd> shrink_; /* one of each cache */
	UniqueFd drop_caches_;
	UniqueFd stat_refresh_;
	UniqueFd slabinfo_;
};

/* The parts, for tests. */

/** What count_pages() counts from. */
struct Pages {
	int64_t in_cpu_lists;
	std::string vmstat;
};

/**
 * Both files of one moment: a free page that goes from a CPU's list to the zone's between the two would count twice
 * (decay_pcp_high(), mm/page_alloc.c, moves hundreds), so they are read until the lists are as long after as before.
 * EAGAIN where that never comes to be.
 */
Result<Pages> read_between_moves(const std::function<Result<std::string>()> &read_zoneinfo,
				 const std::function<Result<std::string>()> &read_vmstat);
int64_t count_slabs(std::string_view slabinfo, Census &census); /* the pages of all slabs */
int64_t pages_in_cpu_lists(std::string_view zoneinfo);
void count_pages(const Pages &pages, int64_t slab_pages, Census &census);
void count_dmabufs(std::string_view bufinfo, Census &census);

/** One thing that there is more of. */
struct Growth {
	std::string what;
	int64_t count;
};

/** All that grew from @before to @after by at least @threshold, the largest first. */
std::vector<Growth> growth(const Census &before, const Census &after, int64_t threshold);

} // namespace drmsqueeze
