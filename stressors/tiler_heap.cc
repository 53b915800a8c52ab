/* SPDX-License-Identifier: MIT */
/*
 * tiler-heap: jobs that make the GPU grow a heap while they run, as a tiler does with its polygon lists. Every value
 * that a job wrote is read back. The heap is new for each job, kept for all jobs of a context, or one for all contexts.
 */
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <sys/mman.h>
#include <thread>

#include "agent/clock.h"
#include "agent/kernel_log.h"
#include "stressors/heap_pattern.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kName = "tiler-heap";
constexpr uint64_t kMaxHeapMib = 2048; /* contexts of panfrost have 4 GiB of addresses */

enum class HeapKind { fresh, persistent, shared };

struct Options {
	HeapPattern pattern{};
	uint64_t jobs = 0; /* per thread */
	double rate_hz = 0; /* per thread; 0 = back to back */
	uint32_t in_flight = 1;
	uint32_t contexts = 1;
	uint32_t threads = 1;
	HeapKind heap = HeapKind::fresh;
};

Options parse_options(JsonReader reader)
{
	Options options;
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

/** One job in flight. */
struct Flight {
	std::unique_ptr<JobSlot> slot;
	std::unique_ptr<Buffer> fresh;
	Buffer *heap = nullptr;
	uint64_t job = 0;
	int64_t intent_ns = 0;
	uint32_t table_slot = 0;
	unsigned lane = 0;
};

/** One submitting thread of one context. Its flights are a queue: the oldest is always waited for first. */
class Submitter
{
public:
	Submitter(const Options &options, const ClientSeat &seat, Context &context, Buffer *heap, uint32_t thread)
		: options_(options), seat_(seat), context_(context), heap_(heap), thread_(thread)
	{
	}

	Status set_up()
	{
		for (uint32_t i = 0; i < options_.in_flight; i++) {
			auto slot = context_.create_slot(options_.pattern.count());
			if (!slot)
				return slot.error();
			Flight flight;
			flight.slot = std::move(*slot);
			flight.table_slot = seat_.first_slot + thread_ * options_.in_flight + i;
			flight.lane = options_.heap == HeapKind::fresh
					      ? 0
					      : (seat_.context * options_.threads + thread_) * options_.in_flight + i;
			flights_.push_back(std::move(flight));
		}
		writes_.reserve(options_.pattern.count());
		auto log = KernelLog::open();
		if (log)
			log_.emplace(std::move(*log));
		return {};
	}

	void run()
	{
		int64_t due = now_ns();
		for (uint64_t n = 0; n < options_.jobs; n++) {
			while (next_ - oldest_ == options_.in_flight)
				finish_oldest();
			pace(due);
			if (seat_.control.phase.load() != Phase::run)
				break;
			if (launch(flight(next_)))
				next_++;
		}
		while (oldest_ != next_)
			finish_oldest();
	}

private:
	Flight &flight(uint64_t number) { return flights_[number % options_.in_flight]; }

	/** Waits until the next job is due; jobs that end meanwhile are seen to at once. */
	void pace(int64_t &due)
	{
		if (options_.rate_hz <= 0)
			return;
		while (oldest_ != next_ && now_ns() < due) {
			if (flight(oldest_).slot->wait(due) == 0)
				finish_oldest();
		}
		sleep_until_ns(due);
		due += static_cast<int64_t>(kNsPerS / options_.rate_hz);
	}

	/** False when the job has already ended. */
	bool launch(Flight &flight)
	{
		flight.job = seat_.table.begin(flight.table_slot, {.client = seat_.client,
								  .context = seat_.context,
								  .thread = thread_,
								  .bytes = options_.pattern.bytes,
								  .stressor = kName,
								  .deadline_ns = seat_.request.deadline_ns});
		flight.intent_ns = seat_.table.entry(flight.table_slot).intent_ns;
		flight.heap = heap_;
		if (options_.heap == HeapKind::fresh) {
			auto fresh = context_.create_heap(options_.pattern.bytes);
			if (!fresh) {
				end(flight, {Fate::failed, fresh.error().code, kSubmitFailed, fresh.error().reason});
				return false;
			}
			flight.fresh = std::move(*fresh);
			flight.heap = flight.fresh.get();
		}
		options_.pattern.fill(writes_, flight.heap->address(), flight.lane, seat_.request.seed, flight.job);
		flight.slot->describe(writes_);
		int64_t begin = now_ns();
		int error = flight.slot->submit(*flight.heap);
		if (error) {
			end(flight, {Fate::failed, error, kSubmitFailed, "submit"});
			flight.fresh.reset();
			return false;
		}
		seat_.table.submitted(flight.table_slot, now_ns() - begin);
		return true;
	}

	void finish_oldest()
	{
		Flight &oldest = flight(oldest_);
		wait(oldest);
		if (seat_.control.phase.load() != Phase::over)
			judge(oldest);
		oldest.fresh.reset();
		oldest_++;
	}

	/** Returns with the fence signalled, or when nobody waits any more: then the supervisor ends the job. */
	void wait(Flight &flight)
	{
		constexpr int64_t kSlice = 100 * kNsPerMs;
		constexpr int64_t kPause = 10 * kNsPerMs;
		while (seat_.control.phase.load() != Phase::over) {
			int error = flight.slot->wait(now_ns() + kSlice);
			if (error == 0)
				return;
			/* Under pressure the wait itself may lack memory (drm_syncobj_array_find). */
			if (error != ETIME)
				sleep_ns(kPause);
		}
	}

	void judge(Flight &flight)
	{
		int64_t seen = now_ns();
		seat_.table.signalled(flight.table_slot);
		auto error = patiently<int>([&] { return flight.slot->fence_error(); });
		if (!error)
			return end(flight, {Fate::lost, error.error().code, 0, error.error().reason, seen});
		if (*error)
			return judge_failure(flight, *error, seen);
		auto wrong = patiently<unsigned>([&] {
			return options_.pattern.first_wrong(*flight.heap, flight.lane, seat_.request.seed, flight.job);
		});
		if (!wrong)
			return end(flight, {Fate::lost, wrong.error().code, 0, wrong.error().reason, seen});
		if (*wrong < options_.pattern.count()) {
			auto reason = fmt::format("value {} of {} is wrong", *wrong + 1, options_.pattern.count());
			return end(flight, {Fate::corrupted, 0, 0, reason, seen});
		}
		bool late = seen - flight.intent_ns > seat_.request.deadline_ns;
		end(flight, {late ? Fate::stalled : Fate::completed, 0, 0, {}, seen});
	}

	void judge_failure(Flight &flight, int error, int64_t seen)
	{
		TimeoutRole role = timeout_role(flight);
		const OutcomeRule &rule = outcome_of(seat_.driver, error, role);
		auto reason = fmt::format("{} after {} of {} writes", rule.reason, flight.slot->writes_done(),
					  options_.pattern.count());
		end(flight, {rule.fate, error, rule.flags, reason, seen});
	}

	/**
	 * From the driver's messages within the job's life. A message is logged before the fence signals, so what has
	 * been logged by now is all that can concern this job.
	 */
	TimeoutRole timeout_role(const Flight &flight)
	{
		if (!log_)
			return TimeoutRole::none;
		int64_t offset = seat_.control.log_offset_ns.load();
		log_->drain([&](const LogRecord &record) {
			if (sign_of(seat_.driver, record.text) == LogSign::job_timeout)
				last_timeout_ = {record.seq, record.t_ns + offset};
		});
		if (!last_timeout_ || last_timeout_->t_ns < flight.intent_ns)
			return TimeoutRole::none;
		return seat_.table.claim_timeout(flight.table_slot, last_timeout_->seq) ? TimeoutRole::culprit
											  : TimeoutRole::victim;
	}

	void end(const Flight &flight, JobEnd end)
	{
		int64_t seen = end.seen_ns ? end.seen_ns : now_ns();
		if (seen - flight.intent_ns > seat_.request.deadline_ns)
			end.flags |= kLate;
		if (seat_.control.phase.load() != Phase::run)
			end.flags |= kAfterRelease;
		seat_.table.end(flight.table_slot, end);
	}

	/**
	 * What we do to learn a job's fate needs memory too. The fence is through, so nothing is measured here; if the
	 * memory does not come back the fate stays unknown.
	 */
	template <typename T, typename Call>
	Result<T> patiently(Call call)
	{
		constexpr int kTries = 200;
		constexpr int64_t kPause = 10 * kNsPerMs;
		for (int i = 1;; i++) {
			Result<T> result = call();
			if (result || i == kTries)
				return result;
			sleep_ns(kPause);
		}
	}

	struct Timeout {
		uint64_t seq;
		int64_t t_ns;
	};

	const Options &options_;
	const ClientSeat &seat_;
	Context &context_;
	Buffer *heap_;
	uint32_t thread_;
	std::vector<Flight> flights_;
	std::vector<GpuWrite> writes_;
	std::optional<KernelLog> log_; /* without it a timeout is only a failed job */
	std::optional<Timeout> last_timeout_;
	uint64_t oldest_ = 0;
	uint64_t next_ = 0;
};

class TilerHeap : public Stressor
{
public:
	explicit TilerHeap(const Options &options) : options_(options) {}

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
					    ? (*context)->import_heap(shared_.get(), options_.pattern.bytes)
					    : (*context)->create_heap(options_.pattern.bytes);
			if (!made)
				return made.error();
			heap = std::move(*made);
		}
		std::vector<Submitter> submitters;
		for (uint32_t i = 0; i < options_.threads; i++) {
			submitters.emplace_back(options_, seat, **context, heap.get(), i);
			if (Status status = submitters.back().set_up(); !status)
				return status;
		}
		/* What is under test is the driver, not how fast our own pages come back from swap. */
		mlockall(MCL_CURRENT);
		if (!wait_for_run(seat))
			return {};
		std::vector<std::thread> threads;
		for (uint32_t i = 1; i < options_.threads; i++)
			threads.emplace_back([&submitters, i] { submitters[i].run(); });
		submitters[0].run();
		for (auto &thread : threads)
			thread.join();
		return {};
	}

private:
	Options options_;
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
	.kind = kName,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
