/* SPDX-License-Identifier: MIT */
#pragma once

#include <csignal>
#include <functional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "agent/result.h"

namespace drmsqueeze
{

inline constexpr int kNeverOomKilled = -1000;
inline constexpr int kFirstOomKilled = 1000;

/* How our processes are named: what they do to the machine must spare them, except clients. */
inline constexpr std::string_view kOurComms = "drmsq";
inline constexpr const char *kClientComm = "drmsq-client";

/**
 * Runs @body in a child that gets @death_signal when its parent dies (PR_SET_PDEATHSIG: the parent's thread that forked
 * it), under the name @comm and the given oom_score_adj. The child leaves by _exit with what @body returns.
 */
Result<pid_t> spawn(const char *comm, int oom_score_adj, int death_signal, const std::function<int()> &body);

/** The same for a child that dies with its parent. */
inline Result<pid_t> spawn(const char *comm, int oom_score_adj, const std::function<int()> &body)
{
	return spawn(comm, oom_score_adj, SIGKILL, body);
}

/** Best effort: lowering it needs CAP_SYS_RESOURCE. */
void set_oom_score_adj(int value);

/**
 * Whether @pid is there and is no zombie: another process's child may never be reaped. One that cannot be looked at,
 * for there is no memory, is taken to be there.
 */
bool is_alive(pid_t pid);

/** Kills @pid and reaps it; false when it was not gone after @limit_ns (a task that sleeps in the kernel). */
bool kill_and_reap(pid_t pid, int64_t limit_ns);

} // namespace drmsqueeze
