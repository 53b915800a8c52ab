/* SPDX-License-Identifier: MIT */
/* Growths of heaps: counted by the chunk, once for each heap that is kept. */
#include "stressors/heap_growths.h"

#include <gtest/gtest.h>

namespace drmsqueeze
{
namespace
{

constexpr uint64_t kMib = 1UL << 20;

TEST(HeapGrowthsTest, ChunksThatWritesLieIn)
{
	HeapPattern coarse{.bytes = 16 * kMib, .step = 2 * kMib};
	EXPECT_EQ(HeapGrowths::chunks(coarse, 0), 0U);
	EXPECT_EQ(HeapGrowths::chunks(coarse, 1), 1U);
	EXPECT_EQ(HeapGrowths::chunks(coarse, coarse.count()), 8U);
	HeapPattern fine{.bytes = 16 * kMib, .step = 64 << 10};
	EXPECT_EQ(HeapGrowths::chunks(fine, 32), 1U);
	EXPECT_EQ(HeapGrowths::chunks(fine, 33), 2U);
	EXPECT_EQ(HeapGrowths::chunks(fine, fine.count()), 8U);
	HeapPattern sparse{.bytes = 16 * kMib, .step = 8 * kMib};
	EXPECT_EQ(HeapGrowths::chunks(sparse, 2), 2U);
}

TEST(HeapGrowthsTest, FreshHeapsGrowEachTimeAndKeptOnesOnce)
{
	HeapGrowths growths;
	growths.fresh(8);
	growths.fresh(3);
	EXPECT_EQ(growths.total(), 11U);
	growths.kept(0, 8);
	growths.kept(0, 8);
	growths.kept(0, 5);
	EXPECT_EQ(growths.total(), 19U);
	growths.kept(1, 2);
	EXPECT_EQ(growths.total(), 21U);
}

} // namespace
} // namespace drmsqueeze
