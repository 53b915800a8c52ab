/* SPDX-License-Identifier: MIT */
/*
 * tiler-heap: jobs that make the GPU grow a heap while they run, as a tiler does with its polygon lists. Every value
 * that a job wrote is read back. The heap is new for each job, kept for all jobs of a context, or one for all contexts.
 * Heaps grow by page faults or, where firmware asks the kernel for chunks, by those: then each thread has a scheduling
 * group of its own.
 */
#include <fmt/format.h>
#include <new>
#include <optional>
#include <sys/mman.h>

#include "agent/clock.h"
#include "stressors/grower.h"
#include "stressors/heap_leaver.h"
#include "stressors/heap_submitter.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kMaxHeapMib = 2048; /* contexts of panfrost have 4 GiB of addresses */

constexpr uint64_t kMaxMs = 3600 * 1000;

constexpr struct {
	const char *name;
	Taken taken;
} kTaken[] = {{"heap", Taken::heap},
	      {"group", Taken::group},
	      {"vm", Taken::vm},
	      {"file", Taken::file},
	      {"process", Taken::process}};

TilerHeapOptions parse_options(JsonReader reader)
{
	TilerHeapOptions options;
	options.pattern.bytes = reader.integer("heap_mib", 1, kMaxHeapMib) << 20;
	options.pattern.step = reader.integer_or("step_kib", 4, kMaxHeapMib << 10, 2048) << 10;
	options.jobs = reader.integer("jobs", 1, 100 * 1000 * 1000);
	options.rate_hz = reader.number_or("rate_hz", 0, 1e6, 0);
	options.in_flight = static_cast<uint32_t>(reader.integer_or("in_flight", 1, 64, 1));
	options.contexts = static_cast<uint32_t>(reader.integer_or("contexts", 1, 64, 1));
	options.threads = static_cast<uint32_t>(reader.integer_or("threads", 1, 64, 1));
	std::string heap = reader.one_of_or("heap", {"fresh", "persistent", "shared"}, "fresh");
	options.heap = heap == "fresh"        ? HeapKind::fresh
		       : heap == "persistent" ? HeapKind::persistent
					      : HeapKind::shared;
	options.shape.bytes = options.pattern.bytes;
	options.shape.chunk_bytes = reader.integer_or("chunk_kib", 128, 8192, 2048) << 10;
	options.shape.initial_chunks = static_cast<uint32_t>(reader.integer_or("initial_chunks", 1, 65536, 1));
	options.shape.max_chunks = static_cast<uint32_t>(reader.integer_or("max_chunks", 0, 65536, 0));
	options.shape.incremental = reader.boolean_or("incremental", true);
	/* A heap that is kept serves all that a context has in flight. */
	if (!options.shape.max_chunks && options.heap != HeapKind::fresh) {
		uint64_t each = options.shape.bytes / options.shape.chunk_bytes + 2;
		options.shape.max_chunks = static_cast<uint32_t>(each * options.threads * options.in_flight) +
					   options.shape.initial_chunks;
	}
	options.render = reader.boolean_or("render", false);
	options.fresh_groups = reader.one_of_or("groups", {"kept", "fresh"}, "kept") == "fresh";
	std::string leave =
		reader.one_of_or("take_away", {"nothing", "heap", "group", "vm", "file", "process"}, "nothing");
	for (const auto &[name, taken] : kTaken)
		if (leave == name)
			options.leave = taken;
	options.leave_ns = static_cast<int64_t>(reader.integer_or("take_away_ms", 0, kMaxMs, 0)) * kNsPerMs;
	options.refusal = RefusalOptions::parse(reader);
	reader.finish();
	if (options.refusal.policy != OnRefusal::fail && (options.leave || options.heap != HeapKind::fresh))
		reader.fail("on_refusal", "fail, but for jobs with a fresh heap that keep what they stand on");
	if (options.leave && (options.in_flight > 1 || options.heap != HeapKind::fresh))
		reader.fail("take_away", "only from jobs with a fresh heap, one in flight");
	if (options.fresh_groups && options.in_flight > 1)
		reader.fail("in_flight", "1 where each job has a group of its own");
	if (options.shape.max_chunks && options.shape.initial_chunks > options.shape.max_chunks)
		reader.fail("initial_chunks", "at most max_chunks");
	if (options.pattern.step > options.pattern.bytes)
		reader.fail("step_kib", "at most the heap");
	uint64_t lanes = uint64_t{options.in_flight} * options.contexts * options.threads;
	if (options.heap != HeapKind::fresh && lanes * sizeof(uint64_t) > options.pattern.step)
		reader.fail("step_kib", fmt::format("room for the {} jobs in flight", lanes));
	return options;
}

/** In memory that all processes of the run share. */
struct Shared {
	HeapGrowths growths;
	RefusalShared refusals;
	const Driver *driver = nullptr;
	HeapEvents before{}; /* the run */
};

/** Groups are made anew for each job, or something is taken away from under it: the driver must have groups. */
Status try_groups(Context &context)
{
	auto slot = context.create_slot(1);
	return slot ? context.take_away(Taken::group, 0, nullptr) : Status(slot.error());
}

class TilerHeap : public Stressor
{
public:
	explicit TilerHeap(const TilerHeapOptions &options) : options_(options)
	{
		if (void *memory = shared_memory(sizeof(Shared)))
			shared_ = new (memory) Shared();
	}

	uint32_t clients() const override { return options_.contexts; }
	uint32_t slots_per_client() const override { return options_.threads * options_.in_flight; }

	Status prepare(const Driver &driver) override
	{
		if (!shared_)
			return Error{ENOMEM, "tiler-heap: no shared memory"};
		shared_->driver = &driver;
		if (auto events = heap_events())
			shared_->before = *events;
		const bool shared = options_.heap == HeapKind::shared;
		const bool groups = options_.fresh_groups || options_.leave;
		if (!shared && !groups)
			return {};
		auto context = driver.open();
		if (!context)
			return context.error();
		if (groups)
			if (Status status = try_groups(**context); !status)
				return status;
		return shared ? share_heap(**context) : Status();
	}

	Status run_client(const ClientSeat &seat) override
	{
		if (options_.leave)
			return run_leavers(seat);
		auto context = seat.driver.open();
		if (!context)
			return context.error();
		std::unique_ptr<Memory> heap;
		if (options_.heap == HeapKind::shared) {
			auto imported = (*context)->import_dmabuf(dmabuf_.get(), options_.pattern.bytes);
			if (!imported)
				return imported.error();
			heap = std::move(*imported);
		} else if (options_.heap == HeapKind::persistent) {
			auto made = (*context)->create_heap(options_.shape);
			if (!made)
				return made.error();
			heap = std::move(*made);
		}
		IdleCache cache(**context, options_.refusal.cache_bytes);
		if (Status status = cache.fill(); !status)
			return status.error();
		auto submitters = HeapSubmitter::create_all(
			options_, seat, **context, heap.get(),
			{.growths = &shared_->growths, .refusals = &shared_->refusals, .cache = &cache});
		if (!submitters)
			return submitters.error();
		/* What is under test is the driver, not how fast our own pages come back from swap. */
		mlockall(MCL_CURRENT);
		run_in_threads(seat, options_.threads, [&submitters](uint32_t i) { (*submitters)[i].run(); });
		return {};
	}

	/* The names are known to results/drmsqueeze_results/exposure.py. */
	nlohmann::json report() const override
	{
		if (!shared_ || !shared_->driver)
			return nullptr;
		nlohmann::json counts = {{"heap growths", shared_->growths.total()}};
		if (auto events = heap_events()) {
			counts["heap growths"] = events->growths - shared_->before.growths;
			counts["chunks not given"] = events->no_chunks - shared_->before.no_chunks;
			counts["chunks given twice"] = events->doubled - shared_->before.doubled;
			counts["incremental passes"] = shared_->growths.passes();
		}
		if (options_.heap == HeapKind::fresh && !options_.leave)
			counts.update(shared_->refusals.counts.report(options_.refusal.policy));
		return {{"counts", counts}};
	}

private:
	/** The dma-buf keeps it alive after the context that made it. */
	Status share_heap(Context &context)
	{
		auto heap = context.create_heap(options_.shape);
		if (!heap)
			return heap.error();
		if (!(*heap)->buffer())
			return Error{EOPNOTSUPP, "tiler-heap: heaps of this driver belong to one address space"};
		auto dmabuf = (*heap)->buffer()->export_dmabuf();
		if (!dmabuf)
			return dmabuf.error();
		dmabuf_ = std::move(*dmabuf);
		return {};
	}

	Status run_leavers(const ClientSeat &seat) const
	{
		std::vector<std::unique_ptr<HeapLeaver>> leavers;
		for (uint32_t i = 0; i < options_.threads; i++)
			leavers.push_back(std::make_unique<HeapLeaver>(options_, seat, i));
		mlockall(MCL_CURRENT);
		run_in_threads(seat, options_.threads, [&leavers](uint32_t i) { leavers[i]->run(); });
		return {};
	}

	/** Nothing where the driver does not tell, or cannot now. */
	std::optional<HeapEvents> heap_events() const
	{
		if (!shared_->driver->heap_events)
			return std::nullopt;
		auto events = shared_->driver->heap_events(Root());
		return events ? std::optional(*events) : std::nullopt;
	}

	TilerHeapOptions options_;
	Shared *shared_ = nullptr;
	UniqueFd dmabuf_;
};

std::unique_ptr<Stressor> create(JsonReader options)
{
	return std::make_unique<TilerHeap>(parse_options(std::move(options)));
}

std::string unsupported(const Driver &driver)
{
	auto context = driver.open();
	if (!context)
		return context.error().reason;
	constexpr uint64_t kTrial = 2UL << 20;
	auto grower = Grower::create(**context, {.bytes = kTrial});
	if (!grower)
		return grower.error().reason;
	Status described = grower->describe();
	return described ? "" : described.error().reason;
}

std::vector<std::string> limits(const Driver &driver)
{
	auto context = driver.open();
	if (!context)
		return {};
	Status status = try_groups(**context);
	return status ? std::vector<std::string>{} : std::vector{"groups, take_away: " + status.error().reason};
}

} // namespace

extern const StressorDescriptor kTilerHeap;
const StressorDescriptor kTilerHeap = {
	.kind = "tiler-heap",
	.create = create,
	.unsupported = unsupported,
	.limits = limits,
};

} // namespace drmsqueeze
