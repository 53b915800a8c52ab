/* SPDX-License-Identifier: MIT */
#include "agent/sampler.h"

#include <cmath>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

/* What every run samples. */
const std::vector<SampledFile> &always_sampled()
{
	static const std::vector<SampledFile> files = {
		{"/proc/meminfo",
		 {{"mem_available_kib", "MemAvailable:", ""},
		  {"mem_free_kib", "MemFree:", ""},
		  {"swap_free_kib", "SwapFree:", ""},
		  {"shmem_kib", "Shmem:", ""}}},
		{"/proc/vmstat", {{"pgscan_direct", "pgscan_direct ", ""}, {"oom_kill", "oom_kill ", ""}}},
		{"/proc/pressure/memory",
		 {{"psi_some_avg10", "some ", "avg10=", 100},
		  {"psi_full_avg10", "full ", "avg10=", 100},
		  {"psi_some_total_us", "some ", "total="}}},
	};
	return files;
}

/* One counter per zone; their sum is what "allocstall" was before zones were told apart. */
constexpr const char *kAllocStall[] = {"allocstall_dma ", "allocstall_dma32 ", "allocstall_normal ",
				       "allocstall_movable "};

} // namespace

bool find_value(std::string_view text, std::string_view line, std::string_view field, double scale, int64_t &value)
{
	while (!text.empty()) {
		std::string_view here = text.substr(0, text.find('\n'));
		if (here.starts_with(line)) {
			size_t at = here.find(field, line.size());
			if (at == std::string_view::npos)
				return false;
			/* The text ends in a NUL: see sample(). */
			value = std::llround(std::strtod(here.data() + at + field.size(), nullptr) * scale);
			return true;
		}
		text.remove_prefix(std::min(here.size() + 1, text.size()));
	}
	return false;
}

Sampler Sampler::open(const Root &root, const std::vector<SampledFile> &more)
{
	Sampler sampler;
	for (const auto *list : {&always_sampled(), &more})
		for (const SampledFile &file : *list) {
			UniqueFd fd(::open(root.path(file.path).c_str(), O_RDONLY | O_CLOEXEC));
			if (fd.valid())
				sampler.sources_.push_back({std::move(fd), file.values});
		}
	return sampler;
}

void Sampler::sample(const Recorder &recorder)
{
	int64_t when = now_ns();
	auto put = [&](std::string_view name, int64_t value) {
		recorder.put({.kind = Kind::sample, .a = value, .text = name, .t_ns = when});
	};
	for (const Source &source : sources_) {
		ssize_t got = pread(source.fd.get(), buffer_, sizeof(buffer_) - 1, 0);
		if (got <= 0)
			continue;
		buffer_[got] = '\0';
		std::string_view text(buffer_, static_cast<size_t>(got));
		int64_t value = 0;
		for (const SampledValue &row : source.values)
			if (find_value(text, row.line, row.field, row.scale, value))
				put(row.name, value);
		int64_t stalls = 0;
		bool seen = false;
		for (const char *line : kAllocStall)
			if (find_value(text, line, "", 1, value)) {
				stalls += value;
				seen = true;
			}
		if (seen)
			put("allocstall", stalls);
	}
}

} // namespace drmsqueeze
