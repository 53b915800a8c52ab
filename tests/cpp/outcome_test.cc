/* SPDX-License-Identifier: MIT */
#include <cerrno>
#include <gtest/gtest.h>

#include "stressors/drivers/driver.h"
#include "stressors/heap_pattern.h"

namespace drmsqueeze
{
namespace
{

const Driver &panfrost()
{
	return *find_driver("panfrost");
}

TEST(Outcome, TimedOutNeedsTheDriversMessage)
{
	EXPECT_EQ(outcome_of(panfrost(), ECANCELED, TimeoutRole::culprit).fate, Fate::timed_out);
	EXPECT_EQ(outcome_of(panfrost(), EINVAL, TimeoutRole::culprit).fate, Fate::timed_out);
	EXPECT_EQ(outcome_of(panfrost(), ECANCELED, TimeoutRole::none).fate, Fate::failed);
	EXPECT_EQ(outcome_of(panfrost(), ECANCELED, TimeoutRole::none).flags, 0);
}

TEST(Outcome, VictimsSaySo)
{
	const OutcomeRule &rule = outcome_of(panfrost(), ECANCELED, TimeoutRole::victim);
	EXPECT_EQ(rule.fate, Fate::failed);
	EXPECT_EQ(rule.flags, kVictim);
	/* A fault of its own is no reset's work. */
	EXPECT_EQ(outcome_of(panfrost(), EINVAL, TimeoutRole::victim).flags, 0);
}

TEST(Outcome, EveryErrorHasARow)
{
	for (int error = 1; error < 200; error++)
		for (auto role : {TimeoutRole::none, TimeoutRole::culprit, TimeoutRole::victim})
			for (const Driver *driver : all_drivers())
				EXPECT_NE(outcome_of(*driver, error, role).fate, Fate::completed);
}

TEST(Outcome, LinesOfTheLog)
{
	EXPECT_EQ(
		sign_of(panfrost(), "panfrost 10.gpu: gpu sched timeout, js=1, config=0x0, status=0x8, head=0x2000000"),
		LogSign::job_timeout);
	EXPECT_EQ(sign_of(panfrost(), "panfrost 10.gpu: unexpectedly high interrupt latency"), LogSign::none);
	EXPECT_EQ(sign_of(panfrost(), "panfrost 10.gpu: js fault, js=1, status=JOB_BUS_FAULT"), LogSign::none);
	EXPECT_EQ(find_driver("nope"), nullptr);
}

/** Memory that a GPU has written to, as a buffer. */
class FakeBuffer : public Buffer
{
public:
	explicit FakeBuffer(uint64_t bytes) : words_(bytes / sizeof(uint64_t)) {}
	uint64_t address() const override { return 0x2000000; }
	uint64_t bytes() const override { return words_.size() * sizeof(uint64_t); }
	uint32_t handle() const override { return 0; }
	Result<uint64_t> read64(uint64_t offset) override { return words_[offset / sizeof(uint64_t)]; }
	Result<UniqueFd> export_dmabuf() const override { return Error{ENOTSUP, "fake"}; }
	void carry_out(const std::vector<GpuWrite> &writes)
	{
		for (const GpuWrite &write : writes)
			words_[(write.address - address()) / sizeof(uint64_t)] = write.value;
	}
	uint64_t &word(uint64_t offset) { return words_[offset / sizeof(uint64_t)]; }

private:
	std::vector<uint64_t> words_;
};

TEST(HeapPattern, ReadbackSeesEveryWrongValue)
{
	HeapPattern pattern{64 << 10, 8 << 10};
	FakeBuffer heap(pattern.bytes);
	std::vector<GpuWrite> writes;
	pattern.fill(writes, heap.address(), 2, 7, 11);
	ASSERT_EQ(writes.size(), 8U);
	EXPECT_EQ(*pattern.first_wrong(heap, 2, 7, 11), 0U); /* nothing written yet */
	heap.carry_out(writes);
	EXPECT_EQ(*pattern.first_wrong(heap, 2, 7, 11), pattern.count());
	for (unsigned i = 0; i < pattern.count(); i++) {
		heap.word(pattern.offset(i, 2)) ^= 1ULL << 63;
		EXPECT_EQ(*pattern.first_wrong(heap, 2, 7, 11), i);
		heap.word(pattern.offset(i, 2)) ^= 1ULL << 63;
	}
	EXPECT_EQ(*pattern.first_wrong(heap, 2, 7, 12), 0U); /* an earlier job's values */
}

TEST(HeapPattern, JobsInFlightDoNotMeet)
{
	HeapPattern pattern{64 << 10, 4 << 10};
	FakeBuffer heap(pattern.bytes);
	std::vector<GpuWrite> one;
	std::vector<GpuWrite> other;
	pattern.fill(one, heap.address(), 0, 7, 1);
	pattern.fill(other, heap.address(), 511, 7, 2);
	heap.carry_out(one);
	heap.carry_out(other);
	EXPECT_EQ(*pattern.first_wrong(heap, 0, 7, 1), pattern.count());
	EXPECT_EQ(*pattern.first_wrong(heap, 511, 7, 2), pattern.count());
}

} // namespace
} // namespace drmsqueeze
