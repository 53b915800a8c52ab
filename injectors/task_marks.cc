/* SPDX-License-Identifier: MIT */
#include "injectors/task_marks.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <unistd.h>

#include "agent/process.h"
#include "agent/tasks.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kMark = "/make-it-fail";

bool is_marked(const std::string &proc, const std::string &task)
{
	auto mark = Root().read(proc + "/" + task + kMark);
	return mark && trimmed(*mark) == "1";
}

/** 0, or an errno: ENOENT or ESRCH when the task is gone. */
int write_mark(const std::string &proc, const std::string &task, bool mark)
{
	UniqueFd fd(open((proc + "/" + task + kMark).c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
	if (!fd.valid() || write(fd.get(), mark ? "1" : "0", 1) != 1)
		return errno;
	return 0;
}

bool is_gone(int error)
{
	return error == ENOENT || error == ESRCH;
}

} // namespace

Result<std::vector<std::string>> matching_tasks(const Root &root, const std::string &glob)
{
	auto is_named_so = [&](const std::string &directory) {
		auto comm = root.read("/proc/" + directory + "/comm");
		if (!comm || (comm->starts_with(kOurComms) && trimmed(*comm) != kClientComm))
			return false;
		return fnmatch(glob.c_str(), trimmed(*comm).c_str(), 0) == 0;
	};
	std::vector<std::string> tasks;
	for_each_task(root.path("/proc"), [&](const Task &task) {
		if (is_named_so(task.directory()) || is_named_so(task.pid))
			tasks.push_back(task.directory());
	});
	if (tasks.empty())
		return Error{ENOENT, "no thread is named like '" + glob + "'"};
	std::string mark = "/proc/" + tasks.front() + kMark;
	if (!root.exists(mark))
		return Error{ENOTSUP, mark + " is missing: kernel without CONFIG_FAULT_INJECTION"};
	return tasks;
}

TaskMarks TaskMarks::look(std::string proc)
{
	std::vector<std::string> before;
	for_each_task(proc, [&](const Task &task) {
		if (is_marked(proc, task.directory()))
			before.push_back(task.directory());
	});
	return TaskMarks(std::move(proc), std::move(before));
}

Status TaskMarks::mark(const std::vector<std::string> &tasks) const
{
	for (const std::string &task : tasks)
		if (int error = write_mark(proc_, task, true); error && !is_gone(error))
			return Error{error, proc_ + "/" + task + kMark + ": " + strerror(error)};
	return {};
}

bool TaskMarks::restore() const
{
	/* More than once: a marked task may have cloned another behind our back. */
	constexpr int kPasses = 5;
	for (int i = 0; i < kPasses; i++) {
		bool clean = true;
		for_each_task(proc_, [&](const Task &visited) {
			std::string task = visited.directory();
			if (!is_marked(proc_, task) || std::find(before_.begin(), before_.end(), task) != before_.end())
				return;
			clean = false;
			static_cast<void>(write_mark(proc_, task, false)); /* the next pass sees whether it helped */
		});
		if (clean)
			return true;
	}
	return false;
}

} // namespace drmsqueeze
