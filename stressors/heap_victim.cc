/* SPDX-License-Identifier: MIT */
#include "stressors/heap_victim.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <thread>
#include <unistd.h>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kTraps = "/sys/kernel/debug/drmsqueeze/traps/";
constexpr int64_t kLook = kNsPerMs;

[[noreturn]] void give_up(VictimFate &fate, const Error &error)
{
	fate.failure[error.reason.copy(fate.failure, sizeof(fate.failure) - 1)] = '\0';
	_exit(1);
}

/** One heap of the victim, and the job that makes it grow, in a group of its own. */
struct Grower {
	std::unique_ptr<Memory> heap;
	std::unique_ptr<JobSlot> slot;

	static Result<Grower> create(Context &context, const VictimPlan &plan, uint32_t group)
	{
		HeapShape shape{.bytes = plan.heap_bytes, .chunk_bytes = plan.chunk_bytes, .initial_chunks = 1};
		auto heap = context.create_heap(shape);
		if (!heap)
			return heap.error();
		auto slot = context.create_slot(1, group);
		if (!slot)
			return slot.error();
		const GpuWrite first{(*heap)->address(), 1};
		if (Status status = (*slot)->describe_heap(**heap, {&first, 1}, plan.heap_bytes); !status)
			return status.error();
		return Grower{std::move(*heap), std::move(*slot)};
	}

	int run(int64_t until_ns) const
	{
		if (int error = slot->submit(*heap))
			return error;
		return end(until_ns);
	}

	int end(int64_t until_ns) const
	{
		if (int error = slot->wait(until_ns))
			return error;
		auto error = slot->fence_error();
		return error ? *error : error.error().code;
	}
};

/** Sleeps until a growth is held up; false where none is. */
bool wait_for_growth(const Root &root, uint64_t before, int64_t until_ns)
{
	while (now_ns() < until_ns) {
		auto held = growths_held(root);
		if (held && *held > before)
			return true;
		sleep_ns(kLook);
	}
	return false;
}

int take(const Root &root, const Driver &driver, Gone part, std::unique_ptr<Context> &context, Grower &grower)
{
	static const std::map<Gone, Taken> parts = {
		{Gone::heap, Taken::heap}, {Gone::group, Taken::group}, {Gone::vm, Taken::vm}};
	switch (part) {
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
		return unbind_device(root, driver);
	default:
		Status status = context->take_away(parts.at(part), 0, grower.heap.get());
		return status ? 0 : status.error().code;
	}
}

std::string driver_directory(const Root &root, const Driver &driver)
{
	return root.path(std::string("/sys/bus/platform/drivers/") + driver.module + "/");
}

/** Found while it is bound, for all who are forked later. */
const std::string &device_name(const Root &root, const Driver &driver)
{
	static std::string name;
	std::error_code none;
	if (name.empty())
		for (const auto &entry : std::filesystem::directory_iterator(driver_directory(root, driver), none))
			if (entry.is_symlink() && entry.path().filename() != "module")
				name = entry.path().filename();
	return name;
}

int tell_driver(const Root &root, const Driver &driver, const char *file)
{
	const std::string &name = device_name(root, driver);
	UniqueFd fd(open((driver_directory(root, driver) + file).c_str(), O_WRONLY | O_CLOEXEC));
	return write(fd.get(), name.data(), name.size()) < 0 ? errno : 0;
}

} // namespace

const char *name_of(Gone part)
{
	static constexpr const char *kNames[] = {"nothing", "heap", "group", "vm", "file", "process", "device"};
	return kNames[static_cast<size_t>(part)];
}

std::map<std::string, uint64_t> chunk_counters(const Root &root)
{
	const std::string directory = "/sys/kernel/debug/drmsqueeze/mali-csf/counters";
	std::map<std::string, uint64_t> counters;
	std::error_code none;
	for (const auto &entry : std::filesystem::directory_iterator(root.path(directory), none)) {
		std::string name = entry.path().filename();
		auto text = root.read(std::string(directory).append("/").append(name));
		if (!text || !(name.starts_with("chunks_") || name == "oom_raised" || name == "oom_reraised"))
			continue;
		std::from_chars(text->data(), text->data() + text->size(), counters[name]);
	}
	return counters;
}

Result<uint64_t> growths_held(const Root &root)
{
	uint64_t sum = 0;
	bool any = false;
	for (const char *trap : {"slow-growth", "stuck-growth"}) {
		auto text = root.read(fmt::format("{}{}/fired", kTraps, trap));
		uint64_t value = 0;
		if (!text)
			continue;
		std::from_chars(text->data(), text->data() + text->size(), value);
		any = true;
		sum += value;
	}
	if (!any)
		return Error{ENOENT, "no trap holds growths up: slow-growth or stuck-growth"};
	return sum;
}

int unbind_device(const Root &root, const Driver &driver)
{
	return tell_driver(root, driver, "unbind");
}

int bind_device(const Root &root, const Driver &driver)
{
	return tell_driver(root, driver, "bind");
}

void run_victim(const Root &root, const Driver &driver, const VictimPlan &plan, VictimFate &fate)
{
	auto opened = driver.open();
	if (!opened)
		give_up(fate, opened.error());
	std::unique_ptr<Context> context = std::move(*opened);
	auto grower = Grower::create(*context, plan, 0);
	if (!grower)
		give_up(fate, grower.error());
	auto neighbour = plan.neighbour ? Grower::create(*context, plan, 1) : Result<Grower>(Grower{});
	if (!neighbour)
		give_up(fate, neighbour.error());
	auto before = growths_held(root);
	if (!before)
		give_up(fate, before.error());

	if (int error = grower->slot->submit(*grower->heap))
		give_up(fate, {error, std::string("submit: ") + strerror(error)});
	if (!wait_for_growth(root, *before, now_ns() + plan.patience_ns)) {
		fate.no_growth = true;
		_exit(1);
	}
	fate.growing_ns = now_ns();

	/* Once the part is on its way, for as long as its end takes. */
	constexpr int64_t kHeadStart = 300 * kNsPerMs;
	std::thread second;
	if (plan.neighbour)
		second = std::thread([&] {
			sleep_ns(kHeadStart);
			fate.neighbour_error = neighbour->run(now_ns() + plan.patience_ns);
		});

	fate.taking_ns = now_ns();
	fate.taken_error = take(root, driver, plan.part, context, *grower);
	fate.taken_ns = now_ns();
	if (grower->slot) {
		fate.fence_error = grower->end(now_ns() + plan.patience_ns);
		fate.fence_ns = now_ns();
	}
	if (second.joinable())
		second.join();
	_exit(0); /* the kernel is to clean up, as after a program that just ends */
}

} // namespace drmsqueeze
