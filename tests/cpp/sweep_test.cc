/* SPDX-License-Identifier: MIT */
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/census.h"
#include "stressors/sweep/fault_sites.h"
#include "stressors/sweep/operation.h"
#include "stressors/sweep/round.h"
#include "stressors/sweep/toucher.h"
#include "temporary_root.h"

namespace drmsqueeze
{

namespace
{

constexpr int64_t kSecond = 1000 * 1000 * 1000;

TEST(FaultSites, TheAllocatorsOwnFunctionsAreLeftOut)
{
	auto sites = parse_fault_sites(
		"3 0 62 192 stack_trace_save<site_return [fault_site]<arch_rethook_trampoline<should_failslab<"
		"kmem_cache_alloc_noprof<__d_alloc<d_alloc_pseudo\n"
		"0 1 62 4 should_fail_alloc_page<__alloc_pages_noprof<panfrost_gem_open.isra.0 "
		"[panfrost]<kmalloc_user\n"
		"no record\n");
	ASSERT_EQ(sites.size(), 2U);
	EXPECT_EQ(sites[0].left, 3U);
	EXPECT_FALSE(sites[0].fired);
	EXPECT_FALSE(sites[0].pages);
	EXPECT_EQ(sites[0].brief(1), "192 bytes: __d_alloc");
	EXPECT_TRUE(sites[1].fired);
	/* What only looks like the allocator, further out, is a caller. */
	EXPECT_EQ(sites[1].brief(5), "4 pages: panfrost_gem_open < kmalloc_user");
	EXPECT_NE(sites[0].key(), sites[1].key());
}

TEST(FaultSites, WithoutTheModuleThereAreNone)
{
	TemporaryRoot root;
	FaultSites sites(root.root());
	EXPECT_FALSE(sites.available());
	EXPECT_FALSE(sites.fired());
	EXPECT_TRUE(sites.passed().empty());
}

TEST(FailNth, WhatIsLeftIsReadAndTheThreadDisarmed)
{
	TemporaryRoot root;
	root.write("/proc/7/task/7/fail-nth", "0\n");
	auto fail_nth = FailNth::open(root.root(), 7);
	ASSERT_TRUE(fail_nth);
	EXPECT_TRUE(fail_nth->arm(5));
	auto left = fail_nth->disarm();
	ASSERT_TRUE(left);
	EXPECT_EQ(*left, 5U);
	EXPECT_EQ(root.read("/proc/7/task/7/fail-nth").front(), '0');
	EXPECT_EQ(FailNth::open(root.root(), 8).error().code, ENOENT);
}

/* A pool's worker that does the work fires; the others stand where they were armed. */
TEST(FailNth, OfSomeThreadsTheOneCountsThatCameClosest)
{
	TemporaryRoot root;
	for (const char *path : {"/proc/7/task/7/fail-nth", "/proc/9/task/9/fail-nth"})
		root.write(path, "0\n");
	auto fail_nth = FailNth::open(root.root(), {7, 8, 9});
	ASSERT_TRUE(fail_nth);
	EXPECT_TRUE(fail_nth->arm(5));
	EXPECT_EQ(root.read("/proc/7/task/7/fail-nth").front(), '5');
	root.write("/proc/9/task/9/fail-nth", "0\n");
	auto left = fail_nth->disarm();
	ASSERT_TRUE(left);
	EXPECT_EQ(*left, 0U);
	EXPECT_EQ(root.read("/proc/7/task/7/fail-nth").front(), '0');
	EXPECT_FALSE(FailNth::open(root.root(), {8}));
}

TEST(Census, SlabsAreCountedAndTheAgentsOwnLeftOut)
{
	Census census;
	int64_t pages = count_slabs(
		"slabinfo - version: 2.1\n"
		"# name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> "
		"<sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n"
		"proc_inode_cache 9 12 680 12 2 : tunables 0 0 0 : slabdata 1 1 0\n"
		"kmalloc-96 41 42 96 42 1 : tunables 0 0 0 : slabdata 3 3 0\n",
		census);
	EXPECT_EQ(census, (Census{{"slab kmalloc-96", 41}}));
	EXPECT_EQ(pages, 2 + 3);
}

constexpr const char *kZones =
	"Node 0, zone DMA32\n  pages free 90\n  pagesets\n    cpu: 0\n              count:    7\n"
	"    cpu: 1\n              count:    3\n";

std::string vmstat(int free, int file, int shmem)
{
	return "nr_free_pages " + std::to_string(free) + "\nnr_file_pages " + std::to_string(file) + "\nnr_shmem " +
	       std::to_string(shmem) + "\nnr_slab_unreclaimable 20\nnr_kernel_stack 64\n" +
	       "nr_foll_pin_acquired 12\nnr_foll_pin_released 10\n";
}

TEST(Census, PagesWithoutACounterAreWhatIsMissing)
{
	Census before;
	Census after;
	count_pages({pages_in_cpu_lists(kZones), vmstat(90, 30, 5)}, 16, before);
	count_pages({pages_in_cpu_lists(kZones), vmstat(80, 33, 8)}, 16,
		    after); /* 3 went to shmem, 7 to nobody knows */
	EXPECT_EQ(before["pins"], 2);
	EXPECT_EQ(before["pages large kmalloc"], 4);
	EXPECT_EQ(after["pages other"] - before["pages other"], 7);
	EXPECT_EQ(after["pages shmem"] - before["pages shmem"], 3);
}

std::string zone_with(int in_cpu_list)
{
	return "  pagesets\n    cpu: 0\n              count:    " + std::to_string(in_cpu_list) + "\n";
}

/* Pages that go back to the zone while the two files are read would be counted in both. */
TEST(Census, PagesThatMoveBetweenListsAreCountedOnce)
{
	int free = 100;
	int in_list = 400;
	auto count = [&](int moves) {
		auto read = read_between_moves([&] { return Result<std::string>(zone_with(in_list)); },
					       [&] {
						       if (moves-- > 0) {
							       free += 40;
							       in_list -= 40;
						       }
						       return Result<std::string>(vmstat(free, 0, 0));
					       });
		if (!read)
			return int64_t{read.error().code};
		Census census;
		count_pages(*read, 0, census);
		return census["pages other"];
	};
	int64_t at_rest = count(0);
	EXPECT_EQ(count(1), at_rest);
	EXPECT_EQ(count(3), at_rest);
	EXPECT_EQ(count(1000), EAGAIN);
}

TEST(Census, DmabufsAreTheTotal)
{
	Census census;
	count_dmabufs("Dma-buf Objects:\nsize ...\n\nTotal 3 objects, 196608 bytes\n", census);
	EXPECT_EQ(census["dma-bufs"], 3);
}

TEST(Census, OnlyGrowthByTheThresholdIsTold)
{
	auto grown = growth({{"a", 5}, {"b", 5}, {"c", 5}}, {{"a", 4}, {"b", 12}, {"c", 13}, {"new", 20}}, 8);
	ASSERT_EQ(grown.size(), 2U);
	EXPECT_EQ(grown[0].what, "new");
	EXPECT_EQ(grown[1].what, "c");
}

TEST(Toucher, AThreadThatHangsIsToldFromOneThatFails)
{
	SecondThread thread;
	EXPECT_TRUE(thread.run([] { return Status(); }, kSecond));
	EXPECT_EQ(thread.run([] { return Status(Error{EBUSY, "busy"}); }, kSecond).error().code, EBUSY);
	EXPECT_EQ(thread.run(
				[] {
					std::this_thread::sleep_for(std::chrono::seconds(3600));
					return Status();
				},
				kSecond / 100)
			  .error()
			  .code,
		  kHung);
}

TEST(Census, DropsCachesAtTheBeginningOfTheFileWithAValueThatItTakes)
{
	TemporaryRoot tree;
	tree.write("/proc/sys/vm/drop_caches", "");
	for (const char *file : {"/proc/slabinfo", "/proc/zoneinfo", "/proc/vmstat"})
		tree.write(file, "");
	CensusTaker taker{tree.root()};
	EXPECT_EQ(tree.read("/proc/sys/vm/drop_caches"), "4");
	ASSERT_TRUE(taker.take());
	ASSERT_TRUE(taker.take());
	EXPECT_EQ(tree.read("/proc/sys/vm/drop_caches"), "2");
}

TEST(Rounds, AWarningReadsTheSameOnEveryMachine)
{
	EXPECT_EQ(
		brief_of_warning(
			"WARNING: CPU: 1 PID: 69 at /home/me/.cache/x/modules/0a1b/panfrost/panfrost_mmu.c:339 f+0x7a"),
		"WARNING: panfrost/panfrost_mmu.c:339 f+0x7a");
	EXPECT_EQ(brief_of_warning("WARNING: CPU: 0 PID: 7 at drivers/iommu/io-pgtable-arm.c:660 f+0x1"),
		  "WARNING: drivers/iommu/io-pgtable-arm.c:660 f+0x1");
	EXPECT_EQ(brief_of_warning("BUG: kernel NULL pointer dereference, address: 0"),
		  "BUG: kernel NULL pointer dereference, address: 0");
}

TEST(Operations, NamesAreUniqueAndBelongToAFamily)
{
	std::set<std::string> names;
	for (const OperationType *type : all_operations()) {
		EXPECT_TRUE(names.insert(type->name).second) << type->name;
		EXPECT_NE(std::string(type->name).find('/'), std::string::npos) << type->name;
	}
}

} // namespace

} // namespace drmsqueeze
