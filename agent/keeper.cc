/* SPDX-License-Identifier: MIT */
#include "agent/keeper.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/guardian.h"
#include "agent/process.h"
#include "agent/ring_source.h"
#include "agent/root.h"
#include "injectors/restore_journal.h"

namespace drmsqueeze
{

namespace
{

constexpr int kExitError = 3;

Result<Recorder> open_ring(const std::string &asked)
{
	auto memory = open_ring_memory(asked);
	if (!memory)
		return memory.error();
	return Recorder::attach(memory->base, memory->bytes);
}

/** 0 when all is as it was. */
int restore_from_journal(const std::string &file)
{
	if (!Root().exists(file)) {
		fmt::print("drmsqueeze-agent: {}: nothing to put back\n", file);
		return 0;
	}
	std::vector<std::string> lost;
	auto journal = RestoreJournal::load(file, lost);
	if (!journal) {
		fmt::print(stderr, "drmsqueeze-agent: {}\n", journal.error().reason);
		return kExitError;
	}
	bool restored = journal->restore();
	for (const std::string &path : journal->failed())
		fmt::print(stderr, "drmsqueeze-agent: not restored: {}\n", path);
	for (const std::string &reason : lost)
		fmt::print(stderr, "drmsqueeze-agent: not restored: {}\n", reason);
	if (!restored || !lost.empty())
		return kExitError;
	fmt::print("drmsqueeze-agent: all put back\n");
	return 0;
}

/** Waits for the guardian, and hands it every signal that wants an end; its wait status. */
int wait_and_forward(pid_t guardian, const sigset_t &signals)
{
	for (;;) {
		int status = 0;
		int number = sigwaitinfo(&signals, nullptr);
		if (number > 0 && number != SIGCHLD)
			kill(guardian, SIGTERM);
		if (waitpid(guardian, &status, WNOHANG) == guardian)
			return status;
	}
}

/* Its children died with it (PR_SET_PDEATHSIG), and their memory with them; the knobs are in the journal. */
int stand_in(const Recorder &recorder, Control &control, const std::string &journal, int signal)
{
	control.fail(ECHILD, fmt::format("the guardian was killed by signal {}", signal));
	control.phase.store(Phase::over);
	recorder.put({.kind = Kind::release, .code = kReleaseBegin});
	bool restored = restore_from_journal(journal) == 0;
	recorder.put({.kind = Kind::release, .code = kReleaseDone, .a = restored});
	return kExitError;
}

} // namespace

int run_agent(const AgentOptions &options)
{
	set_oom_score_adj(kNeverOomKilled);
	auto recorder = open_ring(options.ring);
	if (!recorder) {
		fmt::print(stderr, "drmsqueeze-agent: {}\n", recorder.error().reason);
		return kExitError;
	}
	Control *control = make_control();
	if (!control)
		return kExitError;
	recorder->put(
		{.kind = Kind::hello, .a = getpid(), .b = calibrate_ns(), .c = wall_ns(), .text = DRMSQUEEZE_VERSION});

	/* Blocked before the fork: no signal may come between it and sigwaitinfo(). */
	sigset_t signals;
	sigemptyset(&signals);
	for (int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP})
		sigaddset(&signals, number);
	sigset_t before;
	sigprocmask(SIG_BLOCK, &signals, &before);
	/* Ends in order when we are killed, instead of dying with us: SIGTERM is what it is told to end by. */
	auto guardian = spawn("drmsq-guardian", kNeverOomKilled, SIGTERM, [&] {
		int status = guard(options.journal, *recorder, *control, before);
		return status;
	});
	int exit_status = kExitError;
	if (guardian) {
		mlockall(MCL_CURRENT | MCL_FUTURE);
		int status = wait_and_forward(*guardian, signals);
		exit_status = WIFEXITED(status) ? WEXITSTATUS(status)
						: stand_in(*recorder, *control, options.journal, WTERMSIG(status));
	} else {
		control->fail(guardian.error());
	}
	/* The ring holds 72 bytes of the reason; the console has all of it. */
	if (control->failed())
		fmt::print(stderr, "drmsqueeze-agent: {}\n", control->error_reason);
	recorder->put({.kind = Kind::bye, .a = control->error_code.load(), .text = control->error_reason});
	return exit_status;
}

int restore(const AgentOptions &options)
{
	int status = restore_from_journal(options.journal);
	/* In a guest the harness still reads the ring of the run that was killed. */
	if (auto recorder = open_ring(options.ring))
		recorder->put({.kind = Kind::release, .code = kReleaseDone, .a = status == 0});
	return status;
}

} // namespace drmsqueeze
