/* SPDX-License-Identifier: MIT */
#include <gtest/gtest.h>

#include "agent/clock.h"
#include "agent/job_table.h"
#include "local_ring.h"

namespace drmsqueeze
{
namespace
{

class JobTableTest : public testing::Test
{
protected:
	uint64_t begin(uint32_t slot, uint32_t client, int64_t deadline_ns = kNsPerS, uint32_t queue = 0)
	{
		return table_.begin(slot, {.client = client,
					   .context = 0,
					   .thread = 0,
					   .bytes = 4096,
					   .stressor = "tiler-heap",
					   .deadline_ns = deadline_ns,
					   .queue = queue});
	}

	LocalRing ring_{64};
	Control *control_ = make_control();
	JobTable table_ = *JobTable::create(4, control_, ring_.recorder());
};

TEST_F(JobTableTest, EveryJobEndsOnce)
{
	uint64_t job = begin(0, 0);
	EXPECT_EQ(job, 1U);
	table_.submitted(0, 5);
	table_.signalled(0);
	EXPECT_EQ(table_.in_flight(), 1U);
	EXPECT_TRUE(table_.end(0, {.fate = Fate::completed}));
	EXPECT_FALSE(table_.end(0, {.fate = Fate::hung}));
	EXPECT_EQ(table_.in_flight(), 0U);
	EXPECT_EQ(control_->jobs_ended.load(), 1U);
	auto records = ring_.read();
	ASSERT_EQ(records.size(), 3U);
	EXPECT_EQ(records[0].kind, 2U);
	EXPECT_EQ(records[0].c, 4096);
	EXPECT_STREQ(records[0].text, "tiler-heap");
	EXPECT_EQ(records[1].kind, 3U);
	EXPECT_EQ(records[2].kind, 4U);
	EXPECT_EQ(records[2].job, 1U);
}

TEST_F(JobTableTest, OnlyJobsWithoutTheirFenceAreLate)
{
	begin(0, 0);
	uint64_t earlier_deadline = begin(1, 0, kNsPerS / 2);
	begin(2, 0, 0);
	table_.signalled(2);
	EXPECT_FALSE(table_.first_late(now_ns()));
	EXPECT_EQ(table_.first_late(now_ns() + 2 * kNsPerS), earlier_deadline);
}

TEST_F(JobTableTest, AJobWhoseFenceIsThroughIsStuckOnlyAfterMuchLonger)
{
	begin(0, 0, kNsPerS);
	uint64_t read_back = begin(1, 0, kNsPerS);
	table_.signalled(1);
	EXPECT_FALSE(table_.first_stuck(now_ns() + 2 * kNsPerS, 5 * kNsPerS));
	EXPECT_EQ(table_.first_stuck(now_ns() + 10 * kNsPerS, 5 * kNsPerS), read_back);
	EXPECT_EQ(table_.end_all(kNoClient, {.fate = Fate::lost}, {JobEntry::signalled}), 1U);
	EXPECT_EQ(table_.end_all(kNoClient, {.fate = Fate::hung}), 1U) << "the one without its fence is left";
}

TEST_F(JobTableTest, EndsAllOfAKilledClient)
{
	begin(0, 0);
	begin(1, 1);
	begin(2, 1);
	EXPECT_EQ(table_.end_all(1, {.fate = Fate::lost, .reason = "client killed by signal 9"}), 2U);
	EXPECT_EQ(table_.in_flight(), 1U);
	EXPECT_EQ(table_.end_all(kNoClient, {.fate = Fate::hung}), 1U);
}

TEST_F(JobTableTest, TimeoutHasOneCulpritTheFirstSubmittedOfItsContext)
{
	constexpr uint64_t kMessage = 300;
	/* Begun first and not submitted yet, and through without an error: neither can have been hit. */
	begin(2, 0);
	begin(3, 0);
	table_.submitted(3, 0);
	table_.passed(3);
	begin(1, 0);
	begin(0, 0);
	table_.submitted(0, 0);
	table_.submitted(1, 0);
	/* The one submitted later asks first, from another thread. */
	EXPECT_FALSE(table_.claim_timeout(1, kMessage));
	EXPECT_TRUE(table_.claim_timeout(0, kMessage));
	table_.end(0, {.fate = Fate::timed_out});
	EXPECT_FALSE(table_.claim_timeout(1, kMessage));
	/* Another message is another timeout. */
	EXPECT_TRUE(table_.claim_timeout(1, kMessage + 1));
}

TEST_F(JobTableTest, ATimeoutOfOneQueueIsNoneOfTheOthers)
{
	constexpr uint64_t kMessage = 301;
	begin(0, 0, kNsPerS, 1);
	begin(1, 0, kNsPerS, 2);
	table_.submitted(0, 0);
	table_.submitted(1, 0);
	EXPECT_TRUE(table_.claim_timeout(1, kMessage)) << "the older job is in a group of its own";
}

TEST(Control, KeepsTheFirstError)
{
	Control *control = make_control();
	EXPECT_FALSE(control->failed());
	control->fail(ENOMEM, std::string(500, 'x'));
	control->fail(EIO, "later");
	EXPECT_EQ(control->error_code.load(), static_cast<uint32_t>(ENOMEM));
	EXPECT_EQ(std::string(control->error_reason), std::string(sizeof(control->error_reason) - 1, 'x'));
}

} // namespace
} // namespace drmsqueeze
