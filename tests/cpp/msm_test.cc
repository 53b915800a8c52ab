/* SPDX-License-Identifier: MIT */
/* What msm's streams say, executed by a small interpreter of their packets; its table of outcomes. */
#include <cerrno>
#include <gtest/gtest.h>
#include <map>

#include "stressors/drivers/msm_stream.h"

namespace drmsqueeze
{
namespace
{

constexpr uint32_t kProgress = 0x01000000;

/** Executes MEM_WRITE, and nothing else, up to the end or @packets of them. */
std::map<uint32_t, uint32_t> executed(const std::vector<uint32_t> &words, unsigned packets)
{
	std::map<uint32_t, uint32_t> memory;
	for (size_t at = 0; at < words.size() && packets; packets--) {
		uint32_t header = words[at];
		uint32_t count = (header >> 16 & 0x3fff) + 1;
		EXPECT_EQ(header >> 30, 3U);
		EXPECT_EQ(header >> 8 & 0xff, MsmStream::kMemWrite);
		for (uint32_t i = 1; i < count; i++)
			memory[words.at(at + 1) + 4 * (i - 1)] = words.at(at + 1 + i);
		at += 1 + count;
	}
	return memory;
}

TEST(MsmStream, WritesInOrderAndCountsThem)
{
	const GpuWrite writes[] = {{0x2000, 7}, {0x3008, 0x123456789abcdef0}, {0x2000, 9}};
	auto words = MsmStream::of_writes(writes, kProgress);
	EXPECT_EQ(words.size(), MsmStream::words_for(3));
	auto memory = executed(words, ~0U);
	EXPECT_EQ(memory[0x2000], 9U);
	EXPECT_EQ(memory[0x2004], 0U);
	EXPECT_EQ(memory[0x3008], 0x9abcdef0U);
	EXPECT_EQ(memory[0x300c], 0x12345678U);
	EXPECT_EQ(memory[kProgress], 3U);
	EXPECT_EQ(memory.size(), 5U);
}

TEST(MsmStream, ProgressComesBehindTheWrite)
{
	const GpuWrite writes[] = {{0x2000, 7}, {0x3000, 8}};
	auto words = MsmStream::of_writes(writes, kProgress);
	EXPECT_FALSE(executed(words, 1).contains(kProgress));
	EXPECT_EQ(executed(words, 2)[kProgress], 1U);
	EXPECT_TRUE(MsmStream::of_writes({}, kProgress).empty());
}

TEST(MsmStream, AddressesStandWhereTheDriverIsToldToWriteThem)
{
	const GpuWrite write{0x2000, 7};
	auto words = MsmStream::of_writes({&write, 1}, kProgress);
	EXPECT_EQ(words[MsmStream::kAddressWord], 0x2000U);
	EXPECT_EQ(words[MsmStream::kProgressWord], kProgress);
}

TEST(MsmOutcome, OnlyTheQueuesOwnCountEndsAJob)
{
	const Driver &msm = *find_driver("msm");
	EXPECT_TRUE(may_be_timeout(msm, ETIMEDOUT));
	EXPECT_FALSE(may_be_timeout(msm, ECANCELED));
	for (TimeoutRole role : {TimeoutRole::culprit, TimeoutRole::victim, TimeoutRole::none})
		EXPECT_EQ(outcome_of(msm, ETIMEDOUT, role).fate, Fate::timed_out);
	EXPECT_EQ(outcome_of(msm, EIO, TimeoutRole::none).fate, Fate::failed);
	EXPECT_EQ(sign_of(msm, "msm msm: [drm:recover_worker [msm]] *ERROR* 2.0.0.0: hangcheck recover!"),
		  LogSign::job_timeout);
	EXPECT_EQ(sign_of(msm, "msm msm: [drm:recover_worker [msm]] *ERROR* 2.0.0.0: offending task: x (y)"),
		  LogSign::none);
}

} // namespace
} // namespace drmsqueeze
