/* SPDX-License-Identifier: MIT */
/* Tasks that fault injection is to hit: /proc/PID/task/TID/make-it-fail, which counts where `task-filter` is Y. */
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/result.h"
#include "agent/root.h"

namespace drmsqueeze
{

/**
 * Tasks as "PID/task/TID", kernel threads and those that serve interrupts among them: every thread whose own name
 * matches @glob, and every thread of a process whose name does; ours only where they are clients. ENOENT when there is
 * none, ENOTSUP when the kernel cannot mark tasks.
 */
Result<std::vector<std::string>> matching_tasks(const Root &root, const std::string &glob);

/**
 * The marks that were made. What a marked task clones is born marked (fs/proc/base.c, kernel/fork.c: the mark is copied
 * with the rest of the task), so to take the marks away all tasks are gone through, and not only those that were
 * marked by us.
 */
class TaskMarks
{
public:
	/** Remembers which tasks below @proc are marked already: these stay so. */
	static TaskMarks look(std::string proc);

	/** What look() remembered, in another process. */
	TaskMarks(std::string proc, std::vector<std::string> before)
		: proc_(std::move(proc)), before_(std::move(before))
	{
	}

	const std::string &path() const { return proc_; }
	const std::vector<std::string> &before() const { return before_; }

	/** Marks @tasks, as matching_tasks() names them; those that have ended meanwhile are left out. */
	Status mark(const std::vector<std::string> &tasks) const;

	/** Takes all marks away that were not there before, and verifies. */
	bool restore() const;

private:
	std::string proc_;
	std::vector<std::string> before_;
};

} // namespace drmsqueeze
