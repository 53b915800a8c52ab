/* SPDX-License-Identifier: MIT */
/* Ways to run shrinkers, on the recorded trees and on files of our own; what needs a kernel is in tests/vm. */
#include <filesystem>
#include <gmock/gmock.h>

#include "injectors/debugfs_reader.h"
#include "injectors/injector.h"
#include "injectors/scan_tally.h"
#include "injectors/shrink_methods.h"
#include "temporary_root.h"

namespace drmsqueeze
{

extern const InjectorDescriptor kShrinkerScan;

namespace
{

using nlohmann::json;
using testing::HasSubstr;

class ShrinkerScanTest : public testing::Test
{
protected:
	/** A copy, because scans write into it. */
	Root recorded(const std::string &tree)
	{
		std::filesystem::copy(std::string(DRMSQUEEZE_TEST_DATA) + "/debugfs/" + tree, tree_.path(""),
				      std::filesystem::copy_options::recursive |
					      std::filesystem::copy_options::overwrite_existing);
		return tree_.root();
	}

	static ShrinkTargets open(const char *method, const Root &root, const ShrinkSettings &settings)
	{
		auto targets = find_shrink_method(method)->open(root, settings);
		EXPECT_TRUE(targets) << (targets ? "" : targets.error().reason);
		return targets ? std::move(*targets) : ShrinkTargets();
	}

	std::unique_ptr<Injector> make(const json &options)
	{
		options_ = options;
		return kShrinkerScan.create(JsonReader(options_, "/injectors/0"), request_);
	}

	TemporaryRoot tree_;
	json options_;
	Request request_;
	RestoreJournal journal_ = std::move(*RestoreJournal::create(tree_.path("/run/restore.json")));
	InjectorSeat seat_{request_, tree_.root(), journal_, 0};
};

constexpr const char *kPanfrost = "/sys/kernel/debug/shrinker/drm-panfrost-23";

TEST_F(ShrinkerScanTest, GenericScanNamesInodeZeroWhereCountSaysOne)
{
	recorded("panfrost");
	tree_.write(std::string(kPanfrost) + "/scan", "");
	auto targets = open("generic", tree_.root(), {.shrinker = "drm-panfrost*", .nr_to_scan = 64});
	ASSERT_EQ(targets.size(), 1U);
	EXPECT_EQ(targets[0]->name(), "drm-panfrost-23");
	auto scanned = targets[0]->scan();
	ASSERT_TRUE(scanned) << scanned.error().reason;
	EXPECT_EQ(tree_.read(std::string(kPanfrost) + "/scan"), "0 0 64");
	EXPECT_GT(scanned->before.value_or(0), 0U);
	EXPECT_EQ(scanned->freed, 0U) << "the count of a plain file does not fall";
}

TEST_F(ShrinkerScanTest, AShrinkerThatSaysItIsEmptyIsScannedAllTheSame)
{
	tree_.write(std::string(kPanfrost) + "/count", "");
	tree_.write(std::string(kPanfrost) + "/scan", "");
	auto targets = open("generic", tree_.root(), {.shrinker = "*", .nr_to_scan = 8});
	ASSERT_EQ(targets.size(), 1U);
	ASSERT_TRUE(targets[0]->scan());
	EXPECT_EQ(tree_.read(std::string(kPanfrost) + "/scan"), "0 0 8");
}

TEST_F(ShrinkerScanTest, EveryNodeThatHoldsSomethingIsScanned)
{
	tree_.write(std::string(kPanfrost) + "/count", "1 5 0 7\n");
	tree_.write(std::string(kPanfrost) + "/scan", "");
	auto targets = open("generic", tree_.root(), {.shrinker = "*", .nr_to_scan = 8});
	auto scanned = targets[0]->scan();
	ASSERT_TRUE(scanned);
	EXPECT_EQ(scanned->before, 12U);
	EXPECT_EQ(tree_.read(std::string(kPanfrost) + "/scan"), "0 0 80 2 8");
}

TEST_F(ShrinkerScanTest, TtmSaysWhatItFreed)
{
	Root root = recorded("ttm");
	constexpr const char *kFile = "/sys/kernel/debug/ttm/page_pool_shrink";
	for (const auto &[text, freed] :
	     std::map<std::string, uint64_t>{{tree_.read(kFile), 0},
					     {"19146/1335\n", 1335},
					     {"18446744073709551614/18446744073709551615\n", 0}}) {
		tree_.write(kFile, text);
		auto scanned = open("ttm-page-pool", root, {})[0]->scan();
		ASSERT_TRUE(scanned) << scanned.error().reason;
		EXPECT_EQ(scanned->freed, freed);
	}
	auto swapped = open("ttm-tt", root, {})[0]->scan();
	ASSERT_TRUE(swapped) << swapped.error().reason;
	EXPECT_EQ(swapped->freed, 1U);
}

TEST_F(ShrinkerScanTest, MsmIsWrittenPagesAndI915Bits)
{
	Root root = recorded("msm");
	auto msm = open("msm-shrink", root, {.nr_to_scan = 256});
	ASSERT_EQ(msm.size(), 1U);
	/* A plain file keeps what was written, where the driver's says what it freed: not understood is an error. */
	EXPECT_EQ(msm[0]->scan().error().code, EPROTO);
	EXPECT_THAT(tree_.read("/sys/kernel/debug/dri/1/shrink"), HasSubstr("256"));

	root = recorded("i915");
	std::filesystem::create_directory_symlink("0", tree_.path("/sys/kernel/debug/dri/128"));
	auto i915 = open("i915-drop-caches", root, {.bits = 0x37});
	ASSERT_EQ(i915.size(), 1U) << "one directory under two names is one target";
	auto scanned = i915[0]->scan();
	ASSERT_TRUE(scanned) << scanned.error().reason;
	EXPECT_EQ(scanned->before, 183697408U / 4096);
	EXPECT_THAT(tree_.read("/sys/kernel/debug/dri/0/i915_gem_drop_caches"), HasSubstr("0x37"));
}

TEST_F(ShrinkerScanTest, DropCachesWritesItsMask)
{
	tree_.write("/proc/sys/vm/drop_caches", "");
	tree_.write("/proc/meminfo", "MemTotal:  100000 kB\nMemFree:   40000 kB\n");
	auto scanned = open("drop-caches", tree_.root(), {.bits = 3})[0]->scan();
	ASSERT_TRUE(scanned);
	EXPECT_EQ(tree_.read("/proc/sys/vm/drop_caches"), "3");
	EXPECT_EQ(scanned->before, 15000U);
}

TEST_F(ShrinkerScanTest, InsideReclaimIsTheProbesFile)
{
	const char *run = "/sys/kernel/debug/drmsqueeze/reclaim_shrinkers/run";
	EXPECT_EQ(find_shrink_method("inside-reclaim")->open(tree_.root(), {}).error().code, ENOENT);
	tree_.write(run, "");
	tree_.write("/proc/meminfo", "MemTotal:  100000 kB\nMemFree:   40000 kB\n");
	auto scanned = open("inside-reclaim", tree_.root(), {})[0]->scan();
	ASSERT_TRUE(scanned);
	EXPECT_FALSE(tree_.read(run).empty());
	EXPECT_EQ(scanned->before, 15000U);
}

TEST_F(ShrinkerScanTest, AModuleIsTooLargeOnlyWhereItFitsIntoMemory)
{
	const ShrinkMethod &method = *find_shrink_method("vmap-purge");
	tree_.write("/lib/modules/6.12.117/extra/too_large.ko", "");
	tree_.write("/proc/meminfo", "MemTotal:  1638400 kB\n");
	EXPECT_EQ(method.open(tree_.root(), {}).error().code, ENOMEM);
	tree_.write("/proc/meminfo", "MemTotal:  1638404 kB\n");
	auto targets = open("vmap-purge", tree_.root(), {});
	ASSERT_EQ(targets.size(), 1U);
	EXPECT_NE(targets[0]->scan().error().code, 0) << "an empty file is no module at all, or we may load none";
}

TEST_F(ShrinkerScanTest, WhatIsNotThereIsUnsupportedWithAReason)
{
	for (const ShrinkMethod &method : all_shrink_methods()) {
		auto injector = make({{"method", method.name}});
		Status status = injector->check(seat_);
		EXPECT_EQ(status.error().code, ENOTSUP) << method.name;
		EXPECT_NE(status.error().reason, "") << method.name;
	}
	EXPECT_NE(kShrinkerScan.unsupported(tree_.root()), "");
	recorded("panfrost");
	tree_.write(std::string(kPanfrost) + "/scan", "");
	EXPECT_TRUE(make({{"shrinker", "drm-panfrost-*"}})->check(seat_));
	EXPECT_FALSE(make({{"shrinker", "drm-lima-*"}})->check(seat_));
}

TEST_F(ShrinkerScanTest, OptionsThatMakeNoSenseAreRefused)
{
	EXPECT_THROW(make({{"shrinker", "../fail_page_alloc"}}), ScenarioError);
	EXPECT_THROW(make({{"bits", {"slab"}}}), ScenarioError) << "generic has none";
	EXPECT_THROW(make({{"method", "drop-caches"}, {"bits", {"retire"}}}), ScenarioError);
	EXPECT_THROW(make({{"method", "drop-caches"}, {"bits", json::array()}}), ScenarioError);
	EXPECT_THROW(make({{"sweep_threads", {1, 2, 3, 4, 5, 6, 7, 8, 9}}}), ScenarioError);
	EXPECT_THROW(make({{"sweep_threads", {0}}}), ScenarioError);
	EXPECT_THROW(make({{"sweep_threads", 4}}), ScenarioError);
	EXPECT_THROW(make({{"every", 4}}), ScenarioError);
	EXPECT_NO_THROW(make({{"method", "i915-drop-caches"}, {"bits", {"bound", "active"}}}));
}

TEST_F(ShrinkerScanTest, ReportsItsSettingsBeforeItHasRun)
{
	auto report = make({{"method", "i915-drop-caches"}, {"sweep_threads", {1, 2}}})->report();
	EXPECT_EQ(report["fired"], 0);
	EXPECT_EQ(report["settings"]["threads"], json({1, 2}));
	EXPECT_EQ(report["settings"]["bits"], json({"unbound", "bound", "retire", "freed", "shrink_all"}));
}

TEST_F(ShrinkerScanTest, ReaderTakesNoFileThatRunsAShrinker)
{
	for (const char *tree : {"panfrost", "ttm", "msm", "i915"})
		recorded(tree);
	auto files = DebugfsReader::files(tree_.root());
	EXPECT_THAT(files, testing::Contains(HasSubstr("/dri/1/gem")));
	EXPECT_THAT(files, testing::Contains(HasSubstr("/i915_gem_objects")));
	EXPECT_THAT(files, testing::Contains(HasSubstr("/ttm/page_pool")));
	EXPECT_THAT(files, testing::Each(testing::Not(HasSubstr("shrink"))));
	EXPECT_THAT(files, testing::Each(testing::Not(HasSubstr("drop_caches"))));
}

TEST(ScanTally, WhatFellOnceIsCountedOnce)
{
	EXPECT_EQ(own_share(100, 0), 100U);
	EXPECT_EQ(own_share(100, 60), 40U);
	EXPECT_EQ(own_share(100, 160), 0U);
}

} // namespace
} // namespace drmsqueeze
