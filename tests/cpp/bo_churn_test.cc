/* SPDX-License-Identifier: MIT */
/* The ladder of a BO cache and the cycle of bo-churn, on a driver of memory files that fails on demand. */
#include <cerrno>
#include <gtest/gtest.h>
#include <set>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/clock.h"
#include "fake_driver.h"
#include "stressors/bo_churner.h"
#include "stressors/drm/bus_guard.h"

namespace drmsqueeze
{
namespace
{

constexpr uint64_t kKib = 1024;

class BoLadderTest : public testing::Test
{
protected:
	BoLadder ladder(const char *policy)
	{
		return BoLadder(context_, *find_ladder_policy(policy), {kNsPerMs, kNsPerS}, counts_);
	}

	/** A BO that has been used and given back, with a GPU job on it that @busy tells of. */
	uint32_t cached(BoLadder &ladder, uint64_t bytes, std::set<uint32_t> *busy = nullptr)
	{
		auto bo = ladder.request(bytes);
		EXPECT_TRUE(bo);
		bo->busy = busy != nullptr;
		uint32_t handle = bo->buffer->handle();
		if (busy)
			busy->insert(handle);
		ladder.give_back(std::move(*bo));
		return handle;
	}

	uint64_t tried(Rung rung) const { return counts_.rungs[static_cast<size_t>(rung)].tried; }
	uint64_t served(Rung rung) const { return counts_.rungs[static_cast<size_t>(rung)].served; }

	FakeDriver driver_;
	FakeContext context_{driver_};
	LadderCounts counts_{};
};

TEST_F(BoLadderTest, TakesAReadyBoThatFits)
{
	auto full = ladder("full");
	uint32_t handle = cached(full, 48 * kKib);
	EXPECT_EQ(driver_.not_needed.count(handle), 1U);
	auto bo = full.request(40 * kKib);
	ASSERT_TRUE(bo);
	EXPECT_EQ(bo->buffer->handle(), handle);
	EXPECT_EQ(driver_.not_needed.count(handle), 0U);
	EXPECT_EQ(served(Rung::take), 1U);
	EXPECT_EQ(counts_.retained, 1U);
	/* Taken out: the next one is allocated. */
	EXPECT_NE(full.request(40 * kKib)->buffer->handle(), handle);
}

TEST_F(BoLadderTest, BucketsArePowersOfTwoRoundedDown)
{
	auto full = ladder("full");
	cached(full, 64 * kKib);
	EXPECT_TRUE(full.request(63 * kKib)); /* another bucket, though it would fit */
	EXPECT_EQ(served(Rung::take), 0U);
	EXPECT_TRUE(full.request(68 * kKib)); /* the bucket, but too small */
	EXPECT_EQ(served(Rung::take), 0U);
	EXPECT_TRUE(full.request(64 * kKib));
	EXPECT_EQ(served(Rung::take), 1U);
	uint32_t large = cached(full, 64 << 20);
	EXPECT_EQ(full.request(5 << 20)->buffer->handle(), large) << "all from 4 MiB on is one bucket";
}

TEST_F(BoLadderTest, PurgedBosAreFreedAndTheNextIsTried)
{
	auto full = ladder("full");
	auto one = full.request(4 * kKib);
	auto other = full.request(4 * kKib);
	uint32_t kept = other->buffer->handle();
	driver_.purged.insert(one->buffer->handle());
	full.give_back(std::move(*one));
	full.give_back(std::move(*other));
	auto bo = full.request(4 * kKib);
	ASSERT_TRUE(bo);
	EXPECT_EQ(bo->buffer->handle(), kept);
	EXPECT_EQ(counts_.purged, 1U);
	EXPECT_EQ(driver_.alive, 1);
}

TEST_F(BoLadderTest, EvictsToAllocateAndKeepsWhatIsBusy)
{
	auto full = ladder("full");
	cached(full, 8 * kKib);
	cached(full, 16 * kKib, &driver_.busy);
	driver_.allocations_left = 0;
	driver_.freed_makes_room = 1;
	auto bo = full.request(4 * kKib);
	ASSERT_TRUE(bo);
	EXPECT_EQ(served(Rung::evict), 1U);
	EXPECT_EQ(served(Rung::allocate), 2U) << "the two that were cached";
	EXPECT_EQ(counts_.evicted, 1U);
	EXPECT_EQ(counts_.found_busy, 1U);
	EXPECT_EQ(driver_.alive, 2);
}

TEST_F(BoLadderTest, WaitsForABusyOneAtLast)
{
	auto full = ladder("full");
	uint32_t handle = cached(full, 4 * kKib, &driver_.ends);
	driver_.allocations_left = 0;
	auto bo = full.request(4 * kKib);
	ASSERT_TRUE(bo);
	EXPECT_EQ(bo->buffer->handle(), handle);
	EXPECT_FALSE(bo->busy);
	for (Rung rung : {Rung::allocate, Rung::evict, Rung::wait})
		EXPECT_EQ(tried(rung) - served(rung), rung == Rung::wait ? 0U : 1U);
	EXPECT_EQ(served(Rung::wait), 1U);
	EXPECT_EQ(counts_.wait_timeouts, 0U);
	EXPECT_EQ(counts_.failed, 0U);
}

TEST_F(BoLadderTest, FailsWithTheErrorOfTheAllocationWhenAllRungsDo)
{
	auto full = ladder("full");
	cached(full, 4 * kKib, &driver_.busy);
	driver_.allocations_left = 0;
	auto bo = full.request(4 * kKib);
	ASSERT_FALSE(bo);
	EXPECT_EQ(bo.error().code, ENOMEM);
	EXPECT_EQ(counts_.failed, 1U);
	EXPECT_EQ(counts_.wait_timeouts, 1U);
	EXPECT_EQ(counts_.requests, 2U);
}

TEST_F(BoLadderTest, ShorterFormsStopEarlier)
{
	for (const char *policy : {"none", "fail-after-allocate", "fail-after-evict"}) {
		driver_.allocations_left = 1;
		auto shorter = ladder(policy);
		uint64_t evictions = tried(Rung::evict);
		uint64_t takes = tried(Rung::take);
		cached(shorter, 4 * kKib, &driver_.ends);
		EXPECT_FALSE(shorter.request(4 * kKib)) << policy;
		EXPECT_EQ(tried(Rung::evict) - evictions, std::string_view(policy) == "fail-after-evict" ? 1U : 0U);
		EXPECT_EQ(tried(Rung::take) - takes, std::string_view(policy) == "none" ? 0U : 2U);
	}
	EXPECT_EQ(tried(Rung::wait), 0U);
	EXPECT_EQ(counts_.freed_busy, 1U) << "without a cache a busy one is just freed";
	EXPECT_EQ(find_ladder_policy("nope"), nullptr);
}

TEST_F(BoLadderTest, MesaWaitsBeforeItEvicts)
{
	auto mesa = ladder("mesa");
	cached(mesa, 4 * kKib, &driver_.ends);
	driver_.allocations_left = 0;
	EXPECT_TRUE(mesa.request(4 * kKib));
	EXPECT_EQ(served(Rung::wait), 1U);
	EXPECT_EQ(tried(Rung::evict), 0U);
}

TEST_F(BoLadderTest, WhatNobodyAskedForIsFreedWhenAnotherIsCached)
{
	BoLadder ladder(context_, *find_ladder_policy("full"), {kNsPerMs, 5 * kNsPerMs}, counts_);
	cached(ladder, 4 * kKib);
	sleep_ns(10 * kNsPerMs);
	EXPECT_EQ(driver_.alive, 1);
	cached(ladder, 64 * kKib);
	EXPECT_EQ(driver_.alive, 1);
	EXPECT_EQ(counts_.stale, 1U);
}

TEST_F(BoLadderTest, ReportHasARowForEachRungOfThePolicy)
{
	auto mesa = ladder("mesa");
	cached(mesa, 4 * kKib);
	auto report = counts_.report(*find_ladder_policy("mesa"));
	EXPECT_EQ(report["counts"]["requests"], 1);
	auto rows = report["tables"][0]["rows"];
	ASSERT_EQ(rows.size(), 4U);
	EXPECT_EQ(rows[0][0], "take from cache");
	EXPECT_EQ(rows[0][3], 1) << "nothing was cached yet";
	EXPECT_EQ(rows[1][2], 1);
	EXPECT_EQ(rows[2][0], "wait for busy");
}

class BoChurnerTest : public BoLadderTest
{
protected:
	void make(const char *policy, double gpu = 0, bool purgeable = false)
	{
		options_ = {.min_bytes = 16 * kKib,
			    .max_bytes = 16 * kKib,
			    .working_set = 1,
			    .purgeable = purgeable,
			    .gpu = gpu,
			    .policy = find_ladder_policy(policy)};
		ladder_.emplace(context_, *options_.policy, BoLadder::Limits{kNsPerMs, kNsPerS}, churn_counts_.ladder);
		churner_.emplace(options_, pattern_, 0, *find_driver("panfrost"), context_, *ladder_, churn_counts_);
	}

	/** Turns a bit of the only buffer that the context has made. */
	void corrupt(uint64_t offset)
	{
		auto view = context_.last->map();
		view->store64(offset, view->load64(offset) ^ 1);
	}

	BoChurnOptions options_;
	ChurnPattern pattern_{options_, 7};
	ChurnCounts churn_counts_{};
	std::optional<BoLadder> ladder_;
	std::optional<BoChurner> churner_;

	/** Remembers the buffer that it made last. */
	class RememberingContext : public FakeContext
	{
	public:
		using FakeContext::FakeContext;
		Result<std::unique_ptr<Buffer>> create_buffer(uint64_t bytes) override
		{
			auto buffer = FakeContext::create_buffer(bytes);
			if (buffer)
				last = static_cast<FakeBuffer *>(buffer->get());
			return buffer;
		}
		FakeBuffer *last = nullptr;
	};
	RememberingContext context_{driver_};
};

TEST_F(BoChurnerTest, CleanCyclesCompleteAndNothingStays)
{
	for (const char *policy : {"none", "full", "mesa"}) {
		make(policy, 0.5);
		for (uint64_t job = 1; job <= 20; job++)
			EXPECT_TRUE(churner_->cycle(job, job).good()) << policy;
		EXPECT_EQ(driver_.alive, 1) << policy;
		churner_.reset();
		ladder_.reset();
		EXPECT_EQ(driver_.alive, 0) << policy;
	}
	EXPECT_GT(churn_counts_.gpu_jobs, 0U);
	EXPECT_EQ(churn_counts_.verified, 19U + 38U + 38U) << "when let go, and when taken from the cache";
}

TEST_F(BoChurnerTest, AWrongValueInTheWorkingSetIsCorrupted)
{
	make("none");
	ASSERT_TRUE(churner_->cycle(1, 0).good());
	corrupt(3 * 4096);
	auto verdict = churner_->cycle(2, 1);
	EXPECT_EQ(verdict.fate, Fate::corrupted);
	EXPECT_EQ(verdict.reason, "CPU value 4 of 4 of cycle 1 is wrong");
}

TEST_F(BoChurnerTest, AWrongValueInARetainedBoOfTheCacheIsCorrupted)
{
	make("full");
	options_.working_set = 2;
	ASSERT_TRUE(churner_->cycle(1, 0).good());
	FakeBuffer *first = context_.last;
	ASSERT_TRUE(churner_->cycle(2, 1).good());
	auto bo = ladder_->request(4 * kKib);
	ladder_->give_back(std::move(*bo)); /* nothing of ours in it */
	auto view = first->map();
	view->store64(0, 0);
	auto verdict = churner_->cycle(3, 2);
	EXPECT_EQ(verdict.fate, Fate::corrupted);
	EXPECT_EQ(verdict.reason, "CPU value 1 of 4 of cycle 1 is wrong");
}

TEST_F(BoChurnerTest, WhatWasPurgedIsNeitherReadNorWrong)
{
	make("none", 0, true);
	ASSERT_TRUE(churner_->cycle(1, 0).good());
	corrupt(0);
	driver_.purged.insert(context_.last->handle());
	EXPECT_TRUE(churner_->cycle(2, 1).good());
	EXPECT_EQ(churn_counts_.ladder.purged, 1U);
	EXPECT_EQ(driver_.alive, 1);
}

TEST_F(BoChurnerTest, NoMemoryIsAFailedCycleWithItsErrno)
{
	make("none");
	driver_.allocations_left = 0;
	auto verdict = churner_->cycle(1, 0);
	EXPECT_EQ(verdict.fate, Fate::failed);
	EXPECT_EQ(verdict.error, ENOMEM);
	EXPECT_EQ(verdict.flags, kSubmitFailed);
}

TEST_F(BoChurnerTest, MemoryThatIsGoneUnderAMappingFailsTheCycleAndNotTheProcess)
{
	make("none");
	ASSERT_TRUE(churner_->cycle(1, 0).good());
	context_.last->lose_memory();
	auto verdict = churner_->cycle(2, 1);
	EXPECT_EQ(verdict.fate, Fate::failed);
	EXPECT_EQ(verdict.reason, "read back: SIGBUS");
	EXPECT_EQ(churn_counts_.sigbus, 1U);
}

TEST_F(BoChurnerTest, AGpuJobThatFailedIsNoWrongValue)
{
	make("none", 1);
	context_.fence_error = EINVAL;
	ASSERT_TRUE(churner_->cycle(1, 0).good());
	auto verdict = churner_->cycle(2, 1);
	EXPECT_EQ(verdict.fate, Fate::failed);
	EXPECT_EQ(verdict.error, EINVAL);
	EXPECT_EQ(verdict.reason, "GPU job of cycle 1: GPU fault");
	EXPECT_EQ(churn_counts_.gpu_jobs_failed, 1U);
}

TEST_F(BoChurnerTest, AWrongValueOfTheGpuIsCorrupted)
{
	make("none", 1);
	ASSERT_TRUE(churner_->cycle(1, 0).good());
	corrupt(sizeof(uint64_t));
	EXPECT_EQ(churner_->cycle(2, 1).reason, "GPU value 1 of 4 of cycle 1 is wrong");
}

TEST_F(BoChurnerTest, SizesComeFromTheSeedAndStayInTheirBounds)
{
	options_ = {.min_bytes = 8 * kKib, .max_bytes = 16 * kKib};
	std::set<uint64_t> seen;
	for (uint64_t number = 0; number < 100; number++) {
		EXPECT_EQ(pattern_.bytes(1, number), ChurnPattern(options_, 7).bytes(1, number));
		seen.insert(pattern_.bytes(1, number));
	}
	EXPECT_EQ(seen, (std::set<uint64_t>{8 * kKib, 12 * kKib, 16 * kKib}));
	options_.touch = 0.25;
	EXPECT_EQ(pattern_.of_cpu(64 * kKib).count(), 4U);
	options_.touch = 0;
	EXPECT_EQ(pattern_.of_cpu(64 * kKib).count(), 0U);
	EXPECT_EQ(ChurnPattern::of_gpu(4 * kKib).count(), 1U);
	EXPECT_LE(ChurnPattern::of_gpu(1000 * kKib).count(), ChurnPattern::kMaxGpuWrites);
}

TEST(BusGuardDeathTest, OutsideOfTheGuardASigbusKillsAsEver)
{
	FakeDriver driver;
	FakeBuffer buffer(driver, 4 * kKib);
	auto view = buffer.map();
	buffer.lose_memory();
	EXPECT_FALSE(survives_sigbus([&] { view->store64(0, 1); }));
	EXPECT_EXIT(view->store64(0, 1), testing::KilledBySignal(SIGBUS), "");
}

} // namespace
} // namespace drmsqueeze
