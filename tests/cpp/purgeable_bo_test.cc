/* SPDX-License-Identifier: MIT */
/* What the stressor `shrinker` makes of the kernel's word, and of what it finds, on a driver of memory files. */
#include <gmock/gmock.h>

#include "fake_driver.h"
#include "stressors/purgeable_bo.h"

namespace drmsqueeze
{
namespace
{

using testing::HasSubstr;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kBytes = 16 * kPage;

class PurgeableBoTest : public testing::Test
{
protected:
	/** What the BO of @handle holds. */
	Mapping look(uint32_t handle)
	{
		auto view = driver_.buffers.at(handle)->map();
		EXPECT_TRUE(view);
		return std::move(*view);
	}

	/** Made, filled with the values of @job, and given up. */
	void cycle(PurgeableBo &bo, uint64_t job)
	{
		EXPECT_TRUE(bo.take_back().good());
		EXPECT_TRUE(bo.fill(job).good());
		EXPECT_TRUE(bo.give_up().good());
	}

	FakeDriver driver_;
	FakeContext context_{driver_};
	PurgeCounts counts_{};
	PurgeableBo::Plan plan_{kBytes, 1, true};
};

TEST_F(PurgeableBoTest, WhatIsRetainedAndWholeIsGood)
{
	PurgeableBo bo(plan_, context_, counts_);
	cycle(bo, 1);
	EXPECT_EQ(driver_.not_needed.count(1), 1U);
	cycle(bo, 2);
	EXPECT_TRUE(bo.take_back().good());
	EXPECT_EQ(driver_.not_needed.count(1), 0U);
	EXPECT_EQ(counts_.retained, 2U);
	EXPECT_EQ(counts_.verified, 2U);
	EXPECT_EQ(counts_.purged, 0U);
	EXPECT_EQ(counts_.made, 1U);
}

TEST_F(PurgeableBoTest, WhatIsRetainedAndWrongIsCorrupted)
{
	for (uint64_t page : {0, 7, 15}) {
		PurgeableBo bo(plan_, context_, counts_);
		cycle(bo, 1);
		Mapping view = look(driver_.last_handle);
		view.store64(page * kPage, view.load64(page * kPage) ^ 1);
		StepVerdict verdict = bo.take_back();
		EXPECT_EQ(verdict.fate, Fate::corrupted) << page;
		EXPECT_THAT(verdict.reason, HasSubstr("CPU value " + std::to_string(page + 1) + " of 16"));
	}
}

TEST_F(PurgeableBoTest, AnOlderJobsValuesAreWrong)
{
	PurgeableBo bo(plan_, context_, counts_);
	cycle(bo, 1);
	uint64_t old = look(1).load64(0);
	cycle(bo, 2);
	look(1).store64(0, old);
	EXPECT_EQ(bo.take_back().fate, Fate::corrupted);
}

TEST_F(PurgeableBoTest, WhatIsRetainedWithoutMemoryIsCorrupted)
{
	PurgeableBo bo(plan_, context_, counts_);
	cycle(bo, 1);
	driver_.buffers.at(1)->lose_memory();
	StepVerdict verdict = bo.take_back();
	EXPECT_EQ(verdict.fate, Fate::corrupted);
	EXPECT_THAT(verdict.reason, HasSubstr("SIGBUS"));
}

TEST_F(PurgeableBoTest, WhatIsPurgedIsMadeAnew)
{
	PurgeableBo bo(plan_, context_, counts_);
	cycle(bo, 1);
	driver_.purged.insert(1);
	driver_.buffers.at(1)->lose_memory();
	cycle(bo, 2);
	EXPECT_EQ(counts_.purged, 1U);
	EXPECT_EQ(counts_.purged_kib, kBytes >> 10);
	EXPECT_EQ(counts_.stale_checked, 1U);
	EXPECT_EQ(counts_.made, 2U);
	EXPECT_EQ(driver_.alive, 1);
	EXPECT_TRUE(bo.take_back().good());
}

TEST_F(PurgeableBoTest, WhatIsPurgedMustNotBeSeenThroughAnOldMapping)
{
	PurgeableBo bo(plan_, context_, counts_);
	cycle(bo, 1);
	driver_.purged.insert(1); /* and its memory is still there */
	StepVerdict verdict = bo.take_back();
	EXPECT_EQ(verdict.fate, Fate::corrupted);
	EXPECT_THAT(verdict.reason, HasSubstr("old mapping"));

	plan_.mapped = false; /* no mapping, nothing to see */
	PurgeableBo other(plan_, context_, counts_);
	cycle(other, 1);
	driver_.purged.insert(driver_.last_handle);
	EXPECT_TRUE(other.take_back().good());
}

TEST_F(PurgeableBoTest, NoMemoryToMakeItAnewFailsAndIsTriedAgain)
{
	PurgeableBo bo(plan_, context_, counts_);
	cycle(bo, 1);
	driver_.purged.insert(1);
	driver_.buffers.at(1)->lose_memory();
	driver_.allocations_left = 0;
	StepVerdict verdict = bo.take_back();
	EXPECT_EQ(verdict.fate, Fate::failed);
	EXPECT_EQ(verdict.error, ENOMEM);
	EXPECT_EQ(bo.take_back().fate, Fate::failed);
	driver_.allocations_left = 1;
	cycle(bo, 3);
}

TEST_F(PurgeableBoTest, ABoInUseMustNotBePurged)
{
	PurgeableBo bo(plan_, context_, counts_);
	EXPECT_TRUE(bo.take_back().good());
	EXPECT_TRUE(bo.fill(1).good());
	driver_.purged.insert(1);
	EXPECT_EQ(bo.give_up().fate, Fate::corrupted);
}

TEST_F(PurgeableBoTest, TheGpusValuesAreHeldToItToo)
{
	PurgeableBo bo(plan_, context_, counts_);
	EXPECT_TRUE(bo.take_back().good());
	EXPECT_TRUE(bo.submit(1).good());
	EXPECT_TRUE(bo.give_up().good());
	EXPECT_TRUE(bo.take_back().good());
	EXPECT_EQ(counts_.verified, 1U);
	EXPECT_TRUE(bo.submit(2).good());
	EXPECT_TRUE(bo.give_up().good());
	Mapping view = look(1);
	view.store64(3 * kPage, view.load64(3 * kPage) ^ 0x10);
	StepVerdict verdict = bo.take_back();
	EXPECT_EQ(verdict.fate, Fate::corrupted);
	EXPECT_THAT(verdict.reason, HasSubstr("GPU value 4 of 16"));
}

} // namespace
} // namespace drmsqueeze
