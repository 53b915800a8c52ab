/* SPDX-License-Identifier: MIT */
/*
 * shrinker-scan: runs shrinkers from any number of threads, with no lack of memory, by the methods of
 * shrink_methods.cc. The threads live in one process that dies with the guardian; nothing that it writes needs to be
 * put back. With `sweep_threads` the number of threads changes in turns, and a table tells what that does to a scan's
 * time.
 */
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

#include "agent/clock.h"
#include "agent/control.h"
#include "agent/gem_formats.h"
#include "agent/process.h"
#include "injectors/debugfs_reader.h"
#include "injectors/injector.h"
#include "injectors/scan_process.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kName = "shrinker-scan";
constexpr uint64_t kMaxThreads = 64;

std::span<const NamedBit> bits_of(std::string_view method)
{
	if (method == "i915-drop-caches")
		return kI915DropBits;
	if (method == "drop-caches")
		return kDropCachesBits;
	return {};
}

/* By default what never waits for the GPU: see kI915DropBits. */
std::vector<std::string> default_bits(std::string_view method)
{
	if (method == "i915-drop-caches")
		return {"unbound", "bound", "retire", "freed", "shrink_all"};
	if (method == "drop-caches")
		return {"page_cache", "slab"};
	return {};
}

void parse_bits(ScanOptions &options, JsonReader &reader)
{
	auto known = bits_of(options.method->name);
	options.bits = reader.has("bits") ? reader.strings("bits") : default_bits(options.method->name);
	for (const std::string &name : options.bits) {
		auto bit = std::find_if(known.begin(), known.end(), [&](const NamedBit &b) { return b.name == name; });
		if (bit == known.end()) {
			std::string names;
			for (const NamedBit &one : known)
				names += (names.empty() ? "" : ", ") + std::string(one.name);
			reader.fail("bits", names.empty() ? fmt::format("none: {} has no bits", options.method->name)
							  : "names of " + names);
		}
		options.settings.bits |= bit->mask;
	}
	if (!known.empty() && options.bits.empty())
		reader.fail("bits", "at least one");
}

ScanOptions parse_options(JsonReader reader)
{
	ScanOptions options;
	auto method = reader.one_of_or("method",
				       {"generic", "ttm-page-pool", "ttm-tt", "msm-shrink", "i915-drop-caches",
					"drop-caches", "inside-reclaim", "vmap-purge"},
				       "generic");
	options.method = find_shrink_method(method);
	options.settings.shrinker = reader.has("shrinker") ? reader.string("shrinker") : "drm-*";
	if (options.settings.shrinker.find('/') != std::string::npos)
		reader.fail("shrinker", "a name or a pattern, no path");
	options.settings.nr_to_scan = reader.integer_or("nr_to_scan", 1, INT32_MAX, 128);
	parse_bits(options, reader);
	options.every_ms = reader.number_or("every_ms", 0, 3600e3, 0);
	options.spell_ms = reader.number_or("spell_ms", 1, 3600e3, 500);
	options.read_debugfs = reader.boolean_or("read_debugfs", false);
	uint64_t threads = reader.integer_or("threads", 1, kMaxThreads, 1);
	options.threads = reader.integers("sweep_threads", 1, kMaxThreads);
	if (options.threads.size() > ScanTally::kMaxSteps)
		reader.fail("sweep_threads", fmt::format("at most {} steps", ScanTally::kMaxSteps));
	if (options.threads.empty())
		options.threads = {threads};
	reader.finish();
	return options;
}

class ShrinkerScan : public Injector
{
public:
	explicit ShrinkerScan(ScanOptions options) : options_(std::move(options)) {}

	Status check(const InjectorSeat &seat) const override
	{
		auto targets = options_.method->open(seat.root, options_.settings);
		if (!targets)
			return Error{ENOTSUP, std::string(kName) + ": " + targets.error().reason};
		if (targets->size() > ScanTally::kMaxTargets)
			return Error{E2BIG,
				     fmt::format("{}: {} shrinkers match '{}', at most {} are scanned", kName,
						 targets->size(), options_.settings.shrinker, ScanTally::kMaxTargets)};
		return {};
	}

	Status arm(const InjectorSeat &seat) override
	{
		auto targets = options_.method->open(seat.root, options_.settings);
		if (!targets)
			return targets.error();
		for (const auto &target : *targets)
			names_.push_back(target->name());
		void *memory = shared_memory(sizeof(ScanTally));
		if (!memory)
			return Error{ENOMEM, std::string(kName) + ": no shared memory"};
		tally_ = new (memory) ScanTally();
		if (Status status = adjust(seat); !status)
			return status;
		auto pid = spawn("drmsq-scan", kNeverOomKilled,
				 [&] { return run_scans(options_, seat.root, seat.request.time_scale, *tally_); });
		if (!pid)
			return pid.error();
		pid_ = *pid;
		constexpr double kReadLimit = 1.0 * kNsPerS;
		if (options_.read_debugfs)
			return reader_.start(seat.root, static_cast<int64_t>(kReadLimit * seat.request.time_scale));
		return {};
	}

	Status adjust(const InjectorSeat &seat) override
	{
		if (tally_)
			tally_->intensity_percent.store(static_cast<uint32_t>(std::ceil(seat.intensity * 100)));
		return {};
	}

	void read_counters() override {}

	bool release() override
	{
		constexpr int64_t kLimit = 5 * kNsPerS;
		pid_t pid = std::exchange(pid_, 0);
		bool gone = pid == 0 || kill_and_reap(pid, kLimit);
		return reader_.stop() && gone;
	}

	bool lost_process(pid_t pid) override
	{
		if (pid == 0 || pid != pid_)
			return false;
		pid_ = 0;
		lost_ = true;
		return true;
	}

	nlohmann::json report() const override
	{
		nlohmann::json all = {{"injector", kName},
				      {"settings",
				       {{"method", options_.method->name},
					{"shrinkers", names_},
					{"threads", options_.threads},
					{"every_ms", options_.every_ms},
					{"nr_to_scan", options_.settings.nr_to_scan},
					{"bits", options_.bits},
					{"read_debugfs", options_.read_debugfs}}},
				      {"fired", fired()},
				      {"killed", lost_},
				      {"charged_to", nullptr}};
		if (!tally_)
			return all;
		all["counts"] = {{"scans", fired()}, {"freed_pages", freed()}, {"errors", errors()}};
		if (int error = tally_->first_error.load())
			all["settings"]["first_error"] = strerror(error);
		all["tables"] = {targets_table()};
		if (options_.threads.size() > 1)
			all["tables"].push_back(sweep_table());
		if (options_.read_debugfs) {
			all["counts"]["debugfs_reads"] = reader_.reads();
			all["counts"]["debugfs_reads_blocked"] = reader_.blocked();
			all["tables"].push_back(reader_.table());
		}
		return all;
	}

	bool never_fired() const override { return tally_ && fired() == 0; }

private:
	template <typename Member>
	uint64_t sum(Member member) const
	{
		uint64_t all = 0;
		for (size_t i = 0; tally_ && i < names_.size(); i++)
			all += (tally_->targets[i].*member).load();
		return all;
	}
	uint64_t fired() const { return sum(&ScanRow::scans); }
	uint64_t freed() const { return sum(&ScanRow::freed); }
	uint64_t errors() const { return sum(&ScanRow::errors); }

	static double us(uint64_t ns) { return static_cast<double>(ns) / kNsPerUs; }

	nlohmann::json targets_table() const
	{
		auto rows = nlohmann::json::array();
		for (size_t i = 0; i < names_.size(); i++) {
			const ScanRow &row = tally_->targets[i];
			rows.push_back({names_[i], row.scans.load(), row.errors.load(), row.most_counted.load(),
					row.freed.load(), us(row.ns.percentile(0.5)), us(row.ns.max())});
		}
		return {{"title", "Scans of each shrinker"},
			{"columns",
			 {"shrinker", "scans", "errors", "most counted before, pages", "freed, pages", "p50, us",
			  "max, us"}},
			{"rows", rows}};
	}

	nlohmann::json sweep_table() const
	{
		auto rows = nlohmann::json::array();
		for (size_t i = 0; i < options_.threads.size(); i++) {
			const ScanRow &row = tally_->steps[i];
			double seconds = static_cast<double>(row.spell_ns.load()) / kNsPerS;
			double rate = seconds > 0 ? static_cast<double>(row.scans.load()) / seconds : 0;
			rows.push_back({options_.threads[i], seconds, row.scans.load(), std::round(rate),
					us(row.ns.percentile(0.5)), us(row.ns.max()), row.freed.load()});
		}
		return {{"title", "Time of a scan against the number of threads that scan"},
			{"columns", {"threads", "seconds", "scans", "scans/s", "p50, us", "max, us", "freed, pages"}},
			{"rows", rows}};
	}

	ScanOptions options_;
	std::vector<std::string> names_;
	ScanTally *tally_ = nullptr;
	DebugfsReader reader_;
	pid_t pid_ = 0;
	bool lost_ = false;
};

std::unique_ptr<Injector> create(JsonReader options, const Request & /*request*/)
{
	return std::make_unique<ShrinkerScan>(parse_options(std::move(options)));
}

/* Any method will do; which one a scenario takes is checked when it runs. */
std::string unsupported(const Root &root)
{
	std::string reasons;
	for (const ShrinkMethod &method : all_shrink_methods()) {
		auto targets = method.open(root, {.shrinker = "drm-*"});
		if (targets)
			return {};
		reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", method.name, targets.error().reason);
	}
	return reasons;
}

} // namespace

extern const InjectorDescriptor kShrinkerScan;
const InjectorDescriptor kShrinkerScan = {
	.kind = kName,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
