/* SPDX-License-Identifier: MIT */
/*
 * sync-file: rules of dma-bufs, sync files and syncobjs, tried out one after the other on buffers of several exporters
 * while memory is short. A job is one case: completed when the kernel kept the rule, corrupted when it broke it, failed
 * when it gave an error on the way; then the reservation must be as it was, or the job is corrupted as well.
 */
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <fmt/format.h>

#include "agent/clock.h"
#include "stressors/stressor.h"
#include "stressors/sync_cases.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kStressor = "sync-file";
constexpr int kMaxErrno = 134; /* EHWPOISON of include/uapi/asm-generic/errno.h, and one */
constexpr size_t kMaxCases = 32;

struct CaseCounts {
	std::atomic<uint64_t> executed;
	std::atomic<uint64_t> violated;
	std::atomic<uint64_t> failed;
	std::atomic<uint64_t> unverified;
	std::atomic<uint64_t> hidden_errors;
	std::array<std::atomic<uint64_t>, kMaxErrno> errors;
};

using Counts = std::array<CaseCounts, kMaxCases>; /* by place in all_sync_cases() */

struct Options {
	std::vector<std::string> exporters; /* none: the target's driver */
	std::vector<const SyncCase *> cases;
	bool cases_named = false; /* and not: those that can be done */
	bool mutated = false;
	uint64_t jobs = 0;
	double rate_hz = 0;
	uint32_t contexts = 1;
	uint32_t threads = 1;
};

/** One case on buffers of one exporter. */
struct Turn {
	const SyncCase *sync_case;
	const Exporter *exporter;
};

Options parse_options(JsonReader reader)
{
	Options options;
	options.exporters = reader.strings("exporters");
	for (const std::string &name : reader.strings("cases")) {
		options.cases.push_back(find_sync_case(name));
		options.cases_named = true;
		if (!options.cases.back())
			reader.fail("cases", "names of cases");
	}
	for (const SyncCase &sync_case : all_sync_cases())
		if (!options.cases_named)
			options.cases.push_back(&sync_case);
	options.mutated = reader.boolean_or("mutated", false);
	options.jobs = reader.integer("jobs", 1, 100 * 1000 * 1000);
	options.rate_hz = reader.number_or("rate_hz", 0, 1e6, 0);
	options.contexts = static_cast<uint32_t>(reader.integer_or("contexts", 1, 64, 1));
	options.threads = static_cast<uint32_t>(reader.integer_or("threads", 1, 64, 1));
	reader.finish();
	return options;
}

/** Every case with every exporter that can do it; ENODEV names what a case that was asked for lacks. */
Result<std::vector<Turn>> plan(const Options &options, const SyncDevices &devices, size_t exporters)
{
	std::vector<Turn> turns;
	for (const SyncCase *sync_case : options.cases) {
		const char *missing = "";
		bool found = false;
		for (size_t i = 0; i < exporters; i++) {
			const Exporter &exporter = devices.exporters[i];
			const char *lacks = missing_for(*sync_case, devices, exporter);
			missing = *lacks ? lacks : missing;
			if (!*lacks)
				turns.push_back({sync_case, &exporter});
			found |= !*lacks;
		}
		if (!found && options.cases_named)
			return Error{ENODEV, fmt::format("sync-file: case {} needs {}", sync_case->name, missing)};
	}
	return turns;
}

class SyncFileStressor : public Stressor
{
public:
	explicit SyncFileStressor(Options options) : options_(std::move(options))
	{
		if (void *shared = shared_memory(sizeof(Counts)))
			counts_ = new (shared) Counts();
	}

	uint32_t clients() const override { return options_.contexts; }
	uint32_t slots_per_client() const override { return options_.threads; }

	Status prepare(const Driver &driver) override
	{
		if (!counts_)
			return Error{ENOMEM, "sync-file: no shared memory"};
		if (options_.exporters.empty())
			options_.exporters.emplace_back(driver.name);
		auto devices = SyncDevices::open(options_.exporters);
		if (!devices)
			return devices.error();
		auto turns = plan(options_, *devices, options_.exporters.size());
		return turns ? Status() : Status(turns.error());
	}

	Status run_client(const ClientSeat &seat) override
	{
		auto devices = SyncDevices::open(options_.exporters);
		if (!devices)
			return devices.error();
		auto turns = plan(options_, *devices, options_.exporters.size());
		if (!turns)
			return turns.error();
		run_in_threads(seat, options_.threads,
			       [&](uint32_t thread) { run_thread(seat, thread, *devices, *turns); });
		return {};
	}

	nlohmann::json report() const override
	{
		if (!counts_)
			return nullptr;
		auto rows = nlohmann::json::array();
		uint64_t unverified = 0;
		uint64_t hidden_errors = 0;
		for (const SyncCase *sync_case : options_.cases) {
			const CaseCounts &counts = counts_of(*sync_case);
			unverified += counts.unverified.load();
			hidden_errors += counts.hidden_errors.load();
			rows.push_back({sync_case->name, counts.executed.load(), counts.violated.load(),
					counts.failed.load(), errors_in_words(counts)});
		}
		return {{"counts",
			 {{"errors_after_which_the_reservation_could_not_be_read", unverified},
			  {"merged_files_whose_status_hides_an_error", hidden_errors}}},
			{"tables",
			 {{{"title", "Rules of dma-bufs and sync files"},
			   {"columns", {"case", "executed", "violated", "failed", "errors"}},
			   {"rows", rows}}}}};
	}

private:
	CaseCounts &counts_of(const SyncCase &sync_case) const
	{
		return (*counts_)[static_cast<size_t>(&sync_case - all_sync_cases().data())];
	}

	static std::string errors_in_words(const CaseCounts &counts)
	{
		std::string words;
		for (int code = 0; code < kMaxErrno; code++)
			if (uint64_t count = counts.errors[static_cast<size_t>(code)].load()) {
				const char *name = strerrorname_np(code);
				words += fmt::format("{}{} {}", words.empty() ? "" : ", ", count, name ? name : "?");
			}
		return words;
	}

	void run_thread(const ClientSeat &seat, uint32_t thread, const SyncDevices &devices,
			const std::vector<Turn> &turns) const
	{
		Pace pace(options_.rate_hz);
		for (uint64_t number = 0; number < options_.jobs; number++) {
			pace.wait();
			if (!may_go_on(seat))
				return;
			const Turn &turn = turns[(number + thread) % turns.size()];
			run_job(seat, thread, devices, turn);
		}
	}

	void run_job(const ClientSeat &seat, uint32_t thread, const SyncDevices &devices, const Turn &turn) const
	{
		uint32_t slot = seat.first_slot + thread;
		seat.table.begin(slot, {.client = seat.client,
					.context = seat.context,
					.thread = thread,
					.bytes = 0,
					.stressor = kStressor,
					.deadline_ns = seat.request.deadline_ns});
		SyncBench bench(devices, *turn.exporter, options_.mutated,
				[&seat] { return seat.control.phase.load() != Phase::over; });
		if (!bench.stopped())
			turn.sync_case->run(bench);
		SyncBench::Verdict verdict = bench.finish();
		CaseCounts &counts = counts_of(*turn.sync_case);
		counts.executed++;
		counts.hidden_errors += bench.hidden_error();
		auto reason = fmt::format("{}: {}", turn.sync_case->name, verdict.reason);
		switch (verdict.what) {
		case SyncBench::Verdict::kept:
			seat.table.end(slot, {.fate = Fate::completed});
			break;
		case SyncBench::Verdict::violated:
			counts.violated++;
			seat.table.end(slot, {.fate = Fate::corrupted, .reason = reason});
			break;
		case SyncBench::Verdict::failed:
			counts.failed++;
			counts.unverified += verdict.unverified;
			counts.errors[static_cast<size_t>(std::clamp(verdict.error, 0, kMaxErrno - 1))]++;
			seat.table.end(slot, {.fate = Fate::failed, .error = verdict.error, .reason = reason});
			break;
		}
	}

	Options options_;
	Counts *counts_ = nullptr;
};

std::unique_ptr<Stressor> create(JsonReader options)
{
	return std::make_unique<SyncFileStressor>(parse_options(std::move(options)));
}

} // namespace

extern const StressorDescriptor kSyncFile;
const StressorDescriptor kSyncFile = {
	.kind = kStressor,
	.create = create,
	.unsupported = sync_devices_unsupported,
};

} // namespace drmsqueeze
