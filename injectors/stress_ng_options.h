/* SPDX-License-Identifier: MIT */
/* stress-ng's command line and what it prints at its end, apart so that both can be tested. */
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/json_reader.h"

namespace drmsqueeze
{

struct StressNgOptions {
	std::vector<std::string> words; /* what the scenario says of stressors */
	std::string job_file;           /* the text of one; empty: none */
};

/** Throws ScenarioError. Exactly one of stressors, args and job_file must be there. */
StressNgOptions parse_stress_ng_options(JsonReader reader);

/** The whole command line of @program, whose files are in @directory; it runs until it is told to end. */
std::vector<std::string> stress_ng_command(const std::string &program, const StressNgOptions &options, uint64_t seed,
					   const std::string &directory);

/** Names of the files in that directory. */
inline constexpr std::string_view kStressNgYaml = "/metrics.yaml";
inline constexpr std::string_view kStressNgJobs = "/jobs";

/** "- stressor: vm" and the "bogo-ops: 80123" after it, for each stressor of the metrics of @yaml. */
std::vector<std::pair<std::string, uint64_t>> bogo_ops(std::string_view yaml);

} // namespace drmsqueeze
