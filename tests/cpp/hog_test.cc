/* SPDX-License-Identifier: MIT */
#include <algorithm>
#include <gtest/gtest.h>

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

} // namespace
} // namespace drmsqueeze
