/* SPDX-License-Identifier: MIT */
#include "stressors/heap_victim.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <thread>
#include <unistd.h>
#include <vector>

#include "agent/clock.h"
#include "stressors/drivers/lima_list.h"
#include "stressors/drivers/panthor_stream.h"
#include "stressors/grower.h"
#include "stressors/short_jobs.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kTraps = "/sys/kernel/debug/drmsqueeze/traps/";
constexpr int64_t kLook = kNsPerMs;
/* Of what goes, before others in its process come: it is on its way, for as long as its end takes. */
constexpr int64_t kHeadStart = 300 * kNsPerMs;

/* Counters of the GPU models whose heaps grow by the kernel's doing. */
constexpr struct {
	const char *model;
	const char *asked;                    /* for memory */
	std::array<std::string_view, 3> told; /* how the names of those begin that a report is to have */
} kModels[] = {
	{kCsfModel, "oom_raised", {"chunks_", "oom_raised", "oom_reraised"}},
	{kUtgardModel, "out_of_memory", {"out_of_memory", "growths", "faults_raised"}},
};

[[noreturn]] void give_up(VictimFate &fate, const Error &error)
{
	fate.fail(error);
	_exit(1);
}

Result<Grower> create_grower(Context &context, const VictimPlan &plan, uint32_t group)
{
	auto grower = Grower::create(context, {.bytes = plan.heap_bytes, .chunk_bytes = plan.chunk_bytes}, group);
	if (grower)
		if (Status status = grower->describe(); !status)
			return status.error();
	return grower;
}

/** Sleeps until a growth is held up; false where none is. */
bool wait_for_growth(const Root &root, uint64_t before, int64_t until_ns)
{
	while (now_ns() < until_ns) {
		auto held = growths_begun(root);
		if (held && *held > before)
			return true;
		sleep_ns(kLook);
	}
	return false;
}

/* What an open file can lose without being closed. */
const std::map<Gone, Taken> kTaken = {{Gone::heap, Taken::heap}, {Gone::group, Taken::group}, {Gone::vm, Taken::vm}};

int take(const VictimPlan &plan, std::unique_ptr<Context> &context, Grower &grower)
{
	switch (plan.part) {
	case Gone::nothing:
		return 0;
	case Gone::file:
		if (Status status = context->take_away(Taken::file, 0, nullptr); !status)
			return status.error().code;
		grower = {};
		context.reset();
		return 0;
	case Gone::process:
		return kill(getpid(), SIGKILL) == 0 ? 0 : errno;
	case Gone::device:
		return plan.device->unbind();
	default:
		Status status = context->take_away(kTaken.at(plan.part), 0, grower.heap.get());
		return status ? 0 : status.error().code;
	}
}

/** The other threads of a process whose heap grows. */
class Users
{
public:
	/** What they need beforehand. */
	static Result<Users> create(Context &context)
	{
		auto job = ShortJob::create(context, 0);
		if (!job)
			return job.error();
		job->describe();
		return Users(context, std::move(*job));
	}

	std::thread start(Use use, const VictimPlan &plan, VictimFate &fate)
	{
		return std::thread([this, use, &plan, &one = fate.uses[static_cast<size_t>(use)]] {
			sleep_ns(kHeadStart);
			one.begin_ns = now_ns();
			one.error = run(use, plan);
			one.end_ns = now_ns();
		});
	}

private:
	Users(Context &context, ShortJob job) : context_(&context), job_(std::move(job)) {}

	int run(Use use, const VictimPlan &plan)
	{
		auto code = [](const auto &result) { return result ? 0 : result.error().code; };
		switch (use) {
		case Use::heap:
			return code(context_->create_heap({.bytes = plan.heap_bytes, .chunk_bytes = plan.chunk_bytes}));
		case Use::bind:
			return code(context_->create_buffer(64 << 10));
		case Use::submit:
			return job_.slot->submit(*job_.buffer);
		}
		return EINVAL;
	}

	Context *context_;
	ShortJob job_;
};

} // namespace

void VictimFate::fail(const Error &error)
{
	failure[error.reason.copy(failure, sizeof(failure) - 1)] = '\0';
}

const char *name_of(Gone part)
{
	static constexpr const char *kNames[] = {"nothing", "heap", "group", "vm", "file", "process", "device"};
	return kNames[static_cast<size_t>(part)];
}

Status try_taking(const Driver &driver, Gone part)
{
	auto taken = kTaken.find(part);
	if (taken == kTaken.end())
		return {};
	constexpr uint64_t kTrial = 2UL << 20;
	auto context = driver.open();
	if (!context)
		return context.error();
	auto grower = Grower::create(**context, {.bytes = kTrial});
	if (!grower)
		return grower.error();
	return (*context)->take_away(taken->second, 0, grower->heap.get());
}

std::map<std::string, uint64_t> growth_counters(const Root &root)
{
	std::map<std::string, uint64_t> counters;
	std::error_code none;
	for (const auto &model : kModels) {
		const std::string directory = fmt::format("{}/counters/", model.model);
		for (const auto &entry : std::filesystem::directory_iterator(root.path(directory), none)) {
			std::string name = entry.path().filename();
			if (std::none_of(model.told.begin(), model.told.end(),
					 [&](std::string_view begin) { return name.starts_with(begin); }))
				continue;
			if (auto count = root.number(directory + name))
				counters[name] = *count;
		}
	}
	return counters;
}

Result<uint64_t> growths_begun(const Root &root)
{
	uint64_t sum = 0;
	bool any = false;
	for (const char *trap :
	     {"slow-growth", "stuck-growth", "slow-growth-pages", "slow-growth-answer", "slow-doubling"}) {
		auto armed = root.number(fmt::format("{}{}/armed", kTraps, trap));
		auto fired = root.number(fmt::format("{}{}/fired", kTraps, trap));
		if (!armed || !fired || *armed == 0)
			continue;
		any = true;
		sum += *fired;
	}
	if (any)
		return sum;
	for (const auto &model : kModels)
		if (auto asked = root.number(fmt::format("{}/counters/{}", model.model, model.asked)))
			return asked;
	return Error{ENOENT, "no trap holds growths up, and no GPU model counts them"};
}

void run_victim(const Root &root, const Driver &driver, const VictimPlan &plan, VictimFate &fate)
{
	auto opened = driver.open();
	if (!opened)
		give_up(fate, opened.error());
	std::unique_ptr<Context> context = std::move(*opened);
	auto grower = create_grower(*context, plan, 0);
	if (!grower)
		give_up(fate, grower.error());
	auto neighbour = plan.neighbour ? create_grower(*context, plan, 1) : Result<Grower>(Grower{});
	if (!neighbour)
		give_up(fate, neighbour.error());
	auto users = plan.used ? std::optional(Users::create(*context)) : std::nullopt;
	if (users && !*users)
		give_up(fate, users->error());
	auto before = growths_begun(root);
	if (!before)
		give_up(fate, before.error());

	if (int error = grower->slot->submit(*grower->heap))
		give_up(fate, {error, std::string("submit: ") + strerror(error)});
	if (!wait_for_growth(root, *before, now_ns() + plan.patience_ns)) {
		fate.no_growth = true;
		_exit(1);
	}
	fate.growing_ns = now_ns();

	std::vector<std::thread> others;
	if (plan.neighbour)
		others.emplace_back([&] {
			sleep_ns(kHeadStart);
			fate.neighbour_error = neighbour->run(now_ns() + plan.patience_ns);
		});
	for (size_t use = 0; users && use < kUses; use++)
		others.push_back((*users)->start(static_cast<Use>(use), plan, fate));

	fate.taking_ns = now_ns();
	fate.taken_error = take(plan, context, *grower);
	fate.taken_ns = now_ns();
	if (grower->slot) {
		fate.fence_error = grower->slot->end(now_ns() + plan.patience_ns);
		fate.fence_ns = now_ns();
	}
	for (std::thread &other : others)
		other.join();
	_exit(0); /* the kernel is to clean up, as after a program that just ends */
}

} // namespace drmsqueeze
