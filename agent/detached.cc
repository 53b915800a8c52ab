/* SPDX-License-Identifier: MIT */
#include "agent/detached.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/console_teller.h"
#include "agent/hardware_watchdog.h"
#include "agent/process.h"
#include "agent/ring_host.h"
#include "agent/root.h"

namespace drmsqueeze
{

namespace
{

constexpr int kExitError = 3;
constexpr uint64_t kRingBytes = 16 << 20;
constexpr const char *kWatchdog = "/dev/watchdog";

std::string read_standard_input()
{
	std::string text;
	char piece[4096];
	ssize_t got = 0;
	while ((got = read(STDIN_FILENO, piece, sizeof(piece))) > 0)
		text.append(piece, static_cast<size_t>(got));
	return text;
}

/** The standard streams of a process that must not keep an ssh connection open. */
Status redirect(const std::string &log)
{
	UniqueFd nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
	UniqueFd file(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	if (!nothing.valid() || !file.valid() || dup2(nothing.get(), STDIN_FILENO) < 0 ||
	    dup2(file.get(), STDOUT_FILENO) < 0 || dup2(file.get(), STDERR_FILENO) < 0)
		return Error{errno, log + ": " + strerror(errno)};
	return {};
}

/** A child that outlives us; its oom_score_adj is that of the agent. */
void beside(const char *comm, const std::function<int()> &body)
{
	static_cast<void>(spawn(comm, kNeverOomKilled, 0, body)); /* without it a run is as good, only less watched */
}

int carry_out(const DetachedOptions &options, std::optional<HardwareWatchdog> &watchdog)
{
	pid_t agent = getpid();
	const std::string &ring = options.agent.ring;
	if (watchdog)
		beside("drmsq-watchdog", [&] { return watchdog->feed(ring, agent); });
	if (!options.console.empty())
		beside("drmsq-teller", [&] {
			auto patience = static_cast<int64_t>(options.console_after_s * static_cast<double>(kNsPerS));
			return tell_records(ring, options.console, patience, agent);
		});
	int status = run_agent(options.agent);
	fflush(nullptr);
	return status;
}

} // namespace

int start_detached(const DetachedOptions &options)
{
	auto complain = [](const std::string &reason) {
		fmt::print(stderr, "drmsqueeze-agent: {}\n", reason);
		return kExitError;
	};
	if (Status status = RingHost::lay_out(options.agent.ring, read_standard_input(), kRingBytes); !status)
		return complain(status.error().reason);
	std::optional<HardwareWatchdog> watchdog;
	std::string unarmed = "not asked for";
	if (options.watchdog_s) {
		auto armed = HardwareWatchdog::arm(Root(), kWatchdog, options.watchdog_s);
		if (armed)
			watchdog.emplace(std::move(*armed));
		else
			unarmed = armed.error().reason;
	}
	pid_t child = fork();
	if (child < 0)
		return complain(std::string("fork: ") + strerror(errno));
	if (child == 0) {
		setsid();
		_exit(redirect(options.log) ? carry_out(options, watchdog) : kExitError);
	}
	nlohmann::json said{{"pid", child},
			    {"watchdog", watchdog ? nlohmann::json(watchdog->description()) : nlohmann::json()},
			    {"watchdog_reason", watchdog ? "" : unarmed}};
	fmt::print("{}\n", said.dump());
	fflush(nullptr);
	_exit(0); /* not by destructors: the watchdog is the child's now, and stays armed */
}

} // namespace drmsqueeze
