/* SPDX-License-Identifier: MIT */
#include <gmock/gmock.h>
#include <memory>
#include <set>
#include <sys/eventfd.h>

#include "agent/clock.h"
#include "stressors/fence_waiter.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

extern const StressorDescriptor kFenceWait;

namespace
{

using nlohmann::json;

TEST(WakeHistogram, QuantilesAreWithinAFactorOfTwo)
{
	auto histogram = std::make_unique<WakeHistogram>();
	EXPECT_EQ(histogram->quantile(0.5), 0);
	for (int64_t ns = 1; ns <= 1000; ns++)
		histogram->add(ns * kNsPerUs);
	EXPECT_EQ(histogram->count(), 1000U);
	EXPECT_GE(histogram->quantile(0.5), 500 * kNsPerUs);
	EXPECT_LE(histogram->quantile(0.5), 1000 * kNsPerUs);
	EXPECT_EQ(histogram->quantile(1), 1000 * kNsPerUs);
	EXPECT_EQ(histogram->max(), 1000 * kNsPerUs);
}

TEST(WakeHistogram, ExtremesHaveAPlace)
{
	auto histogram = std::make_unique<WakeHistogram>();
	histogram->add(-1);
	histogram->add(INT64_MAX);
	EXPECT_EQ(histogram->count(), 2U);
	EXPECT_EQ(histogram->max(), INT64_MAX);
}

TEST(FenceWaiters, EachKindHasANameOfItsOwn)
{
	std::set<std::string_view> names;
	for (const WaitKind &kind : all_wait_kinds())
		EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
}

TEST(FenceWaiters, WithoutSyncobjsTheyAreENODEV)
{
	SyncDevices none;
	for (const WaitKind &kind : all_wait_kinds()) {
		bool needs = std::string_view(kind.name).starts_with("syncobj") ||
			     kind.name == std::string("timeline") || kind.name == std::string("eventfd");
		auto waiter = kind.create(none);
		EXPECT_EQ(static_cast<bool>(waiter), !needs) << kind.name;
		EXPECT_EQ(waiter ? ENODEV : waiter.error().code, ENODEV);
	}
}

/* An eventfd stands for the sync file: both become readable. */
TEST(FenceWaiters, PollAndEpollWakeOrTimeOut)
{
	SyncDevices none;
	for (const WaitKind &kind : all_wait_kinds().first(2)) {
		SyncFile file(UniqueFd(eventfd(0, EFD_CLOEXEC)));
		auto waiter = kind.create(none);
		ASSERT_TRUE(waiter);
		ASSERT_TRUE((*waiter)->prepare({&file, &file, nullptr}));
		int64_t until = now_ns() + 2 * kNsPerMs;
		EXPECT_EQ((*waiter)->wait(until), ETIME) << kind.name;
		EXPECT_GE(now_ns(), until) << kind.name;
		ASSERT_EQ(eventfd_write(file.fd(), 1), 0);
		EXPECT_EQ((*waiter)->wait(kForever), 0) << kind.name;
	}
}

TEST(FenceWaitStressor, SlotsForEveryWaiterOfEveryClient)
{
	json options = {{"jobs", 1}, {"waiters", 7}, {"contexts", 3}};
	auto stressor = kFenceWait.create(JsonReader(options, ""));
	EXPECT_EQ(stressor->clients(), 3U);
	EXPECT_EQ(stressor->slots_per_client(), 7U);
	EXPECT_EQ(stressor->report()["tables"][0]["rows"], json::array());
}

TEST(FenceWaitStressor, UnknownWaysToWaitAreRefused)
{
	json options = {{"jobs", 1}, {"by", {"poll", "telepathy"}}};
	EXPECT_THROW(kFenceWait.create(JsonReader(options, "")), ScenarioError);
}

} // namespace
} // namespace drmsqueeze
