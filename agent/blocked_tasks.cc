/* SPDX-License-Identifier: MIT */
#include "agent/blocked_tasks.h"

#include <cstdlib>

#include "agent/sampler.h"
#include "agent/tasks.h"

namespace drmsqueeze
{

namespace
{

/* What is ours and waits by profession: for its pages, or in place of the supervisor, which then says so itself. */
constexpr std::string_view kOurs[] = {"(drmsqueeze-hog", "(drmsq-evidence)"};

/* Both kinds of switches, as kernel/hung_task.c counts them. */
int64_t switches_of(const std::string &status)
{
	int64_t voluntary = 0;
	int64_t forced = 0;
	find_value(status, "voluntary_ctxt_switches:", "", 1, voluntary);
	find_value(status, "nonvoluntary_ctxt_switches:", "", 1, forced);
	return voluntary + forced;
}

} // namespace

void BlockedTasks::look(int64_t now_ns, const std::function<void(const LongBlocked &)> &report)
{
	for (auto &[tid, seen] : seen_)
		seen.still = false;
	for_each_task(root_.path("/proc"), [&](const Task &task) {
		look_at("/proc/" + task.directory(), std::atoll(task.tid.c_str()), now_ns, report);
	});
	std::erase_if(seen_, [](const auto &entry) { return !entry.second.still; });
}

void BlockedTasks::look_at(const std::string &directory, int64_t tid, int64_t now_ns,
			   const std::function<void(const LongBlocked &)> &report)
{
	auto stat = root_.read(directory + "/stat");
	if (!stat || task_state(*stat) != 'D')
		return;
	for (std::string_view comm : kOurs)
		if (stat->find(comm) != std::string::npos)
			return;
	auto status = root_.read(directory + "/status");
	if (!status)
		return;
	int64_t switches = switches_of(*status);
	auto [at, is_new] = seen_.try_emplace(tid, Seen{now_ns, switches});
	Seen &seen = at->second;
	if (seen.switches != switches)
		seen = {now_ns, switches};
	seen.still = true;
	if (seen.reported || now_ns - seen.since_ns < limit_ns_)
		return;
	seen.reported = true;
	auto comm = root_.read(directory + "/comm");
	auto stack = root_.read(directory + "/stack");
	report({tid, comm ? trimmed(*comm) : "?", seen.since_ns, stack ? *stack : ""});
}

} // namespace drmsqueeze
