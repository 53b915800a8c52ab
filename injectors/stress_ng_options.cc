/* SPDX-License-Identifier: MIT */
#include "injectors/stress_ng_options.h"

#include <charconv>
#include <sstream>

#include "agent/root.h"

namespace drmsqueeze
{

StressNgOptions parse_stress_ng_options(JsonReader reader)
{
	constexpr uint64_t kMaxWorkers = 1024;
	StressNgOptions options;
	int ways = reader.has("stressors") + reader.has("args") + reader.has("job_file");
	for (JsonReader &stressor : reader.objects("stressors")) {
		std::string name = stressor.string("name");
		if (name.empty() ||
		    name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos)
			stressor.fail("name", "a stressor as `stress-ng --stressors` names it");
		options.words.push_back("--" + name);
		options.words.push_back(std::to_string(stressor.integer_or("workers", 1, kMaxWorkers, 1)));
		for (std::string &word : stressor.strings("options"))
			options.words.push_back(std::move(word));
		stressor.finish();
	}
	for (std::string &word : reader.strings("args"))
		options.words.push_back(std::move(word));
	if (reader.has("job_file"))
		options.job_file = reader.string("job_file");
	reader.finish();
	if (ways != 1 || (options.words.empty() && options.job_file.empty()))
		reader.fail("stressors", "exactly one of stressors, args and job_file, with something in it");
	return options;
}

std::vector<std::string> stress_ng_command(const std::string &program, const StressNgOptions &options, uint64_t seed,
					   const std::string &directory)
{
	std::vector<std::string> command = {program};
	if (!options.job_file.empty())
		command.insert(command.end(), {"--job", directory + std::string(kStressNgJobs)});
	command.insert(command.end(), options.words.begin(), options.words.end());
	/* Ours come last, and so win. No timeout: the run's end is its end. */
	command.insert(command.end(), {"--timeout", "0", "--seed", std::to_string(seed), "--temp-path", directory,
				       "--metrics", "--yaml", directory + std::string(kStressNgYaml)});
	return command;
}

std::vector<std::pair<std::string, uint64_t>> bogo_ops(std::string_view yaml)
{
	constexpr std::string_view kStressor = "- stressor: ";
	constexpr std::string_view kOps = "bogo-ops: ";
	std::vector<std::pair<std::string, uint64_t>> found;
	std::istringstream lines{std::string(yaml)};
	for (std::string line; std::getline(lines, line);) {
		line = trimmed(line);
		if (line.starts_with(kStressor)) {
			found.emplace_back(line.substr(kStressor.size()), 0);
		} else if (line.starts_with(kOps) && !found.empty()) {
			const char *begin = line.data() + kOps.size();
			std::from_chars(begin, line.data() + line.size(), found.back().second);
		}
	}
	return found;
}

} // namespace drmsqueeze
