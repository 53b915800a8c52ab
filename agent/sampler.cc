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

constexpr std::array<const char *, 3> kPaths = {"/proc/meminfo", "/proc/vmstat", "/proc/pressure/memory"};

struct Value {
	size_t file;
	const char *name;  /* in the record */
	const char *line;  /* how its line begins */
	const char *field; /* what stands before the number, after the line's beginning */
	int64_t scale;
};

constexpr Value kValues[] = {
	{0, "mem_available_kib", "MemAvailable:", "", 1}, {0, "mem_free_kib", "MemFree:", "", 1},
	{0, "swap_free_kib", "SwapFree:", "", 1},         {0, "shmem_kib", "Shmem:", "", 1},
	{1, "pgscan_direct", "pgscan_direct ", "", 1},    {1, "oom_kill", "oom_kill ", "", 1},
	{2, "psi_some_avg10", "some ", "avg10=", 100},    {2, "psi_full_avg10", "full ", "avg10=", 100},
	{2, "psi_some_total_us", "some ", "total=", 1},
};

/* One counter per zone; their sum is what "allocstall" was before zones were told apart. */
constexpr const char *kAllocStall[] = {"allocstall_dma ", "allocstall_dma32 ", "allocstall_normal ",
				       "allocstall_movable "};

} // namespace

bool find_value(std::string_view text, std::string_view line, std::string_view field, int64_t scale, int64_t &value)
{
	while (!text.empty()) {
		std::string_view here = text.substr(0, text.find('\n'));
		if (here.starts_with(line)) {
			size_t at = here.find(field, line.size());
			if (at == std::string_view::npos)
				return false;
			/* The text ends in a NUL: see sample(). */
			value = std::llround(std::strtod(here.data() + at + field.size(), nullptr) *
					     static_cast<double>(scale));
			return true;
		}
		text.remove_prefix(std::min(here.size() + 1, text.size()));
	}
	return false;
}

Sampler Sampler::open(const Root &root)
{
	Sampler sampler;
	for (size_t i = 0; i < kFiles; i++)
		sampler.fds_[i].reset(::open(root.path(kPaths[i]).c_str(), O_RDONLY | O_CLOEXEC));
	return sampler;
}

void Sampler::sample(const Recorder &recorder)
{
	int64_t when = now_ns();
	auto put = [&](std::string_view name, int64_t value) {
		recorder.put({.kind = Kind::sample, .a = value, .text = name, .t_ns = when});
	};
	for (size_t file = 0; file < kFiles; file++) {
		ssize_t got = pread(fds_[file].get(), buffer_, sizeof(buffer_) - 1, 0);
		if (got <= 0)
			continue;
		buffer_[got] = '\0';
		std::string_view text(buffer_, static_cast<size_t>(got));
		int64_t value = 0;
		for (const Value &row : kValues)
			if (row.file == file && find_value(text, row.line, row.field, row.scale, value))
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
