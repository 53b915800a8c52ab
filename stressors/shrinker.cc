/* SPDX-License-Identifier: MIT */
/*
 * shrinker: many BOs that a shrinker may purge, and some that are busy, while others run shrinkers. A job on an idle BO
 * is its cycle as its owner sees it: taken back, its contents checked or the BO made anew where it was purged, filled,
 * and given up again. A job on a busy BO is a GPU job that writes to it, given up as soon as it is submitted: what a
 * shrinker may not touch before the fence is through.
 */
#include <new>
#include <sys/mman.h>

#include "agent/clock.h"
#include "stressors/gem_sampler.h"
#include "stressors/needed_bos.h"
#include "stressors/patience.h"
#include "stressors/purgeable_bo.h"
#include "stressors/stressor.h"
#include "stressors/timeout_watch.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kStressor = "shrinker";
constexpr uint64_t kMaxBoKib = 256 << 10;

struct Options {
	uint64_t bytes = 0;
	uint64_t jobs = 0;    /* per thread */
	uint32_t buffers = 0; /* idle BOs of each thread */
	uint32_t busy = 0;    /* busy BOs of each thread */
	uint32_t needed = 0;  /* BOs of each thread that its GPU jobs name besides */
	uint32_t contexts = 1;
	uint32_t threads = 1;
	double rate_hz = 0; /* per thread; 0 = back to back */
	bool mapped = true;
};

struct Shared {
	PurgeCounts purges;
	GemPeaks peaks;
};

Options parse_options(JsonReader reader)
{
	Options options;
	options.bytes = reader.integer_or("bo_kib", 4, kMaxBoKib, 256) / 4 * 4 << 10;
	options.jobs = reader.integer_or("jobs", 1, 100 * 1000 * 1000, 200);
	options.buffers = static_cast<uint32_t>(reader.integer_or("buffers", 1, 65536, 32));
	options.busy = static_cast<uint32_t>(reader.integer_or("busy", 0, 64, 4));
	options.needed = static_cast<uint32_t>(reader.integer_or("needed", 0, 4096, 0));
	options.contexts = static_cast<uint32_t>(reader.integer_or("contexts", 1, 16, 1));
	options.threads = static_cast<uint32_t>(reader.integer_or("threads", 1, 16, 1));
	options.rate_hz = reader.number_or("rate_hz", 0, 1e6, 0);
	options.mapped = reader.boolean_or("mapped", true);
	reader.finish();
	return options;
}

/** Success, or why a context of @driver cannot do it. */
Status try_out(Context &context, bool jobs, bool many)
{
	constexpr uint64_t kTrialBytes = 4096;
	auto buffer = context.create_buffer(kTrialBytes);
	if (!buffer)
		return buffer.error();
	if (auto advised = (*buffer)->advise(true); !advised)
		return advised.error();
	if (!jobs)
		return {};
	auto slot = context.create_slot(1);
	if (!slot)
		return slot.error();
	return many ? (*slot)->use_also({}) : Status();
}

/** One thread of a client with its BOs. */
class PurgeWorker
{
public:
	PurgeWorker(const Options &options, const ClientSeat &seat, uint32_t thread, const PurgeableBo::Plan &plan,
		    Context &context, PurgeCounts &counts)
		: options_(options), seat_(seat), thread_(thread), counts_(counts)
	{
		for (uint32_t i = 0; i < options.buffers; i++)
			idle_.emplace_back(plan, context, counts);
		for (uint32_t i = 0; i < options.busy; i++)
			flights_.push_back({PurgeableBo(plan, context, counts), first_slot() + 1 + i});
		timeouts_.open();
	}

	/** All jobs, or those until the run's phase changes; returns with none in flight. */
	void run(Context &context)
	{
		needed_made_ = needed_.make(context, options_.needed, options_.bytes, seat_.request.seed);
		for (Flight &flight : flights_)
			flight.bo.use_also(needed_.all());
		Pace pace(options_.rate_hz);
		for (uint64_t n = 0; n < options_.jobs; n++) {
			pace.wait();
			if (!may_go_on(seat_))
				break;
			uint64_t place = n % (flights_.size() + idle_.size());
			if (place < flights_.size())
				launch(flights_[place]);
			else
				cycle(idle_[place - flights_.size()]);
			for (Flight &flight : flights_)
				if (flight.under_way && flight.bo.gpu().wait(now_ns()) == 0)
					finish(flight);
		}
		for (Flight &flight : flights_)
			wait_for(flight);
	}

private:
	struct Flight {
		PurgeableBo bo;
		uint32_t slot;
		bool under_way = false;
		StepVerdict given_up = {};
	};

	uint32_t first_slot() const { return seat_.first_slot + thread_ * (options_.busy + 1); }

	uint64_t begin(uint32_t slot)
	{
		return seat_.table.begin(slot, {.client = seat_.client,
						.context = seat_.context,
						.thread = thread_,
						.bytes = options_.bytes,
						.stressor = kStressor,
						.deadline_ns = seat_.request.deadline_ns});
	}

	void end(uint32_t slot, const StepVerdict &verdict)
	{
		seat_.table.end(slot, {verdict.fate, verdict.error, verdict.flags, verdict.reason});
	}

	void cycle(PurgeableBo &bo)
	{
		uint64_t job = begin(first_slot());
		StepVerdict verdict = bo.take_back();
		if (verdict.good())
			verdict = bo.fill(job);
		if (verdict.good())
			verdict = bo.give_up();
		end(first_slot(), verdict);
	}

	void launch(Flight &flight)
	{
		wait_for(flight);
		if (flight.under_way)
			return; /* the run is over */
		uint64_t job = begin(flight.slot);
		StepVerdict verdict = needed_made_;
		if (verdict.good())
			verdict = flight.bo.take_back();
		int64_t submit_ns = now_ns();
		if (verdict.good())
			verdict = flight.bo.submit(job);
		if (!verdict.good())
			return end(flight.slot, verdict);
		seat_.table.submitted(flight.slot, now_ns() - submit_ns);
		flight.under_way = true;
		flight.given_up = flight.bo.give_up();
	}

	/** Returns with the fence signalled, or when nobody waits any more: then the supervisor ends the job. */
	void wait_for(Flight &flight)
	{
		constexpr int64_t kSlice = 100 * kNsPerMs;
		constexpr int64_t kPause = 10 * kNsPerMs;
		while (flight.under_way && seat_.control.phase.load() != Phase::over) {
			int error = flight.bo.gpu().wait(now_ns() + kSlice);
			if (error == 0)
				return finish(flight);
			if (error != ETIME)
				sleep_ns(kPause);
		}
	}

	void finish(Flight &flight)
	{
		flight.under_way = false;
		seat_.table.signalled(flight.slot);
		auto error = patiently<int>([&] { return flight.bo.gpu().fence_error(); });
		if (!error)
			return end(flight.slot, {Fate::lost, error.error().code, 0, error.error().reason});
		if (*error) {
			flight.bo.forget();
			const OutcomeRule &rule =
				outcome_of(seat_.driver, *error, timeouts_.role_of(seat_, flight.slot));
			return end(flight.slot, {rule.fate, *error, rule.flags, std::string(rule.reason)});
		}
		seat_.table.passed(flight.slot);
		StepVerdict verdict = flight.given_up;
		if (verdict.good())
			verdict = flight.bo.take_back();
		if (verdict.good())
			verdict = flight.bo.give_up();
		if (verdict.good())
			verdict = needed_.look(counts_.needed_verified);
		end(flight.slot, verdict);
	}

	const Options &options_;
	const ClientSeat &seat_;
	uint32_t thread_;
	PurgeCounts &counts_;
	NeededBos needed_;
	StepVerdict needed_made_;
	std::vector<PurgeableBo> idle_;
	std::vector<Flight> flights_;
	TimeoutWatch timeouts_;
};

class Shrinker : public Stressor
{
public:
	explicit Shrinker(const Options &options) : options_(options)
	{
		if (void *shared = shared_memory(sizeof(Shared)))
			shared_ = new (shared) Shared();
	}

	uint32_t clients() const override { return options_.contexts; }
	uint32_t slots_per_client() const override { return options_.threads * (options_.busy + 1); }

	Status prepare(const Driver &driver) override
	{
		if (!shared_)
			return Error{ENOMEM, "shrinker: no shared memory"};
		auto context = driver.open();
		return context ? try_out(**context, options_.busy > 0, options_.needed > 0) : Status(context.error());
	}

	Status run_client(const ClientSeat &seat) override
	{
		auto context = seat.driver.open();
		if (!context)
			return context.error();
		const PurgeableBo::Plan plan{options_.bytes, seat.request.seed, options_.mapped};
		GemSampler sampler(Root(), (*context)->fd(), seat.client, seat.context == 0, seat.recorder,
				   shared_->peaks);
		sampler.start();
		mlockall(MCL_CURRENT);
		run_in_threads(seat, options_.threads, [&](uint32_t thread) {
			PurgeWorker(options_, seat, thread, plan, **context, shared_->purges).run(**context);
		});
		return {};
	}

	nlohmann::json report() const override
	{
		if (!shared_)
			return nullptr;
		const PurgeCounts &purges = shared_->purges;
		const GemPeaks &peaks = shared_->peaks;
		return {{"counts",
			 {{"given_up", purges.given_up.load()},
			  {"retained", purges.retained.load()},
			  {"purged", purges.purged.load()},
			  {"purged_kib", purges.purged_kib.load()},
			  {"purged_after_gpu", purges.purged_after_gpu.load()},
			  {"made", purges.made.load()},
			  {"verified", purges.verified.load()},
			  {"stale_mappings_refused", purges.stale_checked.load()},
			  {"gpu_jobs", purges.gpu_jobs.load()},
			  {"needed_verified", purges.needed_verified.load()},
			  {"fdinfo_samples", peaks.samples.load()},
			  {"most_total_kib", peaks.total_kib.load()},
			  {"most_active_kib", peaks.active_kib.load()},
			  {"most_resident_kib", peaks.resident_kib.load()},
			  {"most_purgeable_kib", peaks.purgeable_kib.load()}}}};
	}

private:
	Options options_;
	Shared *shared_ = nullptr;
};

std::unique_ptr<Stressor> create(JsonReader options)
{
	return std::make_unique<Shrinker>(parse_options(std::move(options)));
}

std::string unsupported(const Driver &driver)
{
	auto context = driver.open();
	if (!context)
		return context.error().reason;
	Status status = try_out(**context, false, false);
	return status ? "" : status.error().reason;
}

} // namespace

extern const StressorDescriptor kShrinker;
const StressorDescriptor kShrinker = {
	.kind = kStressor,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
