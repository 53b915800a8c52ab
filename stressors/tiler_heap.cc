/* SPDX-License-Identifier: MIT */
/*
 * tiler-heap: jobs that make the GPU grow a heap while they run, as a tiler does with its polygon lists. Every value
 * that a job wrote is read back. The heap is new for each job, kept for all jobs of a context, or one for all contexts.
 */
#include <fmt/format.h>
#include <new>
#include <sys/mman.h>

#include "stressors/heap_submitter.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kMaxHeapMib = 2048; /* contexts of panfrost have 4 GiB of addresses */

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
	reader.finish();
	if (options.pattern.step > options.pattern.bytes)
		reader.fail("step_kib", "at most the heap");
	uint64_t lanes = uint64_t{options.in_flight} * options.contexts * options.threads;
	if (options.heap != HeapKind::fresh && lanes * sizeof(uint64_t) > options.pattern.step)
		reader.fail("step_kib", fmt::format("room for the {} jobs in flight", lanes));
	return options;
}

class TilerHeap : public Stressor
{
public:
	explicit TilerHeap(const TilerHeapOptions &options) : options_(options)
	{
		if (void *memory = shared_memory(sizeof(HeapGrowths)))
			growths_ = new (memory) HeapGrowths();
	}

	uint32_t clients() const override { return options_.contexts; }
	uint32_t slots_per_client() const override { return options_.threads * options_.in_flight; }

	/* The dma-buf keeps the shared heap alive after the context that made it. */
	Status prepare(const Driver &driver) override
	{
		if (options_.heap != HeapKind::shared)
			return {};
		auto context = driver.open();
		if (!context)
			return context.error();
		auto heap = (*context)->create_heap(options_.pattern.bytes);
		if (!heap)
			return heap.error();
		auto dmabuf = (*heap)->export_dmabuf();
		if (!dmabuf)
			return dmabuf.error();
		shared_ = std::move(*dmabuf);
		return {};
	}

	Status run_client(const ClientSeat &seat) override
	{
		auto context = seat.driver.open();
		if (!context)
			return context.error();
		std::unique_ptr<Buffer> heap;
		if (options_.heap != HeapKind::fresh) {
			auto made = options_.heap == HeapKind::shared
					    ? (*context)->import_dmabuf(shared_.get(), options_.pattern.bytes)
					    : (*context)->create_heap(options_.pattern.bytes);
			if (!made)
				return made.error();
			heap = std::move(*made);
		}
		std::vector<HeapSubmitter> submitters;
		for (uint32_t i = 0; i < options_.threads; i++) {
			submitters.emplace_back(options_, seat, **context, heap.get(), i, growths_);
			if (Status status = submitters.back().set_up(); !status)
				return status;
		}
		/* What is under test is the driver, not how fast our own pages come back from swap. */
		mlockall(MCL_CURRENT);
		run_in_threads(seat, options_.threads, [&submitters](uint32_t i) { submitters[i].run(); });
		return {};
	}

	/* The name is known to results/drmsqueeze_results/exposure.py. */
	nlohmann::json report() const override
	{
		return growths_ ? nlohmann::json{{"counts", {{"heap growths", growths_->total()}}}} : nlohmann::json();
	}

private:
	TilerHeapOptions options_;
	HeapGrowths *growths_ = nullptr;
	UniqueFd shared_;
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
	auto heap = (*context)->create_heap(kTrial);
	return heap ? "" : heap.error().reason;
}

} // namespace

extern const StressorDescriptor kTilerHeap;
const StressorDescriptor kTilerHeap = {
	.kind = HeapSubmitter::kStressor,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
