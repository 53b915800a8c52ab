/* SPDX-License-Identifier: MIT */
#include <gmock/gmock.h>

#include "injectors/injector.h"
#include "temporary_root.h"

namespace drmsqueeze
{

extern const InjectorDescriptor kFailPageAlloc;

namespace
{

using nlohmann::json;

constexpr const char *kKnobs = "/sys/kernel/debug/fail_page_alloc/";

class FailPageAllocTest : public testing::Test
{
protected:
	void SetUp() override
	{
		add_fail_page_alloc(tree_);
		tree_.write("/proc/kallsyms", "ffffffffa0001000 t map_fault\t[panfrost]\n"
					      "ffffffffa0001080 t other\t[panfrost]\n");
		tree_.write("/proc/60/comm", "irq/25-panfrost-mmu\n");
		tree_.write("/proc/60/make-it-fail", "0\n");
		tree_.write("/proc/61/comm", "irq/24-panfrost-job\n");
		tree_.write("/proc/61/make-it-fail", "0\n");
		before_ = tree_.snapshot();
	}

	/** Whatever a test did, the journal puts back. */
	void TearDown() override
	{
		EXPECT_TRUE(journal_.restore());
		EXPECT_EQ(tree_.snapshot(), before_);
	}

	std::unique_ptr<Injector> make(const json &options)
	{
		options_ = options;
		return kFailPageAlloc.create(JsonReader(options_, "/injectors/0"), request_);
	}

	std::string knob(const std::string &name) { return tree_.read(kKnobs + name); }

	TemporaryRoot tree_;
	std::map<std::string, std::string> before_;
	json options_;
	Request request_;
	RestoreJournal journal_ = std::move(*RestoreJournal::create(tree_.path("/run/restore.json")));
	InjectorSeat seat_{request_, tree_.root(), journal_, 0};
};

TEST_F(FailPageAllocTest, WritesEveryKnob)
{
	auto injector = make({{"probability", 50}, {"times", 1000}, {"scope", {{"stack", "map_fault"}}}});
	ASSERT_TRUE(injector->check(seat_));
	ASSERT_TRUE(injector->arm(seat_));
	for (const auto &[name, value] : std::map<std::string, std::string>{
		     {"probability", "50"},
		     {"interval", "1"},
		     {"times", "1000"},
		     {"space", "0"},
		     {"verbose", "1"},
		     {"task-filter", "N"},
		     {"min-order", "0"},
		     {"ignore-gfp-wait", "N"},
		     {"ignore-gfp-highmem", "N"},
		     {"stacktrace-depth", "32"},
		     {"require-start", "0xffffffffa0001000"},
		     {"require-end", "0xffffffffa0001080"},
		     {"reject-start", "0"},
		     {"reject-end", "0"},
	     })
		EXPECT_EQ(knob(name), value) << name;
}

TEST_F(FailPageAllocTest, CountsWhatFiredFromTimes)
{
	auto injector = make({{"times", 1000}});
	ASSERT_TRUE(injector->arm(seat_));
	injector->read_counters();
	EXPECT_TRUE(injector->never_fired());
	tree_.write(std::string(kKnobs) + "times", "993\n");
	injector->read_counters();
	EXPECT_FALSE(injector->never_fired());
	EXPECT_EQ(injector->report()["fired"], 7);
	EXPECT_EQ(injector->report()["settings"]["times"], "1000");
}

TEST_F(FailPageAllocTest, ThreadScopeMarksMatchingThreadsOnly)
{
	auto injector = make({{"scope", {{"thread", "irq/*panfrost-mmu*"}}}});
	ASSERT_TRUE(injector->arm(seat_));
	EXPECT_EQ(tree_.read("/proc/60/make-it-fail"), "1");
	EXPECT_EQ(tree_.read("/proc/61/make-it-fail"), "0\n");
	EXPECT_EQ(knob("task-filter"), "Y");
	EXPECT_EQ(knob("require-end"), "0xffffffffffffffff");
}

TEST_F(FailPageAllocTest, WhatIsMissingIsToldBeforeAnythingIsTurned)
{
	EXPECT_EQ(make({{"scope", {{"stack", "inlined_away"}}}})->check(seat_).error().code, ENOENT);
	EXPECT_EQ(make({{"scope", {{"module", "lima"}}}})->check(seat_).error().code, ENOENT);
	EXPECT_EQ(make({{"scope", {{"thread", "irq/*lima*"}}}})->check(seat_).error().code, ENOENT);
	auto injector = make(json::object());
	EXPECT_TRUE(injector->check(seat_));
	std::filesystem::remove(tree_.path(std::string(kKnobs) + "space"));
	EXPECT_EQ(injector->check(seat_).error().code, ENOTSUP);
	tree_.write(std::string(kKnobs) + "space", "0\n");
}

TEST_F(FailPageAllocTest, OneScopeOnly)
{
	EXPECT_THROW(make({{"scope", {{"stack", "a"}, {"module", "b"}}}}), ScenarioError);
	EXPECT_THROW(make({{"scope", json::object()}}), ScenarioError);
}

} // namespace
} // namespace drmsqueeze
