/* SPDX-License-Identifier: MIT */
/* One submitting thread of tiler-heap or heap-churn: submits, waits, judges, records. Apart so that the bench can time
 * it alone. */
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "agent/clock.h"
#include "stressors/heap_growths.h"
#include "stressors/heap_pattern.h"
#include "stressors/job_judge.h"
#include "stressors/on_refusal.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

enum class HeapKind { fresh, persistent, shared };

struct TilerHeapOptions {
	HeapPattern pattern{};
	uint64_t jobs = 0;  /* per thread */
	double rate_hz = 0; /* per thread; 0 = back to back */
	uint32_t in_flight = 1;
	uint32_t contexts = 1;
	uint32_t threads = 1;
	HeapKind heap = HeapKind::fresh;
	HeapShape shape{}; /* its bytes are the pattern's where jobs tile */
	bool fresh_groups = false;
	bool render = false; /* what the GPU tiled goes through its fragment queue behind */
	bool tiling = true;  /* else jobs leave their heap alone and write to a buffer, as any GPU can */
	const char *stressor = "tiler-heap";
	std::optional<Taken> leave = {}; /* HeapLeaver: what each job loses while it runs, */
	int64_t leave_ns = 0;            /* so long after its submit, before time_scale */
	RefusalOptions refusal{};
};

/** What the submitters of all clients share, in shared memory, and those of one. nullptr where it is not wanted. */
struct HeapShares {
	HeapGrowths *growths = nullptr; /* is told of what jobs have touched */
	RefusalShared *refusals = nullptr;
	IdleCache *cache = nullptr;
};

/** Its flights are a queue: the oldest is always waited for first. */
class HeapSubmitter
{
public:
	/** @heap is what all jobs write to; nullptr for heaps of their own. Borrows everything. */
	HeapSubmitter(const TilerHeapOptions &options, const ClientSeat &seat, Context &context, Memory *heap,
		      uint32_t thread, const HeapShares &shares = {});

	Status set_up();

	/** One for each thread of a client, set up. What they borrow outlives them. */
	static Result<std::vector<HeapSubmitter>> create_all(const TilerHeapOptions &options, const ClientSeat &seat,
							     Context &context, Memory *heap,
							     const HeapShares &shares = {});

	/** All jobs, or those until the run's phase changes; returns with none in flight. */
	void run();

private:
	/** One job in flight. */
	struct Flight {
		std::unique_ptr<JobSlot> slot;
		std::unique_ptr<Memory> fresh;
		std::unique_ptr<Memory> buffer;
		Memory *written = nullptr; /* the heap, or the buffer */
		uint64_t job = 0;
		uint32_t table_slot = 0;
		unsigned lane = 0;
		std::vector<HeapPart> parts; /* yet to be done; the last of them is what is in flight */
		RefusalPolicy::OfJob refusal;
	};

	Flight &flight(uint64_t number) { return flights_[number % options_.in_flight]; }
	HeapPattern pattern(const Flight &flight) const;
	void pace(Pace &pace);
	bool launch(Flight &flight);
	bool submit(Flight &flight);
	Status attempt(Flight &flight);
	Status describe(Flight &flight);
	void give_back(Flight &flight);
	void finish_oldest();
	Verdict look_at(Flight &flight);
	bool goes_on(Flight &flight, const Verdict &verdict);
	void count_growths(const Flight &flight);

	const TilerHeapOptions &options_;
	const ClientSeat &seat_;
	Context &context_;
	Memory *heap_;
	uint32_t thread_;
	HeapGrowths *growths_;
	JobJudge judge_;
	RefusalPolicy refusals_;
	std::vector<Flight> flights_;
	std::vector<GpuWrite> writes_;
	uint64_t oldest_ = 0;
	uint64_t next_ = 0;
};

} // namespace drmsqueeze
