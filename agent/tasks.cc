/* SPDX-License-Identifier: MIT */
#include "agent/tasks.h"

#include <filesystem>
#include <fmt/format.h>
#include <system_error>

namespace drmsqueeze
{

std::vector<std::string> numbers_in(const std::string &directory)
{
	std::vector<std::string> names;
	std::error_code error;
	/* No range-for: its increment throws where the directory cannot be read on. */
	for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
	     entry.increment(error)) {
		std::string name = entry->path().filename().string();
		if (name.find_first_not_of("0123456789") == std::string::npos)
			names.push_back(std::move(name));
	}
	return names;
}

void for_each_task(const std::string &proc, const std::function<void(const Task &)> &visit)
{
	for (const std::string &pid : numbers_in(proc))
		for (std::string &tid : numbers_in(fmt::format("{}/{}/task", proc, pid)))
			visit({pid, std::move(tid)});
}

char task_state(std::string_view stat)
{
	size_t end = stat.rfind(')');
	return end == std::string_view::npos || end + 2 >= stat.size() ? '?' : stat[end + 2];
}

} // namespace drmsqueeze
