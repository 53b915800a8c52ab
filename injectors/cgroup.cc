/* SPDX-License-Identifier: MIT */
#include "injectors/cgroup.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "agent/clock.h"
#include "agent/root.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

namespace
{

/* A task that was killed leaves its cgroup when it exits; one that sleeps in the kernel may never do so. */
constexpr int64_t kExitLimit = 5 * kNsPerS;

Error error_at(const std::string &file)
{
	return {errno, file + ": " + strerror(errno)};
}

Status write_to(const std::string &file, std::string_view text)
{
	UniqueFd fd(open(file.c_str(), O_WRONLY | O_CLOEXEC));
	if (!fd.valid() || write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
		return error_at(file);
	return {};
}

} // namespace

bool has_word(std::string_view text, std::string_view word)
{
	std::istringstream words{std::string(text)};
	for (std::string one; words >> one;)
		if (one == word)
			return true;
	return false;
}

std::string controllers_to_drop(std::string_view now, std::string_view saved)
{
	std::string dropped;
	std::istringstream words{std::string(now)};
	for (std::string one; words >> one;)
		if (!has_word(saved, one))
			dropped += (dropped.empty() ? "-" : " -") + one;
	return dropped;
}

Result<MadeCgroup> MadeCgroup::describe(const std::string &path)
{
	MadeCgroup made{path, path.substr(0, path.rfind('/')) + "/cgroup.subtree_control", ""};
	if (Root().exists(path))
		return Error{EEXIST, path + ": somebody else's, or of a run that was not put back"};
	auto now = Root().read(made.control);
	if (!now)
		return now.error();
	made.saved = trimmed(*now);
	return made;
}

Status MadeCgroup::make(std::string_view controller) const
{
	if (!controller.empty() && !has_word(saved, controller))
		if (Status status = write_to(control, "+" + std::string(controller)); !status)
			return status;
	return mkdir(path.c_str(), 0755) == 0 ? Status() : Status(error_at(path));
}

Status MadeCgroup::remove() const
{
	constexpr int64_t kPoll = 10 * kNsPerMs;
	int64_t begin = now_ns();
	bool told = false;
	while (rmdir(path.c_str()) != 0 && errno != ENOENT) {
		Error error = error_at(path);
		if (error.code != EBUSY || now_ns() - begin > kExitLimit)
			return error;
		if (!std::exchange(told, true))
			static_cast<void>(write_to(path + "/cgroup.kill", "1")); /* since 5.14 */
		sleep_ns(kPoll);
	}
	auto now = Root().read(control);
	if (!now)
		return now.error();
	std::string dropped = controllers_to_drop(*now, saved);
	return dropped.empty() ? Status() : write_to(control, dropped);
}

} // namespace drmsqueeze
