/* SPDX-License-Identifier: MIT */
#include "stressors/reclaim_watch.h"

#include <gtest/gtest.h>

#include "tests/cpp/temporary_root.h"

namespace drmsqueeze
{
namespace
{

constexpr const char *kCounters[] = {"purged_pages", "evicted_pages", "active_purged_pages", "active_evicted_pages",
				     "vmaps"};

void write_counters(const TemporaryRoot &root, uint64_t first)
{
	for (const char *name : kCounters)
		root.write(std::string("/sys/module/msm/parameters/shrunk_") + name, std::to_string(first++) + "\n");
}

void write_vmstat(const TemporaryRoot &root, const char *in, const char *out)
{
	root.write("/proc/vmstat",
		   std::string("nr_free_pages 5\npswpin ") + in + "\npswpout " + out + "\npgmajfault 3\n");
}

TEST(ReclaimWatchTest, TellsByHowMuchEachHasRisen)
{
	TemporaryRoot root;
	write_counters(root, 100);
	write_vmstat(root, "7", "8");
	ReclaimWatch watch;
	watch.begin(root.root(), *find_driver("msm"));
	for (const auto &[name, count] : watch.since(root.root()))
		EXPECT_EQ(count, 0U) << name;
	write_counters(root, 200);
	root.write("/sys/module/msm/parameters/shrunk_evicted_pages", "4197\n");
	write_vmstat(root, "17", "1008");
	EXPECT_EQ(watch.since(root.root()), (std::map<std::string, uint64_t>{{"shrinker_purged_pages", 100},
									     {"shrinker_evicted_pages", 4096},
									     {"shrinker_active_purged_pages", 100},
									     {"shrinker_active_evicted_pages", 100},
									     {"shrinker_unmapped_pages", 100},
									     {"swapped_in_pages", 10},
									     {"swapped_out_pages", 1000}}));
}

TEST(ReclaimWatchTest, WhatCannotBeReadIsLeftOut)
{
	TemporaryRoot root;
	write_vmstat(root, "7", "8");
	ReclaimWatch watch;
	for (const char *driver : {"msm", "panfrost"}) {
		watch.begin(root.root(), *find_driver(driver));
		EXPECT_EQ(watch.since(root.root()),
			  (std::map<std::string, uint64_t>{{"swapped_in_pages", 0}, {"swapped_out_pages", 0}}));
	}
	root.write("/proc/vmstat", "nr_free_pages 5\n"); /* a kernel without swap */
	EXPECT_TRUE(watch.since(root.root()).empty());
}

} // namespace
} // namespace drmsqueeze
