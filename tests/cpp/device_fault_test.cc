/* SPDX-License-Identifier: MIT */
#include <gtest/gtest.h>

#include "agent/json_reader.h"
#include "stressors/device_pager.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

extern const StressorDescriptor kDeviceFault;

namespace
{

std::unique_ptr<Stressor> create(const nlohmann::json &options)
{
	return kDeviceFault.create(JsonReader(options, "/stressors/0"));
}

TEST(DeviceFault, HasAClientForTheComputeJobsOneForThoseBehindAndAPager)
{
	nlohmann::json options = {{"behind", 3}};
	auto stressor = create(options);
	EXPECT_EQ(stressor->clients(), 3U);
	EXPECT_EQ(stressor->slots_per_client(), 3U);
	EXPECT_EQ(stressor->report()["counts"]["device faults served"], 0);
}

TEST(DeviceFault, RefusesWhatItDoesNotKnow)
{
	for (const nlohmann::json &wrong :
	     {nlohmann::json{{"form", "swap"}}, nlohmann::json{{"shared", "memory"}}, nlohmann::json{{"behind", 0}},
	      nlohmann::json{{"jobs", 0}}, nlohmann::json{{"fault_kib", 4}}})
		EXPECT_THROW(create(wrong), ScenarioError) << wrong;
}

/* A page that comes too late for its round must not serve the next. */
TEST(DeviceFault, EachRoundMissesAnotherPageOfSharedMemory)
{
	EXPECT_NE(DevicePager::missing_page(1), DevicePager::missing_page(2));
	constexpr uint64_t kSharedBegin = uint64_t{1} << 47;
	constexpr uint64_t kSharedEnd = uint64_t{1} << 48;
	for (uint32_t round : {1U, 1000U * 1000U}) {
		EXPECT_EQ(DevicePager::missing_page(round) % 4096, 0U);
		EXPECT_GE(DevicePager::missing_page(round), kSharedBegin);
		EXPECT_LT(DevicePager::missing_page(round), kSharedEnd);
	}
}

} // namespace

} // namespace drmsqueeze
