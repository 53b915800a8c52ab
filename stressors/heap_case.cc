/* SPDX-License-Identifier: MIT */
#include "stressors/heap_case.h"

#include <cstring>
#include <fmt/format.h>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

std::string ms(int64_t begin_ns, int64_t end_ns)
{
	return begin_ns && end_ns ? fmt::format("{}", (end_ns - begin_ns) / kNsPerMs) : "-";
}

std::string errno_name(int error)
{
	const char *name = error ? strerrorname_np(error) : "0";
	return name ? name : fmt::format("{}", error);
}

/** How long each Use took, and its error. */
std::string uses_of(const VictimFate &fate)
{
	std::string text;
	for (const auto &use : fate.uses) {
		text += (text.empty() ? "" : ", ") + ms(use.begin_ns.load(), use.end_ns.load());
		if (int error = use.error.load())
			text += fmt::format(" ({})", errno_name(error));
	}
	return text;
}

} // namespace

nlohmann::json table_of(std::span<const HeapCase> cases, const VictimPlan &plan)
{
	auto rows = nlohmann::json::array();
	for (const HeapCase &one : cases) {
		const VictimFate &fate = one.fate;
		rows.push_back({name_of(one.part), fate.growing_ns.load() ? "yes" : "no",
				fate.taken_ns.load() ? errno_name(fate.taken_error.load()) : "-",
				ms(fate.taking_ns.load(), fate.taken_ns.load()),
				fate.fence_ns.load() ? errno_name(fate.fence_error.load()) : "-",
				ms(fate.taking_ns.load(), fate.fence_ns.load()),
				plan.neighbour ? errno_name(fate.neighbour_error.load()) : "-",
				plan.used ? uses_of(fate) : "-",
				one.gone_ns ? fmt::format("{}", one.gone_ns / kNsPerMs) : "-", one.innocent.jobs.load(),
				fmt::format("{}", one.innocent.longest_ns.load() / kNsPerMs),
				one.innocent.errors.load() ? fmt::format("{} ({})", one.innocent.errors.load(),
									 errno_name(one.innocent.error.load()))
							   : "0",
				errno_name(one.next_error), one.counted});
	}
	return {{"title", "What went away while a heap grew"},
		{"columns",
		 {"gone", "growth seen", "call", "call, ms", "fence", "fence, ms", "neighbour's fence",
		  "heap, bind, submit beside, ms", "process gone, ms", "innocent jobs", "longest, ms", "of them failed",
		  "client behind", "the model counted"}},
		{"rows", rows}};
}

} // namespace drmsqueeze
