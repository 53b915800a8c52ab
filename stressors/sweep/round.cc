/* SPDX-License-Identifier: MIT */
#include "stressors/sweep/round.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

void add_fault(Round &round, const std::string &text)
{
	round.fault += (round.fault.empty() ? "" : "; ") + text;
}

void add_fault(Round &round, const char *what, const Status &status)
{
	round.hung |= status.error().code == kHung;
	add_fault(round, fmt::format("{}: {}", what, status.error().reason));
}

/** The caller, or the thread of the kernel that does the work, or will. */
Result<FailNth> fail_nth_of(const Root &root, const OperationType &type)
{
	if (!type.thread)
		return FailNth::open(root, 0);
	auto threads = processes_named(root, type.thread);
	if (threads.empty())
		return Error{ENOENT, fmt::format("no thread is named like {}", type.thread)};
	return FailNth::open(root, threads);
}

} // namespace

std::string brief_of_warning(std::string_view line)
{
	constexpr size_t kLimit = 120;
	constexpr std::string_view kAt = " at ";
	std::string text(line);
	size_t cpu = text.find(" CPU: ");
	size_t at = text.find(kAt);
	if (cpu != std::string::npos && at != std::string::npos && cpu < at)
		text.erase(cpu + 1, at + kAt.size() - cpu - 1);
	size_t path = text.find(" /");
	size_t file = text.rfind('/', text.find(':', path));
	if (path != std::string::npos && file > path + 1)
		text.erase(path + 1, text.rfind('/', file - 1) - path);
	return text.substr(0, kLimit);
}

Result<Rounds> Rounds::create(Root root, int64_t patience_ns)
{
	auto client = SecondClient::create();
	if (!client)
		return client.error();
	return Rounds(std::move(root), patience_ns, std::move(*client));
}

/* Nothing but the step stands between arming and disarming. */
Status Rounds::armed_act(const OperationType &type, uint32_t n, Operation &operation, Round &round)
{
	auto fail_nth = fail_nth_of(root_, type);
	if (!fail_nth)
		return fail_nth.error();
	sites_.reset();
	if (!fail_nth->arm(n))
		return error_of("fail-nth");
	round.error = operation.act();
	auto left = fail_nth->disarm();
	if (!left)
		return left.error();
	round.left = *left;
	round.fired = n != 0 && *left == 0;
	return {};
}

Round Rounds::run(const OperationType &type, uint32_t n)
{
	Round round;
	auto operation = type.make();
	if (Status status = operation->set_up(); !status) {
		add_fault(round, "set-up", status);
		return round;
	}
	if (Status status = armed_act(type, n, *operation, round); !status) {
		add_fault(round, "arming", status);
		return round;
	}
	if (round.fired)
		round.site = sites_.fired();
	if (round.error && !round.fired)
		add_fault(round, fmt::format("fails with {} though no allocation did", strerrorname_np(round.error)));
	else if (round.error && round.error != type.error)
		add_fault(round, fmt::format("wrong errno {}", strerrorname_np(round.error)));
	bool failed_again = round.error && !retry(*operation, round);
	if (!round.hung)
		touch(type, *operation, failed_again, round);
	if (round.hung)
		static_cast<void>(operation.release()); /* somebody is still in it */
	return round;
}

/* By somebody else, under the watchdog: what the first time has left locked is waited for now. */
bool Rounds::retry(Operation &operation, Round &round)
{
	constexpr const char *kWhen = "the same once more, with no failure";
	constexpr int64_t kLimit = 30 * kNsPerS; /* longer than any step waits by itself */
	auto error = std::make_shared<int>(0);   /* the thread's too, should it come back later */
	Status came_back = thread_->run(
		[&operation, error] {
			*error = operation.act();
			return Status();
		},
		kLimit);
	if (!came_back)
		add_fault(round, kWhen, came_back);
	else if (*error)
		add_fault(round, fmt::format("{}: {}", kWhen, strerrorname_np(*error)));
	return came_back && *error == 0;
}

void Rounds::touch(const OperationType &type, Operation &operation, bool failed_again, Round &round)
{
	const char *when = failed_again  ? "after it failed twice"
			   : round.error ? "after the retry"
			   : round.fired ? "success was reported, but"
					 : "without any failure";
	if (Status status = thread_->run(
		    [&] { return failed_again ? operation.check_after_failure() : operation.check(); }, patience_ns_);
	    !status)
		add_fault(round, when, status);
	if (!type.second_client || round.hung)
		return;
	auto index = std::find_if(all_operations().begin(), all_operations().end(),
				  [&](const OperationType *one) { return one == &type; }) -
		     all_operations().begin();
	UniqueFd shared = operation.share();
	if (Status status = client_->run(static_cast<size_t>(index), shared.get(), patience_ns_); !status)
		add_fault(round, when, status);
}

std::vector<FaultSite> Rounds::sites_of(const OperationType &type)
{
	Round round;
	auto operation = type.make();
	if (!sites_.available() || !operation->set_up() || !armed_act(type, kCountOnly, *operation, round))
		return {};
	return sites_.passed();
}

} // namespace drmsqueeze
