/* SPDX-License-Identifier: MIT */
#include "agent/process.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/root.h"
#include "agent/tasks.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

Result<pid_t> spawn(const char *comm, int oom_score_adj, int death_signal, const std::function<int()> &body)
{
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid < 0)
		return Error{errno, std::string("fork: ") + strerror(errno)};
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, death_signal);
	if (getppid() != parent) /* it died before the line above */
		_exit(1);
	prctl(PR_SET_NAME, comm);
	set_oom_score_adj(oom_score_adj);
	_exit(body());
}

void set_oom_score_adj(int value)
{
	UniqueFd fd(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
	std::string text = std::to_string(value);
	if (fd.valid() && write(fd.get(), text.data(), text.size()) < 0)
		return;
}

bool is_alive(pid_t pid)
{
	auto stat = Root().read("/proc/" + std::to_string(pid) + "/stat");
	if (!stat)
		return stat.error().code != ENOENT && stat.error().code != ESRCH;
	char state = task_state(*stat);
	return state != '?' && state != 'Z';
}

bool kill_and_reap(pid_t pid, int64_t limit_ns)
{
	constexpr int64_t kPoll = 5 * kNsPerMs;
	kill(pid, SIGKILL);
	for (int64_t begin = now_ns();;) {
		if (waitpid(pid, nullptr, WNOHANG) != 0)
			return true;
		if (now_ns() - begin > limit_ns)
			return false;
		sleep_ns(kPoll);
	}
}

} // namespace drmsqueeze
