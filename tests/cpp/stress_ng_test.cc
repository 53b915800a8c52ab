/* SPDX-License-Identifier: MIT */
#include <gmock/gmock.h>

#include "injectors/injector.h"
#include "injectors/stress_ng_options.h"
#include "temporary_root.h"

namespace drmsqueeze
{
namespace
{

using testing::ElementsAre;
using testing::HasSubstr;

StressNgOptions parse(const nlohmann::json &options)
{
	return parse_stress_ng_options(JsonReader(options, ""));
}

TEST(StressNg, StressorsBecomeACommand)
{
	auto options =
		parse({{"stressors",
			{{{"name", "vm"}, {"workers", 2}, {"options", {"--vm-bytes", "64M"}}}, {{"name", "cpu"}}}}});
	EXPECT_THAT(stress_ng_command("/bin/stress-ng", options, 7, "/run/x"),
		    ElementsAre("/bin/stress-ng", "--vm", "2", "--vm-bytes", "64M", "--cpu", "1", "--timeout", "0",
				"--seed", "7", "--temp-path", "/run/x", "--metrics", "--yaml", "/run/x/metrics.yaml"));
}

TEST(StressNg, ArgumentsAreTakenAsTheyAreAndJobsAreAFile)
{
	auto raw = stress_ng_command("s", parse({{"args", {"--vm", "1", "--timeout", "3"}}}), 1, "/d");
	EXPECT_THAT(std::vector(raw.begin(), raw.begin() + 7),
		    ElementsAre("s", "--vm", "1", "--timeout", "3", "--timeout", "0"));
	auto jobs = parse({{"job_file", "vm 1\nvm-bytes 16M"}});
	EXPECT_EQ(jobs.job_file, "vm 1\nvm-bytes 16M");
	auto command = stress_ng_command("s", jobs, 1, "/d");
	EXPECT_THAT(std::vector(command.begin(), command.begin() + 3), ElementsAre("s", "--job", "/d/jobs"));
}

TEST(StressNg, ExactlyOneWayToSayIt)
{
	EXPECT_THROW(parse(nlohmann::json::object()), ScenarioError);
	EXPECT_THROW(parse({{"args", {"--vm", "1"}}, {"job_file", "vm 1"}}), ScenarioError);
	EXPECT_THROW(parse({{"args", nlohmann::json::array()}}), ScenarioError);
	EXPECT_THROW(parse({{"stressors", {{{"name", "vm --yaml /etc/passwd"}}}}}), ScenarioError);
}

TEST(StressNg, MetricsOfEachStressor)
{
	/* As 0.15.06 writes it. */
	auto ops = bogo_ops(R"(---
system-info:
      stress-ng-version: 0.15.06
      hostname: bogo-ops

metrics:
    - stressor: vm
      bogo-ops: 80123
      bogo-ops-per-second-usr-sys-time: 77815.006895
      bogo-ops-per-second-real-time: 43590.992004
      wall-clock-time: 1.838063

    - stressor: cpu
      bogo-ops: 0
      max-rss: 20568

...
)");
	EXPECT_THAT(ops, ElementsAre(testing::Pair("vm", 80123U), testing::Pair("cpu", 0U)));
	EXPECT_TRUE(bogo_ops("").empty());
	EXPECT_TRUE(bogo_ops("      bogo-ops: 5\n").empty());
}

TEST(StressNg, IsUnsupportedWhereItIsNotInstalled)
{
	TemporaryRoot tree;
	const InjectorDescriptor &injector = injector_of({"stress-ng", JsonReader(nlohmann::json::object(), "")});
	EXPECT_THAT(injector.unsupported(tree.root()), HasSubstr("not installed"));
	tree.write("/usr/bin/stress-ng", "");
	EXPECT_EQ(injector.unsupported(tree.root()), "");
}

} // namespace
} // namespace drmsqueeze
