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
	auto raw = stress_ng_command("s", parse({{"args", {"--vm", "1", "--vm-bytes=50%"}}}), 1, "/d");
	EXPECT_THAT(std::vector(raw.begin(), raw.begin() + 6),
		    ElementsAre("s", "--vm", "1", "--vm-bytes=50%", "--timeout", "0"));
	auto jobs = parse({{"job_file", "run parallel\n# two\nvm 1\nvm-bytes 16M\nvm-keep\n\n"}});
	EXPECT_EQ(jobs.job_file, "run parallel\n# two\nvm 1\nvm-bytes 16M\nvm-keep\n\n");
	auto command = stress_ng_command("s", jobs, 1, "/d");
	EXPECT_THAT(std::vector(command.begin(), command.begin() + 3), ElementsAre("s", "--job", "/d/jobs"));
}

TEST(StressNg, ExactlyOneWayToSayIt)
{
	EXPECT_THROW(parse(nlohmann::json::object()), ScenarioError);
	EXPECT_THROW(parse({{"args", {"--vm", "1"}}, {"job_file", "vm 1"}}), ScenarioError);
	EXPECT_THROW(parse({{"args", nlohmann::json::array()}}), ScenarioError);
}

/* We run as root. By a stranger's scenario it runs no program, writes no file, loads no module and turns no knob. */
TEST(StressNg, OnlyLoads)
{
	for (const char *word : {"--exec",
				 "--exe",
				 "--log-file",
				 "--log-file=/etc/passwd",
				 "--job",
				 "--temp-path",
				 "--yaml",
				 "--module",
				 "--cpu-online",
				 "--memhotplug",
				 "--ignite-cpu",
				 "--swap",
				 "--vm-madvise",
				 "--vm-madvise=hwpoison",
				 "--class",
				 "--sequential",
				 "--all",
				 "--shm-sysv",
				 "--vm-by",
				 "-m",
				 "-",
				 "--",
				 "---",
				 "--=1",
				 "-- vm",
				 "--vm vm",
				 "--vm=",
				 "--vm=/x",
				 "/etc/passwd",
				 "../x",
				 "a/b",
				 "a b",
				 "a\n",
				 ""}) {
		EXPECT_THROW(parse({{"args", {"--vm", "1", word}}}), ScenarioError) << word;
		EXPECT_THROW(parse({{"stressors", {{{"name", "vm"}, {"options", {word}}}}}}), ScenarioError) << word;
		EXPECT_THROW(parse({{"stressors", {{{"name", word}}}}}), ScenarioError) << word;
	}
	EXPECT_THROW(parse({{"stressors", {{{"name", "vm=1"}}}}}), ScenarioError);
	for (const std::string line : {"exec 1", "vm 1\nexec 1", "vm 1 exec", "log-file x", "vm /x", "--vm 1", "run x",
				       "run", "vm=1 1 1", "vm\t1 # and"})
		EXPECT_THROW(parse({{"job_file", line}}), ScenarioError) << line;
	EXPECT_THROW(parse({{"job_file", "# " + std::string(4096, 'a') + "exec 1"}}), ScenarioError)
		<< "it would be read in two pieces";
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
