/* SPDX-License-Identifier: MIT */
#include <gmock/gmock.h>
#include <poll.h>
#include <set>
#include <sys/eventfd.h>

#include "agent/clock.h"
#include "stressors/stressor.h"
#include "stressors/sync_cases.h"

namespace drmsqueeze
{

extern const StressorDescriptor kSyncFile;

namespace
{

using nlohmann::json;

TEST(SyncCases, EveryCaseHasANameOfItsOwn)
{
	std::set<std::string_view> names;
	for (const SyncCase &sync_case : all_sync_cases()) {
		EXPECT_TRUE(names.insert(sync_case.name).second) << sync_case.name;
		EXPECT_EQ(find_sync_case(sync_case.name), &sync_case);
	}
	EXPECT_EQ(find_sync_case("no-such-case"), nullptr);
}

TEST(SyncFileStressor, UnknownCasesAreNamed)
{
	json options = {{"jobs", 1}, {"cases", {"snapshot", "no-such-case"}}};
	EXPECT_THROW(kSyncFile.create(JsonReader(options, "")), ScenarioError);
}

TEST(SyncFileStressor, ReportHasARowForEachCaseOfTheScenario)
{
	json options = {{"jobs", 1}, {"cases", {"snapshot", "merge"}}};
	auto report = kSyncFile.create(JsonReader(options, ""))->report();
	EXPECT_EQ(report["tables"][0]["rows"], json::parse(R"([["snapshot",0,0,0,""],["merge",0,0,0,""]])"));
}

TEST(Exporter, WhatIsNotThereIsENODEV)
{
	auto exporter = Exporter::open("no-such-driver");
	ASSERT_FALSE(exporter);
	EXPECT_EQ(exporter.error().code, ENODEV);
}

TEST(PollUntil, ReadyOrOutOfTime)
{
	UniqueFd event(eventfd(0, EFD_CLOEXEC));
	int64_t begin = now_ns();
	EXPECT_EQ(poll_until(event.get(), POLLIN, begin + kNsPerMs), ETIME);
	EXPECT_GE(now_ns(), begin + kNsPerMs);
	EXPECT_EQ(poll_until(event.get(), POLLIN, begin), ETIME); /* a time that is past only looks */
	ASSERT_EQ(eventfd_write(event.get(), 1), 0);
	EXPECT_EQ(poll_until(event.get(), POLLIN, begin), 0);
}

TEST(SyncFileOwner, ErrnoIsKept)
{
	SyncFile file(UniqueFd(eventfd(0, EFD_CLOEXEC)));
	EXPECT_EQ(file.fences().error().code, ENOTTY);
	EXPECT_EQ(file.merge(file).error().code, ENOTTY);
}

} // namespace
} // namespace drmsqueeze
