/* SPDX-License-Identifier: MIT */
#include <gmock/gmock.h>

#include "injectors/injector.h"
#include "temporary_root.h"

namespace drmsqueeze
{

extern const InjectorDescriptor kModelFault;
extern const InjectorDescriptor kTrap;

namespace
{

using nlohmann::json;

class PlantedTest : public testing::Test
{
protected:
	void SetUp() override
	{
		tree_.write(kModel + "/faults/delay_job", "0 0 0\n");
		tree_.write(kModel + "/counters/fired_delay_job", "5\n");
		tree_.write(kTraps + "/shrinker-waits-for-fence/armed", "0\n");
		tree_.write(kTraps + "/shrinker-waits-for-fence/fired", "0\n");
		request_.model = "mali-jm";
	}
	void TearDown() override
	{
		EXPECT_TRUE(journal_.restore());
		EXPECT_EQ(trimmed(tree_.read(kModel + "/faults/delay_job")), "0 0 0");
		EXPECT_EQ(trimmed(tree_.read(kTraps + "/shrinker-waits-for-fence/armed")), "0");
	}

	const std::string kModel = "/sys/kernel/debug/drmsqueeze/mali-jm";
	const std::string kTraps = "/sys/kernel/debug/drmsqueeze/traps";
	TemporaryRoot tree_;
	Request request_;
	RestoreJournal journal_ = std::move(*RestoreJournal::create(tree_.path("/run/restore.json")));
	InjectorSeat seat_{request_, tree_.root(), journal_, 0};
};

TEST_F(PlantedTest, FaultIsWrittenAndWhatFiredIsCounted)
{
	json options = {{"fault", "delay_job"}, {"nth", 3}, {"count", -1}, {"value", 400000}};
	auto fault = kModelFault.create(JsonReader(options, ""), request_);
	ASSERT_TRUE(fault->check(seat_));
	ASSERT_TRUE(fault->arm(seat_));
	EXPECT_EQ(tree_.read(kModel + "/faults/delay_job"), "3 -1 400000");
	tree_.write(kModel + "/counters/fired_delay_job", "7\n");
	fault->read_counters();
	EXPECT_FALSE(fault->never_fired());
	EXPECT_EQ(fault->report()["fired"], 2);
	EXPECT_EQ(fault->report()["planted"], true);
}

TEST_F(PlantedTest, TrapThatDidNotFireIsTold)
{
	json options = {{"trap", "shrinker-waits-for-fence"}};
	auto trap = kTrap.create(JsonReader(options, ""), request_);
	ASSERT_TRUE(trap->check(seat_));
	ASSERT_TRUE(trap->arm(seat_));
	EXPECT_EQ(tree_.read(kTraps + "/shrinker-waits-for-fence/armed"), "1");
	trap->read_counters();
	EXPECT_TRUE(trap->never_fired());
}

TEST_F(PlantedTest, UnknownNamesAreToldBeforeAnythingIsTurned)
{
	json fault = {{"fault", "no_such"}};
	EXPECT_EQ(kModelFault.create(JsonReader(fault, ""), request_)->check(seat_).error().code, ENOTSUP);
	json outside = {{"fault", "../counters/x"}};
	EXPECT_THROW(kModelFault.create(JsonReader(outside, ""), request_), ScenarioError);
}

} // namespace
} // namespace drmsqueeze
