/* SPDX-License-Identifier: MIT */
/*
 * stress-ng: a background load of somebody else's making, in a process group of its own. Its stressors ask to be told
 * when it dies (stress_parent_died_alarm()), and it dies with the guardian. Where phases want nothing of it, it is
 * stopped. Told to end, it writes what its stressors did, in operations that only compare with themselves.
 */
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/process.h"
#include "agent/unique_fd.h"
#include "injectors/injector.h"
#include "injectors/stress_ng_options.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kName = "stress-ng";
constexpr const char *kDirectory = "/run/drmsqueeze/stress-ng";
constexpr const char *kPrograms[] = {"/usr/bin/stress-ng", "/bin/stress-ng", "/usr/local/bin/stress-ng"};
constexpr const char *kLog = "/log";

/* Empty where there is none. */
std::string find_program(const Root &root)
{
	for (const char *program : kPrograms)
		if (root.exists(program))
			return program;
	return "";
}

/** In the child that becomes it. */
int become(const std::vector<std::string> &command, bool stopped)
{
	setpgid(0, 0);
	if (stopped)
		raise(SIGSTOP);
	UniqueFd log(open((std::string(kDirectory) + kLog).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
	dup2(log.get(), STDOUT_FILENO);
	dup2(log.get(), STDERR_FILENO);
	std::vector<char *> words;
	words.reserve(command.size() + 1);
	for (const std::string &word : command)
		words.push_back(const_cast<char *>(word.c_str()));
	words.push_back(nullptr);
	execv(words[0], words.data());
	return errno;
}

class StressNg : public Injector
{
public:
	explicit StressNg(StressNgOptions options) : options_(std::move(options)) {}

	Status check(const InjectorSeat &seat) const override
	{
		std::string reason = unsupported(seat.root);
		return reason.empty() ? Status() : Status(Error{ENOTSUP, reason});
	}

	Status arm(const InjectorSeat &seat) override
	{
		std::error_code ignored;
		std::filesystem::remove_all(kDirectory, ignored);
		std::filesystem::create_directories(kDirectory, ignored);
		if (!options_.job_file.empty())
			std::ofstream(std::string(kDirectory) + std::string(kStressNgJobs))
				<< options_.job_file << '\n';
		command_ = stress_ng_command(find_program(seat.root), options_, seat.request.seed, kDirectory);
		time_scale_ = std::max(1.0, seat.request.time_scale);
		running_ = seat.intensity > 0;
		auto pid = spawn("drmsq-stress", 0, [&] { return become(command_, !running_); });
		if (!pid)
			return pid.error();
		pid_ = *pid;
		setpgid(pid_, pid_); /* whoever of the two comes first */
		mlockall(MCL_CURRENT | MCL_FUTURE);
		if (running_)
			return wait_until_it_works();
		/* A SIGCONT that came before its SIGSTOP would be lost. */
		return waitpid(pid_, nullptr, WUNTRACED) == pid_ ? Status() : Status(Error{errno, "stress-ng: lost"});
	}

	/* Stopping needs no memory and waits for nobody. */
	Status adjust(const InjectorSeat &seat) override
	{
		bool wanted = seat.intensity > 0;
		if (pid_ && wanted != running_)
			kill(-pid_, wanted ? SIGCONT : SIGSTOP);
		running_ = wanted;
		return {};
	}

	void read_counters() override {}

	bool release() override;

	bool lost_process(pid_t pid) override
	{
		if (pid != pid_)
			return false;
		kill(-std::exchange(pid_, 0), SIGKILL);
		lost_ = true;
		return true;
	}

	nlohmann::json report() const override
	{
		nlohmann::json counts = nlohmann::json::object();
		uint64_t all = 0;
		for (const auto &[stressor, ops] : ops_) {
			counts["bogo_ops_" + stressor] = ops;
			all += ops;
		}
		return {{"injector", kName},
			{"settings", {{"command", fmt::format("{}", fmt::join(command_, " "))}}},
			{"fired", yaml_.empty() ? nlohmann::json() : nlohmann::json(all)},
			{"killed", lost_},
			{"counts", counts},
			{"charged_to", "/"}};
	}

	std::vector<RunFile> files() const override { return {{"stress-ng.yaml", yaml_}, {"stress-ng.log", log_}}; }

	static std::string unsupported(const Root &root)
	{
		return find_program(root).empty() ? "stress-ng is not installed" : "";
	}

private:
	static std::string text_of(std::string_view file)
	{
		auto text = Root().read(std::string(kDirectory) + std::string(file));
		return text ? *text : "";
	}

	/* It says so once its stressors are forked; before that it may still refuse its options. */
	Status wait_until_it_works()
	{
		constexpr int64_t kPoll = 20 * kNsPerMs;
		auto limit = static_cast<int64_t>(30.0 * kNsPerS * time_scale_);
		for (int64_t begin = now_ns();; sleep_ns(kPoll)) {
			std::string log = text_of(kLog);
			if (log.find("dispatching hogs") != std::string::npos)
				return {};
			int status = 0;
			if (waitpid(pid_, &status, WNOHANG) == pid_) {
				pid_ = 0;
				return Error{EINVAL, fmt::format("stress-ng ended with status {}: {}",
								 WEXITSTATUS(status), trimmed(log))};
			}
			if (now_ns() - begin > limit)
				return Error{ETIMEDOUT, "stress-ng: not under way in time"};
		}
	}

	StressNgOptions options_;
	std::vector<std::string> command_;
	pid_t pid_ = 0; /* of the process group too */
	double time_scale_ = 1;
	bool running_ = false;
	bool lost_ = false;
	std::string yaml_;
	std::string log_;
	std::vector<std::pair<std::string, uint64_t>> ops_;
};

/* In order first, for its metrics; then by force. True when nothing of its group is left. */
bool StressNg::release()
{
	const auto orderly = static_cast<int64_t>(4.0 * kNsPerS * time_scale_);
	constexpr int64_t kLimit = 2 * kNsPerS;
	constexpr int64_t kPoll = 10 * kNsPerMs;
	pid_t pid = std::exchange(pid_, 0);
	if (pid == 0)
		return true;
	kill(pid,
	     SIGINT); /* to it alone, for it tells its stressors: then SIGCONT, and it is the first thing they see */
	kill(-pid, SIGCONT);
	bool gone = false;
	for (int64_t begin = now_ns(); !gone && now_ns() - begin < orderly; sleep_ns(kPoll))
		gone = waitpid(pid, nullptr, WNOHANG) == pid;
	kill(-pid, SIGKILL);
	if (!gone)
		gone = kill_and_reap(pid, kLimit);
	for (int64_t begin = now_ns(); kill(-pid, 0) == 0; sleep_ns(kPoll))
		if (now_ns() - begin > kLimit)
			return false;
	yaml_ = text_of(kStressNgYaml);
	log_ = text_of(kLog);
	ops_ = bogo_ops(yaml_);
	std::error_code ignored;
	std::filesystem::remove_all(kDirectory, ignored);
	return gone;
}

std::unique_ptr<Injector> create(JsonReader options, const Request & /*request*/)
{
	return std::make_unique<StressNg>(parse_stress_ng_options(std::move(options)));
}

} // namespace

extern const InjectorDescriptor kStressNg;
const InjectorDescriptor kStressNg = {
	.kind = kName,
	.create = create,
	.unsupported = StressNg::unsupported,
};

} // namespace drmsqueeze
