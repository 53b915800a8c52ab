/* SPDX-License-Identifier: MIT */
/* What heap-lifetime is made of, as far as that needs no heap that grows. */
#include <cerrno>
#include <gtest/gtest.h>
#include <set>

#include "stressors/heap_case.h"
#include "stressors/stressor.h"
#include "tests/cpp/fake_driver.h"
#include "tests/cpp/temporary_root.h"

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

/** Address spaces that go with their file only, as lima's. */
class NoVmContext : public WatchedContext
{
public:
	Result<std::unique_ptr<Memory>> create_heap(const HeapShape &shape) override
	{
		return std::unique_ptr<Memory>(new FakeBuffer(fake, shape.bytes));
	}
	Status take_away(Taken part, uint32_t /*group*/, Memory * /*heap*/) override
	{
		return part == Taken::vm ? Status(Error{EOPNOTSUPP, "no VM"}) : Status();
	}
};

const Driver kNoVm = {.name = "no-vm", .module = "no-vm", .log_rules = {}, .outcome_rules = {}, .open = [] {
			      return Result<std::unique_ptr<Context>>(std::make_unique<NoVmContext>());
		      }};

TEST(HeapLifetimeTest, APartThatADriverDoesNotHaveIsRefusedAndSaid)
{
	auto prepare = [](const json &options) {
		return kHeapLifetime.create(JsonReader(options, ""))->prepare(kNoVm).error().code;
	};
	EXPECT_EQ(prepare({{"parts", {"heap", "vm"}}}), EOPNOTSUPP);
	EXPECT_EQ(prepare({{"parts", {"heap", "group", "file"}}}), ENOENT) << "nobody counts growths here";
	EXPECT_EQ(prepare(json::object()), ENOENT) << "then it is left out";
	EXPECT_EQ(kHeapLifetime.limits(kNoVm), std::vector<std::string>{"vm: no VM"});
}

TEST(HeapLifetimeTest, AHeapIsToGrow)
{
	auto create = [](const json &options) { return kHeapLifetime.create(JsonReader(options, "")); };
	EXPECT_THROW(create({{"chunk_kib", 64}, {"heap_kib", 64}}), ScenarioError);
	EXPECT_NO_THROW(create({{"chunk_kib", 32}, {"heap_kib", 64}})) << "the smallest of lima's that grows";
}

TEST(GrowthsTest, TheModelThatIsThereCounts)
{
	TemporaryRoot root;
	EXPECT_EQ(growths_begun(root.root()).error().code, ENOENT);
	const std::string counters = "/sys/kernel/debug/drmsqueeze/mali-utgard/counters/";
	root.write(counters + "out_of_memory", "7\n");
	root.write(counters + "growths", "6\n");
	root.write(counters + "tlb_hits", "100\n");
	EXPECT_EQ(*growths_begun(root.root()), 7U);
	EXPECT_EQ(growth_counters(root.root()),
		  (std::map<std::string, uint64_t>{{"growths", 6}, {"out_of_memory", 7}}));
}

TEST(GrowthsTest, ATrapThatHoldsThemUpCountsInstead)
{
	TemporaryRoot root;
	root.write("/sys/kernel/debug/drmsqueeze/mali-utgard/counters/out_of_memory", "7\n");
	const std::string trap = "/sys/kernel/debug/drmsqueeze/traps/slow-doubling/";
	root.write(trap + "armed", "0\n");
	root.write(trap + "fired", "3\n");
	EXPECT_EQ(*growths_begun(root.root()), 7U);
	root.write(trap + "armed", "1\n");
	EXPECT_EQ(*growths_begun(root.root()), 3U);
}

} // namespace
} // namespace drmsqueeze
