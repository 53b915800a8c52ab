/* SPDX-License-Identifier: MIT */
#include <gmock/gmock.h>

#include "agent/scenario.h"
#include "injectors/injector.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{
namespace
{

using nlohmann::json;
using testing::HasSubstr;

json good_request()
{
	return json::parse(R"({
		"schema": "drmsqueeze.request/1", "level": 0.05, "seed": 7, "time_scale": 2.5, "deadline_ms": 1500,
		"grace_ms": 500, "driver_timeout_ms": 500,
		"witness_limits_ms": {"no_progress": 2500, "d_state": 3000},
		"scenario": {
			"schema": "drmsqueeze.scenario/1", "name": "one", "levels": [1.0, 0.05],
			"target": {"driver": "panfrost", "model": "mali-jm"},
			"stressors": [{"kind": "tiler-heap", "heap_mib": 16, "jobs": 3}],
			"injectors": [{"kind": "hog"}],
			"model_faults": [{"fault": "delay_job"}],
			"traps": [{"trap": "shrinker-waits-for-fence"}]
		}})");
}

/* What the agent says of a request after @change. */
std::string complaint(const std::function<void(json &)> &change)
{
	json request = good_request();
	change(request);
	try {
		Request parsed = parse_request(request.dump());
		for (const Item &item : parsed.stressors)
			stressor_of(item).create(item.reader);
		for (const Item &item : parsed.injectors)
			injector_of(item).create(item.reader, parsed);
	} catch (const ScenarioError &error) {
		return error.what();
	}
	return "";
}

TEST(Scenario, GoodRequest)
{
	Request request = parse_request(good_request().dump());
	EXPECT_EQ(request.name, "one");
	EXPECT_EQ(request.driver, "panfrost");
	EXPECT_EQ(request.model, "mali-jm");
	EXPECT_EQ(request.level, 0.05);
	EXPECT_EQ(request.seed, 7U);
	EXPECT_EQ(request.time_scale, 2.5);
	EXPECT_EQ(request.deadline_ns, 1500000000);
	EXPECT_EQ(request.grace_ns, 500000000);
	EXPECT_EQ(request.no_progress_ns, 2500000000);
	EXPECT_EQ(request.d_state_ns, 3000000000);
	ASSERT_EQ(request.injectors.size(), 3U);
	EXPECT_EQ(request.injectors[1].kind, "model-fault");
	EXPECT_EQ(request.injectors[2].kind, "trap");
	EXPECT_EQ(complaint([](json &) {}), "");
}

TEST(Scenario, ErrorsNamePlaceFoundAndExpected)
{
	EXPECT_EQ(complaint([](json &r) { r["level"] = 2; }), "/level: found 2, expected a number from 0 to 1");
	EXPECT_EQ(complaint([](json &r) { r.erase("seed"); }), "/seed: found nothing, expected an integer");
	EXPECT_THAT(
		complaint([](json &r) { r["scenario"]["stressors"][0]["kind"] = "nope"; }),
		testing::MatchesRegex("/scenario/stressors/0/kind: found \"nope\", expected one of .*tiler-heap.*"));
	EXPECT_EQ(complaint([](json &r) { r["scenario"]["stressors"][0]["heap_mib"] = "16"; }),
		  "/scenario/stressors/0/heap_mib: found \"16\", expected an integer from 1 to 2048");
	EXPECT_THAT(complaint([](json &r) { r["scenario"]["stressors"][0]["jobbs"] = 1; }),
		    HasSubstr("/scenario/stressors/0/jobbs: found an unknown member, expected only "));
	EXPECT_EQ(complaint([](json &r) { r["scenario"]["stressors"] = json::array(); }),
		  "/scenario/stressors: found [], expected at least one stressor");
	EXPECT_EQ(complaint([](json &r) { r["scenario"]["stressors"] = 1; }),
		  "/scenario/stressors: found 1, expected a list of objects");
	EXPECT_EQ(complaint([](json &r) { r["scenario"]["injectors"][0] = "hog"; }),
		  "/scenario/injectors/0: found \"hog\", expected an object");
	EXPECT_EQ(complaint([](json &r) { r["scenario"]["injectors"][0]["access"] = "warm"; }),
		  "/scenario/injectors/0/access: found \"warm\", expected one of hot, cold");
	EXPECT_EQ(complaint([](json &r) { r["scenario"]["model_faults"][0]["count"] = 0; }),
		  "/scenario/model_faults/0/count: found 0, expected a number above 0, or -1 for no end");
	EXPECT_EQ(complaint([](json &r) { r["scenario"]["target"].erase("model"); }),
		  "/scenario/model_faults/0/fault: found \"delay_job\", expected a target with a model");
	EXPECT_THAT(complaint([](json &r) { r["schema"] = "drmsqueeze.request/2"; }), HasSubstr("/schema: found"));
}

/* What becomes a part of a path, or of a line of the kernel's log. */
TEST(Scenario, NamesAreNoPaths)
{
	for (const char *name : {"../../x", "a/b", "..", ".", "a b", "a\n", ""}) {
		EXPECT_THAT(complaint([&](json &r) { r["scenario"]["target"]["model"] = name; }),
			    HasSubstr("/scenario/target/model: found"));
		EXPECT_THAT(complaint([&](json &r) { r["scenario"]["model_faults"][0]["fault"] = name; }),
			    HasSubstr("/scenario/model_faults/0/fault: found"));
		EXPECT_THAT(complaint([&](json &r) { r["scenario"]["name"] = name; }),
			    HasSubstr("/scenario/name: found"));
		EXPECT_THAT(complaint([&](json &r) {
				    r["scenario"]["traps"] = {{{"trap", name}}};
			    }),
			    HasSubstr("/scenario/traps/0/trap: found"));
	}
}

TEST(Scenario, LanesMustFitIntoAStep)
{
	EXPECT_EQ(complaint([](json &r) {
			  auto &stressor = r["scenario"]["stressors"][0];
			  stressor["heap"] = "shared";
			  stressor["step_kib"] = 4;
			  stressor["contexts"] = 64;
			  stressor["threads"] = 16;
		  }),
		  "/scenario/stressors/0/step_kib: found 4, expected room for the 1024 jobs in flight");
}

TEST(Scenario, TextThatIsNoJson)
{
	EXPECT_THROW(parse_request("{\"schema\": "), ScenarioError);
	EXPECT_THROW(parse_request("[]"), ScenarioError);
	EXPECT_THROW(parse_request(""), ScenarioError);
}

} // namespace
} // namespace drmsqueeze
