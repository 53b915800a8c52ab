/* SPDX-License-Identifier: MIT */
#include <algorithm>
#include <gtest/gtest.h>

#include "agent/root.h"
#include "agent/sampler.h"
#include "injectors/hog.h"

namespace drmsqueeze
{
namespace
{

TEST(Hog, HoldsWhatTheLevelDoesNotLeave)
{
	EXPECT_EQ(hog_bytes(1.0, 200000), 0U);
	EXPECT_EQ(hog_bytes(0.0, 200000), 200000U * 1024);
	EXPECT_EQ(hog_bytes(0.5, 200000), 100000U * 1024);
	EXPECT_EQ(hog_bytes(0.05, 100) % kHogPage, 0U);
	EXPECT_LE(hog_bytes(0.05, 100), 95U * 1024);
	EXPECT_EQ(hog_bytes(0.5, 0), 0U);
	/* A board of 64 GiB: more than 32 bits of KiB are not needed, more than 32 bits of bytes are. */
	EXPECT_EQ(hog_bytes(0.5, 64UL << 20), 32UL << 30);
}

TEST(Hog, FitsIntoMemoryAndSwapLessWhatTheKernelKeeps)
{
	const uint64_t bytes = hog_bytes(0.02, 200'000);
	EXPECT_TRUE(hog_fits(bytes, 200'000, 0, 2'000, false));
	EXPECT_FALSE(hog_fits(hog_bytes(0, 200'000), 200'000, 0, 2'000, false));
	EXPECT_TRUE(hog_fits(hog_bytes(0, 200'000), 200'000, 190'000, 2'000, false));
	EXPECT_FALSE(hog_fits(hog_bytes(0, 200'000), 200'000, 190'000, 2'000, true)) << "locked memory is not swapped";
}

TEST(Hog, PageIsZerosAndNoise)
{
	alignas(8) uint64_t page[kHogPage / 8];
	uint64_t state = 3;
	fill_hog_page(page, 0.5, state);
	EXPECT_EQ(page[0], 1U);
	EXPECT_EQ(std::count(page + 1, page + 256, 0U), 255);
	std::sort(page + 256, page + 512);
	EXPECT_EQ(std::unique(page + 256, page + 512), page + 512);
	EXPECT_NE(state, 3U);
}

TEST(Hog, EvenAPageOfZerosIsNotSameFilled)
{
	alignas(8) uint64_t page[kHogPage / 8];
	uint64_t state = 1;
	fill_hog_page(page, 1.0, state);
	EXPECT_EQ(page[0], 1U);
	EXPECT_EQ(page[511], 0U);
}

TEST(HogSteers, HalfTheWayToWhatShouldBeAvailable)
{
	EXPECT_EQ(steer_by_available(0, 200'000, 100'000), 50'000U * 1024);
	EXPECT_EQ(steer_by_available(80'000 * 1024, 60'000, 100'000), 60'000U * 1024);
	EXPECT_EQ(steer_by_available(4096, 0, 100'000), 0U) << "never below nothing";
	uint64_t held = 0;
	for (int i = 0; i < 20; i++)
		held = steer_by_available(held, 200'000 - held / 1024, 40'000);
	EXPECT_NEAR(static_cast<double>(held) / 1024, 160'000, 100) << "it arrives, and stays";
}

TEST(HogSteers, PressureRisesSlowlyAndFallsFast)
{
	constexpr uint64_t kIdle = 100'000;
	constexpr uint64_t kHeld = 50'000 * 1024;
	EXPECT_EQ(steer_by_psi(kHeld, 0, 10, kIdle), 52'000U * 1024);
	EXPECT_EQ(steer_by_psi(kHeld, 5, 10, kIdle), 51'000U * 1024);
	EXPECT_EQ(steer_by_psi(kHeld, 10, 10, kIdle), kHeld);
	EXPECT_EQ(steer_by_psi(kHeld, 100, 10, kIdle), 46'000U * 1024) << "not more than 4 %, however bad";
	EXPECT_EQ(steer_by_psi(0, 100, 10, kIdle), 0U);
}

class HogMemoryTest : public testing::Test
{
protected:
	static uint64_t status_kib(const char *line)
	{
		auto text = Root().read("/proc/self/status");
		int64_t value = 0;
		return text && find_value(*text, line, "", 1, value) ? static_cast<uint64_t>(value) : 0;
	}
	uint64_t state_ = 3;
};

TEST_F(HogMemoryTest, GrowsAndShrinks)
{
	constexpr uint64_t kMost = 64UL << 20;
	auto memory = HogMemory::reserve(kMost, false);
	ASSERT_TRUE(memory);
	uint64_t idle = status_kib("RssAnon:");
	ASSERT_EQ(memory->grow(32UL << 20, 0.5, state_), 0);
	EXPECT_EQ(memory->held(), 32UL << 20);
	EXPECT_GE(status_kib("RssAnon:"), idle + (30UL << 10));
	ASSERT_EQ(memory->shrink(31UL << 20), 0);
	EXPECT_LE(status_kib("RssAnon:"), idle + (4UL << 10)) << "what was given back is gone at once";
	memory->touch(255);
	ASSERT_EQ(memory->grow(kMost, 0.5, state_), 0);
	EXPECT_EQ(memory->held(), kMost) << "not more than was reserved";
	ASSERT_EQ(memory->shrink(2 * kMost), 0);
	EXPECT_EQ(memory->held(), 0U);
}

TEST_F(HogMemoryTest, LockedStaysLockedWhileItGrowsAndShrinks)
{
	auto memory = HogMemory::reserve(64UL << 20, true);
	ASSERT_TRUE(memory);
	int error = memory->grow(4UL << 20, 0.5, state_);
	if (error == ENOMEM || error == EPERM)
		GTEST_SKIP() << "RLIMIT_MEMLOCK is small here";
	ASSERT_EQ(error, 0);
	ASSERT_EQ(memory->grow(4UL << 20, 0.5, state_), 0);
	EXPECT_EQ(status_kib("VmLck:"), 8U << 10);
	ASSERT_EQ(memory->shrink(6UL << 20), 0);
	EXPECT_EQ(status_kib("VmLck:"), 2U << 10);
	ASSERT_EQ(memory->grow(1UL << 20, 0.5, state_), 0);
	EXPECT_EQ(status_kib("VmLck:"), 3U << 10);
	ASSERT_EQ(memory->shrink(memory->held()), 0);
}

} // namespace
} // namespace drmsqueeze
