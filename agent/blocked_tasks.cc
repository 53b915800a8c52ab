/* SPDX-License-Identifier: MIT */
#include "agent/blocked_tasks.h"

#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>

#include "agent/sampler.h"

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

char task_state(std::string_view stat)
{
	size_t end = stat.rfind(')');
	return end == std::string_view::npos || end + 2 >= stat.size() ? '?' : stat[end + 2];
}

bool is_task_id(std::string_view name)
{
	return !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
}

void for_each_task(const Root &root, const std::function<void(int64_t tid, const std::string &directory)> &visit)
{
	std::error_code error;
	for (const auto &process : std::filesystem::directory_iterator(root.path("/proc"), error)) {
		std::string pid = process.path().filename().string();
		if (!is_task_id(pid))
			continue;
		std::error_code gone;
		for (const auto &task : std::filesystem::directory_iterator(process.path() / "task", gone)) {
			std::string tid = task.path().filename().string();
			visit(std::atoll(tid.c_str()), fmt::format("/proc/{}/task/{}", pid, tid));
		}
	}
}

void BlockedTasks::look(int64_t now_ns, const std::function<void(const LongBlocked &)> &report)
{
	for (auto &[tid, seen] : seen_)
		seen.still = false;
	for_each_task(root_,
		      [&](int64_t tid, const std::string &directory) { look_at(directory, tid, now_ns, report); });
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
