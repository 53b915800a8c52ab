/* SPDX-License-Identifier: MIT */
/*
 * What DRM drivers, TTM and the shrinker core print in debugfs and procfs, read from text alone, so that formats of
 * drivers without a board here are tested from recorded trees (tests/data/debugfs). Files and functions are
 * Linux 6.12's.
 */
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/result.h"

namespace drmsqueeze
{

/** A line of shrinker/NAME/count: the objects of one memory cgroup, for each NUMA node. */
struct ShrinkerCount {
	uint64_t memcg_inode = 0;
	std::vector<uint64_t> nodes;
};

/** shrinker_debugfs_count_show. An empty text is an empty shrinker: lines of zeros are left out. EPROTO otherwise. */
Result<std::vector<ShrinkerCount>> parse_shrinker_count(std::string_view text);

uint64_t total_objects(const std::vector<ShrinkerCount> &counts);

/** What ttm/page_pool_shrink did when it was read, in pages. */
struct PagePoolShrink {
	uint64_t left = 0;
	uint64_t freed = 0;
};

/** ttm_pool_debugfs_shrink_show: "count/scan", where SHRINK_EMPTY and SHRINK_STOP mean none. EPROTO. */
Result<PagePoolShrink> parse_page_pool_shrink(std::string_view text);

/** ttm_tt_debugfs_shrink_show: pages that went to swap; its negative errno as an error, EPROTO for other text. */
Result<uint64_t> parse_tt_shrink(std::string_view text);

/** The last line of ttm/page_pool (ttm_pool_debugfs_footer): pages in the pool and how many it may keep. */
struct PagePool {
	uint64_t pages = 0;
	uint64_t limit = 0;
};
Result<PagePool> parse_page_pool(std::string_view text);

/**
 * msm's `shrink` (shrink_get): pages freed by the last write. SHRINK_STOP counts as none, though the driver says so too
 * when it has freed all that there was (msm_gem_shrinker_scan: "freed > 0 && remaining > 0").
 */
Result<uint64_t> parse_msm_shrink(std::string_view text);

/** Memory of GEM objects in bytes, by state; absent what a driver does not tell. */
struct GemState {
	std::optional<uint64_t> total;
	std::optional<uint64_t> active;
	std::optional<uint64_t> resident;
	std::optional<uint64_t> purgeable;
	std::optional<uint64_t> purged;
	std::optional<uint64_t> shrinkable;
};

/** drm_print_memory_stats, in /proc/PID/fdinfo/FD: all regions ("memory", "vram", ...) summed. ENODATA: none there. */
Result<GemState> parse_fdinfo(std::string_view text);

/** msm's `gem` (msm_gem_describe_objects): the totals below the list of objects. ENODATA when they are not there. */
Result<GemState> parse_msm_gem(std::string_view text);

/** i915's `i915_gem_objects` (i915_gem_object_info): its first line. ENODATA when it is another. */
Result<GemState> parse_i915_gem_objects(std::string_view text);

/** A bit of a file that takes a mask, by name. */
struct NamedBit {
	std::string_view name;
	uint64_t mask;
};

/** i915_gem_drop_caches (DROP_* of i915_debugfs.c). ACTIVE and IDLE wait for the GPU without a limit. */
inline constexpr NamedBit kI915DropBits[] = {
	{"unbound", 0x1},     {"bound", 0x2}, {"retire", 0x4},        {"active", 0x8},        {"freed", 0x10},
	{"shrink_all", 0x20}, {"idle", 0x40}, {"reset_active", 0x80}, {"reset_seqno", 0x100}, {"rcu", 0x200},
};

/** /proc/sys/vm/drop_caches (fs/drop_caches.c). */
inline constexpr NamedBit kDropCachesBits[] = {{"page_cache", 1}, {"slab", 2}};

} // namespace drmsqueeze
