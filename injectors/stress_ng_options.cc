/* SPDX-License-Identifier: MIT */
#include "injectors/stress_ng_options.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "agent/root.h"

namespace drmsqueeze
{

namespace
{

/*
 * Stressors of stress-ng that load processors and memory and leave nothing behind, and their options; those of the
 * schema (a test compares them). Not among them is what writes files of somebody's choice, runs programs, loads modules
 * or turns a knob of the machine; nor what poisons pages for good (--vm-madvise hwpoison), nor what leaves shared
 * memory behind when it is killed.
 */
constexpr std::string_view kAllowed =
	" backoff bigheap bigheap-growth bigheap-ops brk brk-mlock brk-notouch brk-ops cache cache-cldemote"
	" cache-clflushopt cache-enable-all cache-fence cache-flush cache-level cache-no-affinity cache-ops"
	" cache-prefetch cache-sfence cache-ways cache-wb cacheline cacheline-affinity cacheline-method"
	" cacheline-ops cpu cpu-load cpu-load-slice cpu-method cpu-old-metrics cpu-ops fault fault-ops fork"
	" fork-max fork-ops fork-vm futex futex-ops malloc malloc-bytes malloc-max malloc-ops malloc-pthreads"
	" malloc-thresh malloc-touch malloc-zerofree matrix matrix-method matrix-ops matrix-size matrix-yx"
	" maximize memcpy memcpy-method memcpy-ops memfd memfd-bytes memfd-fds memfd-ops memrate memrate-bytes"
	" memrate-flush memrate-ops memrate-rd-mbs memrate-wr-mbs memthrash memthrash-method memthrash-ops"
	" mincore mincore-ops mincore-random minimize mlock mlock-ops mlockmany mlockmany-ops mlockmany-procs"
	" mmap mmap-async mmap-bytes mmap-file mmap-mprotect mmap-odirect mmap-ops mmap-osync mmapaddr"
	" mmapaddr-ops mmapfixed mmapfixed-ops mmapfork mmapfork-ops mmaphuge mmaphuge-mmaps mmaphuge-ops"
	" mmapmany mmapmany-ops mprotect mprotect-ops mremap mremap-bytes mremap-lock mremap-ops msync"
	" msync-bytes msync-ops msyncmany msyncmany-ops munmap munmap-ops numa numa-ops oom-avoid oomable"
	" page-in pagemove pagemove-bytes pagemove-ops pageswap pageswap-ops pipe pipe-data-size pipe-ops"
	" pipe-size pthread pthread-max pthread-ops qsort qsort-ops qsort-size remap remap-ops stack"
	" stack-fill stack-mlock stack-ops stack-pageout stack-unmap stackmmap stackmmap-ops stream"
	" stream-index stream-l3-size stream-ops switch switch-freq switch-ops taskset tlb-shootdown"
	" tlb-shootdown-ops tmpfs tmpfs-mmap-async tmpfs-mmap-file tmpfs-ops userfaultfd userfaultfd-ops"
	" verbose verify vm vm-addr vm-addr-ops vm-bytes vm-hang vm-keep vm-locked vm-method vm-ops"
	" vm-populate vm-rw vm-rw-bytes vm-rw-ops vm-segv vm-segv-ops vm-splice vm-splice-bytes vm-splice-ops"
	" yield yield-ops zlib zlib-level zlib-mem-level zlib-method zlib-ops zlib-strategy zlib-stream-bytes"
	" zlib-window-bits ";

constexpr std::string_view kExpected = "options of stress-ng that only load processors and memory, in full, "
				       "and plain values (docs/injectors.md)";

bool is_value(std::string_view word)
{
	constexpr std::string_view kAlphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	return !word.empty() && kAlphanumeric.find(word[0]) != std::string_view::npos &&
	       std::all_of(word.begin(), word.end(), [&](char c) {
		       return kAlphanumeric.find(c) != std::string_view::npos ||
			      std::string_view(".,%_-").find(c) != std::string_view::npos;
	       });
}

/** One word of a command line. A word that begins with a dash is an option of ours, and no other word does. */
bool is_allowed(std::string_view word)
{
	if (!word.starts_with("--"))
		return is_value(word);
	word.remove_prefix(2);
	size_t equals = word.find('=');
	std::string name = " " + std::string(word.substr(0, equals)) + " ";
	return name.find(' ', 1) == name.size() - 1 && name.size() > 2 &&
	       kAllowed.find(name) != std::string_view::npos &&
	       (equals == std::string_view::npos || is_value(word.substr(equals + 1)));
}

/** A line of a job file: a comment, how the lines are run, or an option without its dashes and perhaps a value. */
bool is_allowed_job(const std::string &line)
{
	constexpr size_t kMost = 256; /* it reads a file in pieces: a longer line would be two */
	if (line.size() > kMost)
		return false;
	std::istringstream text(line);
	std::vector<std::string> words;
	for (std::string word; text >> word;)
		words.push_back(std::move(word));
	if (words.empty() || words[0].starts_with('#'))
		return true;
	if (words[0] == "run")
		return words.size() == 2 &&
		       (words[1] == "sequential" || words[1] == "parallel" || words[1] == "together");
	return words.size() <= 2 && is_allowed("--" + words[0]) && (words.size() == 1 || is_value(words[1]));
}

void allowed_words(JsonReader &reader, const char *key, std::vector<std::string> &to)
{
	for (std::string &word : reader.strings(key)) {
		if (!is_allowed(word))
			reader.fail(key, std::string(kExpected) + "; found " + word);
		to.push_back(std::move(word));
	}
}

} // namespace

StressNgOptions parse_stress_ng_options(JsonReader reader)
{
	constexpr uint64_t kMaxWorkers = 1024;
	StressNgOptions options;
	int ways = reader.has("stressors") + reader.has("args") + reader.has("job_file");
	for (JsonReader &stressor : reader.objects("stressors")) {
		std::string name = stressor.string("name");
		if (name.find('=') != std::string::npos || !is_allowed("--" + name))
			stressor.fail("name", std::string(kExpected));
		options.words.push_back("--" + name);
		options.words.push_back(std::to_string(stressor.integer_or("workers", 1, kMaxWorkers, 1)));
		allowed_words(stressor, "options", options.words);
		stressor.finish();
	}
	allowed_words(reader, "args", options.words);
	if (reader.has("job_file")) {
		options.job_file = reader.string("job_file");
		std::istringstream lines(options.job_file);
		for (std::string line; std::getline(lines, line);)
			if (!is_allowed_job(line))
				reader.fail("job_file", std::string(kExpected) + "; found " + line);
	}
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
