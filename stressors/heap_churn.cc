/* SPDX-License-Identifier: MIT */
/*
 * heap-churn: tiler heaps, and scheduling groups where the driver has them, that are created, looked on by a short job
 * that writes to a buffer, and destroyed. No job touches its heap, so this needs no shader and runs on every GPU.
 */
#include "stressors/grower.h"
#include "stressors/heap_submitter.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kKind = "heap-churn";
/* Of a job: enough for a value that is wrong to show, and no load. */
constexpr HeapPattern kWritten = {.bytes = 64 << 10, .step = 16 << 10};

TilerHeapOptions parse_options(JsonReader reader)
{
	TilerHeapOptions options;
	options.pattern = kWritten;
	options.jobs = reader.integer_or("jobs", 1, 1000 * 1000, 40);
	options.rate_hz = reader.number_or("rate_hz", 0, 1e5, 0);
	options.contexts = static_cast<uint32_t>(reader.integer_or("contexts", 1, 16, 1));
	options.threads = static_cast<uint32_t>(reader.integer_or("threads", 1, 16, 1));
	options.shape.chunk_bytes = reader.integer_or("chunk_kib", 128, 8192, 2048) << 10;
	options.shape.initial_chunks = static_cast<uint32_t>(reader.integer_or("initial_chunks", 1, 1024, 5));
	options.shape.max_chunks = options.shape.initial_chunks;
	options.shape.bytes = options.shape.chunk_bytes * options.shape.initial_chunks;
	options.tiling = false;
	options.stressor = kKind;
	reader.finish();
	return options;
}

class HeapChurn : public Stressor
{
public:
	explicit HeapChurn(const TilerHeapOptions &options) : options_(options) {}

	uint32_t clients() const override { return options_.contexts; }
	uint32_t slots_per_client() const override { return options_.threads; }

	Status prepare(const Driver &driver) override
	{
		options_.fresh_groups = driver.own_groups;
		return {};
	}

	Status run_client(const ClientSeat &seat) override
	{
		auto context = seat.driver.open();
		if (!context)
			return context.error();
		auto submitters = HeapSubmitter::create_all(options_, seat, **context, nullptr);
		if (!submitters)
			return submitters.error();
		run_in_threads(seat, options_.threads, [&submitters](uint32_t i) { (*submitters)[i].run(); });
		return {};
	}

private:
	TilerHeapOptions options_;
};

std::unique_ptr<Stressor> create(JsonReader options)
{
	return std::make_unique<HeapChurn>(parse_options(std::move(options)));
}

std::string unsupported(const Driver &driver)
{
	auto context = driver.open();
	if (!context)
		return context.error().reason;
	auto grower = Grower::create(**context, {.bytes = 2UL << 20}, 0, kWritten.count());
	return grower ? "" : grower.error().reason;
}

} // namespace

extern const StressorDescriptor kHeapChurn;
const StressorDescriptor kHeapChurn = {
	.kind = kKind,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
