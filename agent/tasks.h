/* SPDX-License-Identifier: MIT */
/* The tasks of /proc. Any of them may end while it is looked at, which is no error: it is left out. */
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace drmsqueeze
{

/** The entries of @directory whose names are numbers; none when it is not there. */
std::vector<std::string> numbers_in(const std::string &directory);

/** A thread, of user space or of the kernel. */
struct Task {
	std::string pid; /* its process */
	std::string tid;

	/** Where it stands below /proc. */
	std::string directory() const { return pid + "/task/" + tid; }
};

/** Every thread of every process below @proc, which is the path of /proc. */
void for_each_task(const std::string &proc, const std::function<void(const Task &)> &visit);

/** State of a task by the text of /proc/PID/stat: "PID (COMM) STATE ..."; COMM may hold anything but NUL. '?': none. */
char task_state(std::string_view stat);

} // namespace drmsqueeze
