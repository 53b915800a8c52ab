/* SPDX-License-Identifier: MIT */
/* A job that was looked at late is late only if its fence was. */
#include "stressors/job_judge.h"

#include <cerrno>
#include <gtest/gtest.h>

#include "agent/clock.h"
#include "tests/cpp/local_ring.h"

namespace drmsqueeze
{
namespace
{

class StampedSlot : public JobSlot
{
public:
	explicit StampedSlot(Result<int64_t> stamp) : stamp_(std::move(stamp)) {}
	void describe(std::span<const GpuWrite> /*writes*/) override {}
	int submit(const Memory & /*memory*/) override { return 0; }
	int wait(int64_t /*until_ns*/) override { return 0; }
	Result<int> fence_error() override { return 0; }
	Result<int64_t> signalled_ns() override { return stamp_; }
	unsigned writes_done() const override { return 1; }

private:
	Result<int64_t> stamp_;
};

/** A job that ended with an error; its driver ends more than the job at fault. */
class FailedSlot : public StampedSlot
{
public:
	FailedSlot(int error, bool bystander) : StampedSlot(0), error_(error), bystander_(bystander) {}
	Result<int> fence_error() override { return error_; }
	unsigned writes_done() const override { return 0; }
	bool bystander() override { return bystander_; }

private:
	int error_;
	bool bystander_;
};

class JobJudgeTest : public testing::Test
{
protected:
	static constexpr int64_t kDeadline = kNsPerMs;

	/** The end record of a job that is looked at twice its deadline after its intent. */
	Record judged(const std::function<Result<int64_t>(int64_t intent_ns)> &stamp)
	{
		table_.begin(0, {.client = 0,
				 .context = 0,
				 .thread = 0,
				 .bytes = 0,
				 .stressor = "tiler-heap",
				 .deadline_ns = kDeadline});
		int64_t intent_ns = table_.entry(0).intent_ns;
		sleep_until_ns(intent_ns + 2 * kDeadline);
		StampedSlot slot(stamp(intent_ns));
		JobJudge(seat_).judge(slot, 0, 1, [] { return 1U; });
		return ring_.read().back();
	}

	/** The end record of a job of panthor whose fence carries @error. */
	Record failed(int error, bool bystander)
	{
		table_.begin(0, {.client = 0,
				 .context = 0,
				 .thread = 0,
				 .bytes = 0,
				 .stressor = "tiler-heap",
				 .deadline_ns = kNsPerS});
		ClientSeat seat{request_, *find_driver("panthor"), ring_.recorder(), *control_, table_, 0, 0, 0};
		FailedSlot slot(error, bystander);
		JobJudge(seat).judge(slot, 0, 1, [] { return 1U; });
		return ring_.read().back();
	}

	LocalRing ring_{64};
	Control *control_ = make_control();
	JobTable table_ = *JobTable::create(1, control_, ring_.recorder());
	Request request_;
	ClientSeat seat_{request_, *find_driver("panfrost"), ring_.recorder(), *control_, table_, 0, 0, 0};
};

TEST_F(JobJudgeTest, AFenceThatSignalledInTimeIsNotLate)
{
	Record end = judged([](int64_t intent_ns) { return intent_ns + kDeadline / 2; });
	EXPECT_EQ(static_cast<Fate>(end.code), Fate::completed);
	EXPECT_EQ(end.c & kLate, 0);
	EXPECT_EQ(end.b, kDeadline / 2) << "the fence's own latency";
}

TEST_F(JobJudgeTest, OneThatSignalledLateHasStalled)
{
	Record end = judged([](int64_t intent_ns) { return intent_ns + kDeadline * 3 / 2; });
	EXPECT_EQ(static_cast<Fate>(end.code), Fate::stalled);
	EXPECT_EQ(end.c & kLate, int64_t{kLate});
}

TEST_F(JobJudgeTest, WithoutAStampOurOwnLookCounts)
{
	Record end = judged([](int64_t) -> Result<int64_t> { return Error{EOPNOTSUPP, "no sync files"}; });
	EXPECT_EQ(static_cast<Fate>(end.code), Fate::stalled);
	EXPECT_GE(end.b, 2 * kDeadline);
}

TEST_F(JobJudgeTest, AJobThatNeverBeganIsAVictim)
{
	Record culprit = failed(EINVAL, false);
	EXPECT_EQ(static_cast<Fate>(culprit.code), Fate::failed);
	EXPECT_EQ(culprit.c & kVictim, 0);
	for (int error : {EINVAL, ETIMEDOUT, ECANCELED}) {
		Record victim = failed(error, true);
		EXPECT_EQ(static_cast<Fate>(victim.code), Fate::failed);
		EXPECT_EQ(victim.c & kVictim, int64_t{kVictim}) << error;
	}
}

} // namespace
} // namespace drmsqueeze
