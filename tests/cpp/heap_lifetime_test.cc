/* SPDX-License-Identifier: MIT */
/* What heap-lifetime is made of, as far as that needs no heap that grows. */
#include <cerrno>
#include <gtest/gtest.h>
#include <set>

#include "stressors/short_jobs.h"
#include "stressors/stressor.h"
#include "tests/cpp/fake_driver.h"

namespace drmsqueeze
{

extern const StressorDescriptor kHeapLifetime;

namespace
{

using nlohmann::json;

FakeDriver fake;

/** A slot that says what its job was to write to. */
class WatchedSlot : public FakeSlot
{
public:
	explicit WatchedSlot(std::set<const Memory *> &written) : FakeSlot(0), written_(written) {}
	int submit(const Memory &memory) override
	{
		written_.insert(&memory);
		return FakeSlot::submit(memory);
	}

private:
	std::set<const Memory *> &written_;
};

std::set<const Memory *> written;

class WatchedContext : public FakeContext
{
public:
	WatchedContext() : FakeContext(fake) {}
	Result<std::unique_ptr<JobSlot>> create_slot(unsigned /*max_writes*/, uint32_t /*group*/) override
	{
		return std::unique_ptr<JobSlot>(new WatchedSlot(written));
	}
};

const Driver kWatched = {.name = "watched", .module = "watched", .log_rules = {}, .outcome_rules = {}, .open = [] {
				 return Result<std::unique_ptr<Context>>(std::make_unique<WatchedContext>());
			 }};

/* A buffer notes its last job, without a lock: two threads may not share one. */
TEST(ShortJobsTest, GroupsShareNoBuffer)
{
	constexpr uint32_t kGroups = 3;
	auto jobs = ShortJobs::create(kWatched, kGroups);
	ASSERT_TRUE(jobs);
	for (uint32_t group = 0; group < kGroups; group++)
		EXPECT_EQ(jobs->run(group, 0), 0);
	EXPECT_EQ(written.size(), kGroups);
}

/** A job that fails where it is told to. */
class StepSlot : public JobSlot
{
public:
	StepSlot(int submit, int wait, Result<int> fence) : submit_(submit), wait_(wait), fence_(std::move(fence)) {}
	void describe(std::span<const GpuWrite> /*writes*/) override {}
	int submit(const Memory & /*memory*/) override { return submit_; }
	int wait(int64_t /*until_ns*/) override { return wait_; }
	Result<int> fence_error() override { return fence_; }
	unsigned writes_done() const override { return 0; }

private:
	int submit_;
	int wait_;
	Result<int> fence_;
};

TEST(JobSlotTest, TheFirstErrorOfAJobIsTheOneThatIsTold)
{
	FakeBuffer memory(fake, 4096);
	EXPECT_EQ(StepSlot(0, 0, 0).run(memory, 0), 0);
	EXPECT_EQ(StepSlot(ENOMEM, ETIME, EINVAL).run(memory, 0), ENOMEM);
	EXPECT_EQ(StepSlot(0, ETIME, EINVAL).run(memory, 0), ETIME);
	EXPECT_EQ(StepSlot(0, 0, EINVAL).run(memory, 0), EINVAL);
	EXPECT_EQ(StepSlot(0, 0, Error{EMFILE, "no descriptor"}).run(memory, 0), EMFILE);
	EXPECT_EQ(StepSlot(ENOMEM, 0, ECANCELED).end(0), ECANCELED) << "submitted before";
}

TEST(HeapLifetimeTest, ANeighbourNeedsTheFile)
{
	auto create = [](const json &options) { return kHeapLifetime.create(JsonReader(options, "")); };
	EXPECT_THROW(create({{"parts", {"vm", "file"}}, {"neighbour", true}}), ScenarioError);
	EXPECT_NO_THROW(create({{"parts", {"vm", "file"}}}));
	EXPECT_NO_THROW(create({{"neighbour", true}})) << "then the file is left out";
}

} // namespace
} // namespace drmsqueeze
