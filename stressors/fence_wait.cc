/* SPDX-License-Identifier: MIT */
/*
 * fence-wait: many waiters on few fences, by every interface that user space has. A job is one wait. A waiter that does
 * not wake although its fence has signalled is late, and then hung; one that wakes too early is corrupted.
 */
#include <algorithm>
#include <fmt/format.h>
#include <sys/mman.h>

#include "agent/clock.h"
#include "stressors/fence_rounds.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

namespace
{

constexpr size_t kMaxKinds = 16;
constexpr const char *kSignalling[] = {"normal", "at-release", "never", "close", "unannounced"};

struct Options : FenceWaitOptions {
	bool kinds_named = false; /* and not: those that the machine can do */
	uint64_t timeout_ms = 0;
	uint64_t max_delay_ms = 0;
};

Options parse_options(JsonReader reader)
{
	Options options;
	for (const std::string &name : reader.strings("by")) {
		auto kinds = all_wait_kinds();
		auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const WaitKind &k) { return name == k.name; });
		if (kind == kinds.end())
			reader.fail("by", "names of ways to wait");
		options.kinds.push_back(&*kind);
		options.kinds_named = true;
	}
	options.jobs = reader.integer("jobs", 1, 100 * 1000 * 1000);
	options.waiters = static_cast<uint32_t>(reader.integer_or("waiters", 1, 256, 9));
	options.fences = static_cast<uint32_t>(reader.integer_or("fences", 1, 64, 2));
	options.contexts = static_cast<uint32_t>(reader.integer_or("contexts", 1, 64, 1));
	options.rate_hz = reader.number_or("rate_hz", 0, 1e6, 0);
	options.interrupt_hz = reader.number_or("interrupt_hz", 0, 1e5, 0);
	options.timeout_ms = reader.integer_or("timeout_ms", 0, 3600 * 1000, 0);
	options.max_delay_ms = reader.integer_or("max_delay_ms", 0, 3600 * 1000, 2);
	std::string signalling =
		reader.one_of_or("signal", {"normal", "at-release", "never", "close", "unannounced"}, "normal");
	options.signalling = static_cast<Signalling>(
		std::find(std::begin(kSignalling), std::end(kSignalling), signalling) - std::begin(kSignalling));
	reader.finish();
	return options;
}

/** The ways to wait that this machine has; ENODEV when one that was asked for is not there. */
Result<std::vector<const WaitKind *>> possible_kinds(const Options &options, const SyncDevices &devices)
{
	std::vector<const WaitKind *> kinds;
	for (const WaitKind &kind : all_wait_kinds()) {
		bool wanted = std::find(options.kinds.begin(), options.kinds.end(), &kind) != options.kinds.end();
		if (options.kinds_named && !wanted)
			continue;
		auto waiter = kind.create(devices);
		if (waiter)
			kinds.push_back(&kind);
		else if (wanted || waiter.error().code != ENODEV)
			return Error{waiter.error().code, fmt::format("{}: {}", kind.name, waiter.error().reason)};
	}
	return kinds;
}

class FenceWait : public Stressor
{
public:
	explicit FenceWait(Options options) : options_(std::move(options))
	{
		if (void *shared = shared_memory(kMaxKinds * sizeof(WaitCounts)))
			counts_ = new (shared) WaitCounts[kMaxKinds]();
	}

	uint32_t clients() const override { return options_.contexts; }
	uint32_t slots_per_client() const override { return options_.waiters; }

	Status prepare(const Driver &driver) override
	{
		if (!counts_ || all_wait_kinds().size() > kMaxKinds)
			return Error{ENOMEM, "fence-wait: no shared memory"};
		auto timeline = SwSyncTimeline::open();
		if (!timeline)
			return Error{ENODEV, timeline.error().reason};
		auto devices = SyncDevices::open({driver.name});
		if (!devices)
			return devices.error();
		auto kinds = possible_kinds(options_, *devices);
		return kinds ? Status() : Status(kinds.error());
	}

	Status run_client(const ClientSeat &seat) override
	{
		auto devices = SyncDevices::open({seat.driver.name});
		if (!devices)
			return devices.error();
		auto kinds = possible_kinds(options_, *devices);
		if (!kinds)
			return kinds.error();
		FenceWaitOptions options = options_;
		options.kinds = std::move(*kinds);
		auto scaled = [&](uint64_t ms) {
			return static_cast<int64_t>(static_cast<double>(ms) * seat.request.time_scale) * kNsPerMs;
		};
		options.timeout_ns = scaled(options_.timeout_ms);
		options.max_delay_ns = scaled(options_.max_delay_ms);
		FenceRounds rounds(options, seat, *devices, counts_);
		if (Status status = rounds.set_up(); !status)
			return status;
		mlockall(MCL_CURRENT);
		run_in_threads(seat, rounds.threads(), [&](uint32_t thread) { rounds.run_thread(thread); });
		return {};
	}

	nlohmann::json report() const override
	{
		if (!counts_)
			return nullptr;
		auto us = [](int64_t ns) { return static_cast<double>(ns) / static_cast<double>(kNsPerUs); };
		auto rows = nlohmann::json::array();
		for (const WaitKind &kind : all_wait_kinds()) {
			const WaitCounts &counts = counts_[&kind - all_wait_kinds().data()];
			if (counts.waits.load() == 0)
				continue;
			rows.push_back({kind.name, counts.waits.load(), counts.woken.load(), counts.interrupted.load(),
					counts.timed_out.load(), us(counts.wake.quantile(0.5)),
					us(counts.wake.quantile(0.99)), us(counts.wake.max())});
		}
		return {{"tables",
			 {{{"title", "Waits for fences; times from signal to wake-up"},
			   {"columns",
			    {"by", "waits", "woken without error", "EINTR", "timed out", "p50, at most µs",
			     "p99, at most µs", "max µs"}},
			   {"rows", rows}}}}};
	}

private:
	Options options_;
	WaitCounts *counts_ = nullptr;
};

std::unique_ptr<Stressor> create(JsonReader options)
{
	return std::make_unique<FenceWait>(parse_options(std::move(options)));
}

} // namespace

extern const StressorDescriptor kFenceWait;
const StressorDescriptor kFenceWait = {
	.kind = FenceRounds::kStressor,
	.create = create,
	.unsupported = sync_devices_unsupported,
};

} // namespace drmsqueeze
