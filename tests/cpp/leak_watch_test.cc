/* SPDX-License-Identifier: MIT */
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "agent/leak_watch.h"
#include "temporary_root.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kSlabHeading = "slabinfo - version: 2.1\n# name <active_objs>\n";

/** What a census reads, with @gem_objects files of shmem. */
void write_machine(TemporaryRoot &tree, int gem_objects, int panfrost_references)
{
	std::string objects = std::to_string(gem_objects);
	tree.write("/proc/slabinfo", kSlabHeading + ("shmem_inode_cache " + objects + " " + objects) +
					     " 720 22 4 : tunables 0 0 0 : slabdata 1 1 0\n");
	tree.write("/proc/vmstat", "nr_free_pages 100\n");
	tree.write("/proc/zoneinfo", "");
	tree.write("/proc/modules",
		   "panfrost 65536 " + std::to_string(panfrost_references) + " - Live 0xffffffffa00f9000 (O)\n");
	tree.write("/sys/fs/cgroup/cgroup.stat", "nr_descendants 0\nnr_dying_descendants 0\n");
}

int64_t growth_of(const nlohmann::json &report, const std::string &what)
{
	for (const auto &count : report["counts"])
		if (count["what"] == what)
			return count["after"].get<int64_t>() - count["before"].get<int64_t>();
	return -1;
}

TEST(LeakWatch, WhatDoesNotComeBackIsTold)
{
	TemporaryRoot tree;
	write_machine(tree, 5, 1);
	LeakWatch watch(tree.root());
	ASSERT_TRUE(watch.begin());
	write_machine(tree, 7, 2);
	ASSERT_TRUE(watch.end(0, [] {}));
	auto report = nlohmann::json::parse(watch.report());
	EXPECT_TRUE(report["compared"]);
	EXPECT_EQ(growth_of(report, "GEM objects (shmem files)"), 2);
	EXPECT_EQ(growth_of(report, "module references panfrost"), 1);
	EXPECT_EQ(growth_of(report, "cgroups"), 0);
}

TEST(LeakWatch, ACgroupThatSwapSlotsMayHoldIsNotTold)
{
	constexpr const char *kHeld = "cgroups that were removed and are still held";
	for (bool swapped : {false, true}) {
		TemporaryRoot tree;
		write_machine(tree, 5, 1);
		tree.write("/proc/meminfo", "SwapTotal: 1024 kB\nSwapFree: 1024 kB\n");
		LeakWatch watch(tree.root());
		ASSERT_TRUE(watch.begin());
		tree.write("/sys/fs/cgroup/cgroup.stat", "nr_descendants 0\nnr_dying_descendants 1\n");
		if (swapped)
			tree.write("/proc/meminfo", "SwapTotal: 1024 kB\nSwapFree: 1020 kB\n");
		ASSERT_TRUE(watch.end(0, [] {}));
		auto report = nlohmann::json::parse(watch.report());
		EXPECT_EQ(growth_of(report, kHeld), swapped ? -1 : 1) << "-1: not counted";
		EXPECT_EQ(growth_of(report, "cgroups"), 0);
	}
}

TEST(LeakWatch, WhatComesBackLateIsNoLeak)
{
	TemporaryRoot tree;
	write_machine(tree, 5, 1);
	LeakWatch watch(tree.root());
	ASSERT_TRUE(watch.begin());
	write_machine(tree, 7, 1);
	int counted = 0;
	constexpr int64_t kLong = 60LL * 1000 * 1000 * 1000;
	ASSERT_TRUE(watch.end(kLong, [&] {
		if (counted++)
			write_machine(tree, 5, 1);
	}));
	EXPECT_EQ(counted, 2);
	EXPECT_EQ(growth_of(nlohmann::json::parse(watch.report()), "GEM objects (shmem files)"), 0);
}

TEST(LeakWatch, WhereTheRunHungNothingIsComparedAndTheReasonIsGiven)
{
	TemporaryRoot tree;
	write_machine(tree, 5, 1);
	LeakWatch watch(tree.root());
	ASSERT_TRUE(watch.begin());
	watch.give_up("something hung");
	auto report = nlohmann::json::parse(watch.report());
	EXPECT_FALSE(report["compared"]);
	EXPECT_EQ(report["reason"], "something hung");
	EXPECT_TRUE(report["counts"].empty());
}

/* On a board others come and go: what they hold is nobody's leak. */
TEST(LeakWatch, ProcessesOfOthersAreNotOurs)
{
	TemporaryRoot tree;
	write_machine(tree, 5, 1);
	std::string ours = std::to_string(getsid(0));
	tree.write("/proc/70/stat", "70 (drmsq-superv) S 1 70 " + ours + " 0 -1 4194368 0 0\n");
	LeakWatch watch(tree.root());
	ASSERT_TRUE(watch.begin());
	auto whats = [&] {
		std::map<std::string, std::pair<int, int>> found;
		auto report = nlohmann::json::parse(watch.report());
		for (const auto &row : report["counts"])
			found[row["what"]] = {row["before"], row["after"]};
		return found;
	};
	EXPECT_TRUE(watch.end(0, [] {}));
	EXPECT_TRUE(whats().contains("open files that no process has (sync files, dma-bufs)"));
	tree.write("/proc/71/stat", "71 (dropbear) S 1 71 71 0 -1 4194560 0 0\n");
	EXPECT_TRUE(watch.end(0, [] {}));
	EXPECT_EQ(whats()["processes"].first, whats()["processes"].second);
	EXPECT_FALSE(whats().contains("open files that no process has (sync files, dma-bufs)"));
	tree.write("/proc/72/stat", "72 (drmsq-client) S 1 70 " + ours + " 0 -1 4194368 0 0\n");
	EXPECT_TRUE(watch.end(0, [] {}));
	EXPECT_EQ(whats()["processes"].second, whats()["processes"].first + 1);
}

TEST(LeakWatch, WhatCouldNotBeCountedBeforeTheRunIsNotComparedAfterIt)
{
	TemporaryRoot tree; /* without /proc/slabinfo */
	LeakWatch watch(tree.root());
	EXPECT_FALSE(watch.begin());
	write_machine(tree, 5, 1);
	EXPECT_FALSE(watch.end(0, [] { ADD_FAILURE() << "it counts"; }));
	auto report = nlohmann::json::parse(watch.report());
	EXPECT_FALSE(report["compared"]);
	EXPECT_NE(report["reason"].get<std::string>().find("/proc/slabinfo"), std::string::npos);
	EXPECT_TRUE(report["counts"].empty());
}

TEST(LeakWatch, ProcessesAreThoseOfUserSpaceThatLive)
{
	TemporaryRoot tree;
	tree.write("/proc/1/stat", "1 (init) S 0 0 0 0 -1 4194304 173 974\n");
	tree.write("/proc/2/stat", "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0\n");
	tree.write("/proc/70/stat", "70 (a) Z) S 1 70 1 0 -1 4194368 0 0\n");
	tree.write("/proc/71/stat", "71 (drmsq-client) Z 1 71 1 0 -1 4194368 0 0\n");
	tree.write("/proc/72/stat", "72 (sshd) S 1 72 72 0 -1 4194560 0 0\n");
	Processes found = find_processes(tree.root(), 1);
	EXPECT_EQ(found.ours, 1);
	EXPECT_EQ(found.others, (std::set<std::string>{"1", "72"}));
}

TEST(LeakWatch, DescriptorsAreCountedThoughTwoAreOfOneFile)
{
	TemporaryRoot tree;
	tree.write("/proc/1/fd/0", "console");
	std::filesystem::create_symlink("0", tree.root().path("/proc/1/fd/1"));
	std::filesystem::create_symlink("a file that was removed", tree.root().path("/proc/1/fd/2"));
	tree.write("/proc/27/fd/0", "console");
	tree.write("/proc/self/fd/0", "console");
	EXPECT_EQ(count_descriptors(tree.root()), 4);
}

TEST(LeakWatch, DyingCgroupsAreCountedApart)
{
	Census census;
	count_cgroups("nr_descendants 2\nnr_subsys_memory 3\nnr_dying_descendants 1\n", census);
	EXPECT_EQ(census.size(), 2U);
	EXPECT_EQ(census["cgroups"], 2);
}

TEST(LeakWatch, OnlyWhatBelongsToTheGpuOrToUsIsWatched)
{
	EXPECT_TRUE(allowed_growth("dma-bufs"));
	EXPECT_TRUE(allowed_growth("module references drm"));
	EXPECT_FALSE(allowed_growth("slab kmalloc-96"));
	EXPECT_FALSE(allowed_growth("pages large kmalloc"));
}

} // namespace

} // namespace drmsqueeze
