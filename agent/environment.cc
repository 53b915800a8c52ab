/* SPDX-License-Identifier: MIT */
#include "agent/environment.h"

#include <sys/utsname.h>
#include <time.h>

#include "agent/clock.h"
#include "agent/sampler.h"

namespace drmsqueeze
{

namespace
{

using nlohmann::json;

json number_in(const Root &root, std::string_view file, std::string_view line = "")
{
	auto text = root.read(file);
	int64_t value = 0;
	return text && find_value(*text, line, "", 1, value) ? json(value) : json();
}

json text_in(const Root &root, std::string_view file)
{
	auto text = root.read(file);
	return text ? json(trimmed(*text)) : json();
}

/* "always [madvise] never" */
json chosen_in(const Root &root, std::string_view file)
{
	auto text = root.read(file);
	if (!text)
		return {};
	size_t begin = text->find('[');
	size_t end = text->find(']');
	return begin == std::string::npos || end == std::string::npos ? json()
								      : json(text->substr(begin + 1, end - begin - 1));
}

/* The first line of /proc/swaps after the heading: "NAME TYPE SIZE USED PRIORITY", sizes in KiB. */
json swap_of(const Root &root)
{
	auto text = root.read("/proc/swaps");
	if (!text)
		return {};
	size_t line = text->find('\n');
	json total = number_in(root, "/proc/meminfo", "SwapTotal:");
	if (line == std::string::npos || line + 1 >= text->size())
		return {{"backend", "none"}, {"kib", total}};
	std::string name = text->substr(line + 1, text->find_first_of(" \t", line + 1) - line - 1);
	return {{"backend", name.find("zram") != std::string::npos ? "zram" : name}, {"kib", total}};
}

/* The coarse clocks tick once a jiffy (hrtimer_resolution of CLOCK_MONOTONIC_COARSE is 1/HZ). */
json kernel_hz()
{
	timespec tick{};
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) != 0 || tick.tv_nsec == 0)
		return {};
	return kNsPerS / tick.tv_nsec;
}

json preemption_of(const Root &root)
{
	/* "#1 SMP PREEMPT Tue ..." or PREEMPT_DYNAMIC, PREEMPT_RT */
	utsname names{};
	uname(&names);
	std::string version = names.version;
	if (version.find("PREEMPT_RT") != std::string::npos)
		return "rt";
	if (version.find("PREEMPT_DYNAMIC") != std::string::npos)
		return text_in(root, "/sys/kernel/debug/sched/preempt");
	return version.find("PREEMPT") != std::string::npos ? "full" : "none or voluntary";
}

} // namespace

uint64_t meminfo_kib(const Root &root, const std::string &line)
{
	json value = number_in(root, "/proc/meminfo", line + ":");
	return value.is_null() ? 0 : value.get<uint64_t>();
}

uint64_t min_free_kib(const Root &root)
{
	json value = number_in(root, "/proc/sys/vm/min_free_kbytes");
	return value.is_null() ? 0 : value.get<uint64_t>();
}

json describe_environment(const Root &root, const std::string &driver, const std::string &driver_module,
			  uint64_t idle_available_kib)
{
	utsname names{};
	uname(&names);
	return {
		{"kernel_release", names.release},
		{"ram_kib", number_in(root, "/proc/meminfo", "MemTotal:")},
		{"swap", swap_of(root)},
		{"min_free_kib", number_in(root, "/proc/sys/vm/min_free_kbytes")},
		{"swappiness", number_in(root, "/proc/sys/vm/swappiness")},
		{"thp", chosen_in(root, "/sys/kernel/mm/transparent_hugepage/enabled")},
		{"mglru", text_in(root, "/sys/kernel/mm/lru_gen/enabled")},
		{"preemption", preemption_of(root)},
		{"hz", kernel_hz()},
		/* 0: lockdep looks no more, for it has reported something or the kernel is broken; null: no lockdep */
		{"debug_locks", number_in(root, "/proc/lockdep_stats", " debug_locks:")},
		{"driver", driver},
		{"driver_module", driver_module},
		{"idle_mem_available_kib", idle_available_kib},
	};
}

} // namespace drmsqueeze
