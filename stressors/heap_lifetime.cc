/* SPDX-License-Identifier: MIT */
/*
 * heap-lifetime: a tiler heap grows, for seconds (a trap sees to that, or pressure), and meanwhile the heap, its group,
 * its VM, its file, its process or the device goes away. Each job is one such case, in a process of its own. Beside it
 * an innocent client, in another process with another file and VM, submits short jobs all the time, and when all is
 * over a new client tries one. A job has completed when the process is gone and the new client's job is right; how long
 * each part of it took is in the table of stressors.json.
 */
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <iterator>
#include <new>
#include <sys/wait.h>
#include <thread>

#include "agent/clock.h"
#include "agent/process.h"
#include "stressors/heap_case.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kStressor = "heap-lifetime";
constexpr uint32_t kMaxCases = 256;
constexpr int64_t kLook = 5 * kNsPerMs;

constexpr std::array kParts = {Gone::nothing, Gone::heap,    Gone::group, Gone::vm,
			       Gone::file,    Gone::process, Gone::device};

struct Options {
	std::vector<Gone> parts;
	uint32_t jobs = 0;
	uint32_t crowd = 0;
	VictimPlan plan;

	bool beside() const { return plan.neighbour || plan.used; }
	bool has(Gone part) const { return std::find(parts.begin(), parts.end(), part) != parts.end(); }
};

struct Shared {
	std::atomic<uint32_t> cases;
	HeapCase table[kMaxCases];
};

Options parse_options(JsonReader reader)
{
	Options options;
	for (const std::string &name : reader.strings("parts")) {
		auto part = std::find_if(kParts.begin(), kParts.end(), [&](Gone one) { return name == name_of(one); });
		if (part == kParts.end())
			reader.fail("parts", "nothing, heap, group, vm, file, process or device");
		options.parts.push_back(*part);
	}
	options.jobs = static_cast<uint32_t>(reader.integer_or("jobs", 1, kMaxCases, 6));
	options.crowd = static_cast<uint32_t>(reader.integer_or("crowd", 1, 64, 1));
	options.plan.chunk_bytes = reader.integer_or("chunk_kib", 32, 8192, 2048) << 10;
	options.plan.heap_bytes = reader.integer_or("heap_kib", 64, 1 << 20, 4096) << 10;
	options.plan.neighbour = reader.boolean_or("neighbour", false);
	options.plan.used = reader.boolean_or("used", false);
	options.plan.patience_ns =
		static_cast<int64_t>(reader.integer_or("patience_ms", 100, 600000, 30000)) * kNsPerMs;
	reader.finish();
	const char *beside = options.plan.neighbour ? "neighbour" : options.plan.used ? "used" : nullptr;
	if (beside && options.has(Gone::file))
		reader.fail(beside, "not where the file goes: it is used by others too");
	if (options.plan.heap_bytes <= options.plan.chunk_bytes)
		reader.fail("heap_kib", "more than a chunk");
	return options;
}

class HeapLifetime : public Stressor
{
public:
	explicit HeapLifetime(Options options) : options_(std::move(options))
	{
		if (void *memory = shared_memory(sizeof(Shared)))
			shared_ = new (memory) Shared();
	}

	uint32_t clients() const override { return 1; }
	uint32_t slots_per_client() const override { return 1; }

	Status prepare(const Driver &driver) override
	{
		if (!shared_)
			return Error{ENOMEM, "heap-lifetime: no shared memory"};
		if (Status status = choose_parts(driver); !status)
			return status;
		if (options_.has(Gone::device)) {
			auto device = PlatformDriver::find(root_, driver.module);
			if (!device)
				return device.error();
			options_.plan.device = std::move(*device);
		}
		auto held = growths_begun(root_);
		return held ? Status() : Status(held.error());
	}

	Status run_client(const ClientSeat &seat) override
	{
		if (!wait_for_run(seat))
			return {};
		for (uint32_t i = 0; i < options_.jobs && may_go_on(seat); i++)
			run_case(seat, shared_->table[i], options_.parts[i % options_.parts.size()]);
		return {};
	}

	nlohmann::json report() const override
	{
		if (!shared_)
			return nullptr;
		return {{"tables", {table_of({shared_->table, shared_->cases.load()}, options_.plan)}}};
	}

private:
	/* Those that are named must be the driver's; else all that are, but for the device, which is everybody's. */
	Status choose_parts(const Driver &driver)
	{
		for (Gone part : options_.parts)
			if (Status status = try_taking(driver, part); !status)
				return status;
		if (options_.parts.empty())
			std::copy_if(
				kParts.begin(), kParts.end() - 1, std::back_inserter(options_.parts), [&](Gone part) {
					return (part != Gone::file || !options_.beside()) && try_taking(driver, part);
				});
		return {};
	}

	void run_case(const ClientSeat &seat, HeapCase &one, Gone part)
	{
		one.part = part;
		shared_->cases.fetch_add(1);
		seat.table.begin(seat.first_slot, {.client = seat.client,
						   .context = seat.context,
						   .thread = 0,
						   .bytes = options_.plan.heap_bytes,
						   .stressor = kStressor,
						   .deadline_ns = seat.request.deadline_ns});
		VictimPlan plan = options_.plan;
		plan.part = part;
		const auto before = growth_counters(root_);
		auto victim = spawn(kClientComm, kFirstOomKilled,
				    [&]() -> int { run_victim(root_, seat.driver, plan, one.fate); });
		if (!victim) {
			one.fate.fail(victim.error());
			return end(seat, one);
		}
		std::atomic<bool> over = false;
		std::vector<std::thread> innocents = start_innocents(seat, one.innocent, over);
		bool gone = wait_for_end(seat, *victim);
		if (gone && one.fate.taking_ns.load())
			one.gone_ns = now_ns() - one.fate.taking_ns.load();
		over = true;
		for (std::thread &thread : innocents)
			thread.join();
		if (!gone)
			return; /* the job stays in flight, and is judged so */
		if (part == Gone::device)
			plan.device->bind();
		one.next_error = try_anew(seat.driver);
		std::string counted;
		for (const auto &[name, value] : growth_counters(root_))
			if (auto old = before.find(name); old != before.end() && value != old->second)
				counted +=
					fmt::format("{}{} {}", counted.empty() ? "" : ", ", name, value - old->second);
		one.counted[counted.copy(one.counted, sizeof(one.counted) - 1)] = '\0';
		end(seat, one);
	}

	/** In a process of their own, the client's: nothing of theirs is the victim's. */
	std::vector<std::thread> start_innocents(const ClientSeat &seat, JobTally &counts,
						 std::atomic<bool> &over) const
	{
		std::vector<std::thread> threads;
		auto client = ShortJobs::create(seat.driver, options_.crowd);
		if (!client) {
			counts.errors++;
			counts.error = client.error().code;
			return threads;
		}
		auto shared = std::make_shared<ShortJobs>(std::move(*client));
		for (uint32_t i = 0; i < options_.crowd; i++)
			threads.emplace_back([this, shared, i, &counts, &over] {
				while (!over.load())
					count(*shared, i, counts);
			});
		return threads;
	}

	void count(ShortJobs &client, uint32_t i, JobTally &counts) const
	{
		int64_t begin = now_ns();
		int error = client.run(i, options_.plan.patience_ns);
		counts.add(error, now_ns() - begin);
		if (error)
			sleep_ns(kLook); /* a device that is gone fails at once, again and again */
	}

	static bool wait_for_end(const ClientSeat &seat, pid_t victim)
	{
		while (seat.control.phase.load() != Phase::over) {
			if (waitpid(victim, nullptr, WNOHANG) != 0)
				return true;
			sleep_ns(kLook);
		}
		return false;
	}

	int try_anew(const Driver &driver) const
	{
		auto client = ShortJobs::create(driver, 1);
		return client ? client->run(0, options_.plan.patience_ns) : client.error().code;
	}

	static void end(const ClientSeat &seat, const HeapCase &one)
	{
		std::string reason;
		int error = 0;
		if (one.fate.failure[0]) {
			reason = one.fate.failure;
			error = EIO;
		} else if (one.fate.no_growth.load()) {
			reason = "no growth was seen";
			error = ENODATA;
		} else if (one.fate.fence_ns.load() && one.fate.fence_error.load() == ETIME) {
			reason = "its fence did not signal";
			error = ETIME;
		} else if (one.next_error) {
			reason = fmt::format("the client behind: {}", strerror(one.next_error));
			error = one.next_error;
		}
		seat.table.end(seat.first_slot,
			       {.fate = error ? Fate::failed : Fate::completed,
				.error = error,
				.reason = reason.empty() ? "" : fmt::format("{}: {}", name_of(one.part), reason)});
	}

	Root root_;
	Options options_;
	Shared *shared_ = nullptr;
};

std::unique_ptr<Stressor> create(JsonReader options)
{
	return std::make_unique<HeapLifetime>(parse_options(std::move(options)));
}

std::string unsupported(const Driver &driver)
{
	return driver.heap_events ? "" : "heaps of this driver do not grow by chunks of the kernel's";
}

std::vector<std::string> limits(const Driver &driver)
{
	std::vector<std::string> found;
	for (Gone part : kParts)
		if (Status status = try_taking(driver, part); !status)
			found.push_back(fmt::format("{}: {}", name_of(part), status.error().reason));
	return found;
}

} // namespace

extern const StressorDescriptor kHeapLifetime;
const StressorDescriptor kHeapLifetime = {
	.kind = kStressor,
	.create = create,
	.unsupported = unsupported,
	.limits = limits,
};

} // namespace drmsqueeze
