/* SPDX-License-Identifier: MIT */
/* Formats of drivers' files, read from the recorded trees in tests/data/debugfs (see the README there). */
#include <gmock/gmock.h>

#include "agent/gem_formats.h"
#include "agent/log_histogram.h"
#include "agent/root.h"

namespace drmsqueeze
{
namespace
{

std::string recorded(const std::string &tree, const std::string &file)
{
	auto text = Root(std::string(DRMSQUEEZE_TEST_DATA) + "/debugfs/" + tree).read(file);
	EXPECT_TRUE(text) << (text ? "" : text.error().reason);
	return text ? *text : "";
}

constexpr uint64_t kKib = 1024;

TEST(GemFormats, FdinfoOfPanfrost)
{
	auto state = parse_fdinfo(recorded("panfrost", "/proc/self/fdinfo/5"));
	ASSERT_TRUE(state) << state.error().reason;
	/* 36 BOs of 64 KiB, and a page of descriptors for each of the four busy ones. */
	EXPECT_EQ(state->total, 36 * 64 * kKib + 4 * 4 * kKib);
	EXPECT_EQ(state->active, 0U);
	EXPECT_EQ(state->resident, state->total);
	EXPECT_EQ(state->purgeable, 36 * 64 * kKib);
	EXPECT_FALSE(state->purged);
}

TEST(GemFormats, FdinfoUnitsAndRegions)
{
	auto state = parse_fdinfo("drm-driver:\tx\ndrm-total-vram:\t3 MiB\ndrm-total-system:\t4 KiB\n"
				  "drm-resident-vram:\t1234\ndrm-total-gtt:\t1 GiB\n");
	ASSERT_TRUE(state);
	EXPECT_EQ(state->total, (3 << 20) + (4 << 10) + (1UL << 30));
	EXPECT_EQ(state->resident, 1234U);
	EXPECT_FALSE(state->purgeable) << "a driver that does not tell is not one that has none";
	EXPECT_EQ(parse_fdinfo(recorded("ttm", "/proc/self/fdinfo/5")).error().code, ENODATA) << "vmwgfx tells nothing";
	EXPECT_EQ(parse_fdinfo("pos:\t0\nflags:\t02\n").error().code, ENODATA);
}

TEST(GemFormats, ShrinkerCountOfPanfrost)
{
	auto counts = parse_shrinker_count(recorded("panfrost", "/sys/kernel/debug/shrinker/drm-panfrost-23/count"));
	ASSERT_TRUE(counts) << counts.error().reason;
	ASSERT_EQ(counts->size(), 1U);
	EXPECT_EQ(counts->front().memcg_inode, 1U) << "the trap: scan wants 0";
	EXPECT_EQ(total_objects(*counts), 576U) << "the pages that fdinfo calls purgeable";
}

TEST(GemFormats, ShrinkerCountHasALineForEachCgroupAndANumberForEachNode)
{
	auto counts = parse_shrinker_count("1 4 0\n57 1200 3\n");
	ASSERT_TRUE(counts);
	ASSERT_EQ(counts->size(), 2U);
	EXPECT_EQ((*counts)[1].memcg_inode, 57U);
	EXPECT_THAT((*counts)[1].nodes, testing::ElementsAre(1200U, 3U));
	EXPECT_EQ(total_objects(*counts), 1207U);
	EXPECT_TRUE(parse_shrinker_count("")->empty()) << "an empty shrinker prints nothing";
	for (const char *text : {"1\n", "a 2\n", "1 2 x\n", "\n"})
		EXPECT_FALSE(parse_shrinker_count(text)) << text;
}

TEST(GemFormats, PagePoolOfTtm)
{
	auto pool = parse_page_pool(recorded("ttm", "/sys/kernel/debug/ttm/page_pool"));
	ASSERT_TRUE(pool) << pool.error().reason;
	EXPECT_EQ(pool->pages, 1335U);
	EXPECT_EQ(pool->limit, 46281U);
	EXPECT_EQ(parse_page_pool("\t  --- 0---\nwc\t:        0\n").error().code, EPROTO);

	auto shrunk = parse_page_pool_shrink(recorded("ttm", "/sys/kernel/debug/ttm/page_pool_shrink"));
	ASSERT_TRUE(shrunk) << shrunk.error().reason;
	EXPECT_EQ(shrunk->left, 1335U);
	EXPECT_EQ(shrunk->freed, 0U) << "one step, which came to a kind of pages that the pool had none of";

	auto swapped = parse_tt_shrink(recorded("ttm", "/sys/kernel/debug/ttm/tt_shrink"));
	ASSERT_TRUE(swapped) << swapped.error().reason;
	EXPECT_EQ(*swapped, 1U);
}

TEST(GemFormats, AnEmptyPagePoolIsNotAHugeOne)
{
	auto shrunk = parse_page_pool_shrink("18446744073709551614/18446744073709551615\n");
	ASSERT_TRUE(shrunk) << shrunk.error().reason;
	EXPECT_EQ(shrunk->left, 0U);
	EXPECT_EQ(shrunk->freed, 0U);
	EXPECT_EQ(parse_page_pool_shrink("4294967294/4294967295\n")->freed, 0U) << "of 32 bits";
	EXPECT_EQ(parse_page_pool_shrink("20481/1024\n")->freed, 1024U);
	EXPECT_FALSE(parse_page_pool_shrink("20481\n"));
}

TEST(GemFormats, TtShrinkTellsErrors)
{
	EXPECT_EQ(*parse_tt_shrink("1024\n"), 1024U);
	EXPECT_EQ(parse_tt_shrink("-12\n").error().code, ENOMEM);
	EXPECT_EQ(parse_tt_shrink("\n").error().code, EPROTO);
}

TEST(GemFormats, GemOfMsm)
{
	auto state = parse_msm_gem(recorded("msm", "/sys/kernel/debug/dri/1/gem"));
	ASSERT_TRUE(state) << state.error().reason;
	EXPECT_EQ(state->total, 1445888U);
	EXPECT_EQ(state->active, 1048576U);
	EXPECT_EQ(state->resident, 1314816U);
	EXPECT_EQ(state->purgeable, 262144U);
	EXPECT_EQ(state->purged, 131072U);
	EXPECT_EQ(parse_msm_gem("  name     size handles refcount\n").error().code, ENODATA);
}

TEST(GemFormats, ShrinkOfMsm)
{
	EXPECT_EQ(*parse_msm_shrink(recorded("msm", "/sys/kernel/debug/dri/1/shrink")), 256U);
	EXPECT_EQ(*parse_msm_shrink("0xffffffffffffffff\n"), 0U) << "SHRINK_STOP";
	EXPECT_FALSE(parse_msm_shrink("256\n"));
}

TEST(GemFormats, ObjectsOfI915)
{
	auto state = parse_i915_gem_objects(recorded("i915", "/sys/kernel/debug/dri/0/i915_gem_objects"));
	ASSERT_TRUE(state) << state.error().reason;
	EXPECT_EQ(state->shrinkable, 183697408U);
	EXPECT_EQ(parse_i915_gem_objects("").error().code, ENODATA);
}

TEST(GemFormats, BitsOfI915AreAllThatItKnows)
{
	uint64_t all = 0;
	for (const NamedBit &bit : kI915DropBits) {
		EXPECT_EQ(all & bit.mask, 0U) << bit.name;
		all |= bit.mask;
	}
	EXPECT_EQ(trimmed(recorded("i915", "/sys/kernel/debug/dri/0/i915_gem_drop_caches")), "0x000003ff");
	EXPECT_EQ(all, 0x3ffU) << "DROP_ALL, as the file reads";
}

TEST(LogHistogram, PercentilesAreAtMostAnEighthTooHigh)
{
	auto histogram = std::make_unique<LogHistogram>();
	EXPECT_EQ(histogram->percentile(0.5), 0U);
	for (int64_t ns = 1; ns <= 1000; ns++)
		histogram->add(ns * 1000);
	EXPECT_EQ(histogram->count(), 1000U);
	EXPECT_EQ(histogram->max(), 1000000U);
	EXPECT_GE(histogram->percentile(0.5), 500000U);
	EXPECT_LE(histogram->percentile(0.5), 500000U * 9 / 8);
	EXPECT_EQ(histogram->percentile(1), 1000000U);
	histogram->add(0);
	histogram->add(INT64_MAX);
	EXPECT_EQ(histogram->max(), static_cast<uint64_t>(INT64_MAX));
	EXPECT_EQ(histogram->percentile(0), 1U);
}

} // namespace
} // namespace drmsqueeze
