/* SPDX-License-Identifier: MIT */
#include "stressors/purge_worker.h"

#include <cerrno>

#include "agent/clock.h"
#include "stressors/patience.h"

namespace drmsqueeze
{

PurgeWorker::PurgeWorker(const ShrinkerOptions &options, const ClientSeat &seat, uint32_t thread,
			 const PurgeableBo::Plan &plan, Context &context, PurgeCounts &counts)
	: options_(options), seat_(seat), thread_(thread), context_(context), counts_(counts)
{
	for (uint32_t i = 0; i < options.buffers; i++)
		idle_.emplace_back(plan, context, counts);
	for (uint32_t i = 0; i < options.busy; i++)
		flights_.push_back({PurgeableBo(plan, context, counts), first_slot() + 1 + i});
	timeouts_.open();
}

void PurgeWorker::run()
{
	needed_made_ = needed_.make(context_, options_.needed, options_.bytes, seat_.request.seed);
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

uint64_t PurgeWorker::begin(uint32_t slot)
{
	return seat_.table.begin(slot, {.client = seat_.client,
					.context = seat_.context,
					.thread = thread_,
					.bytes = options_.bytes,
					.stressor = kStressor,
					.deadline_ns = seat_.request.deadline_ns});
}

void PurgeWorker::end(uint32_t slot, const StepVerdict &verdict)
{
	seat_.table.end(slot, {verdict.fate, verdict.error, verdict.flags, verdict.reason});
}

void PurgeWorker::cycle(PurgeableBo &bo)
{
	uint64_t job = begin(first_slot());
	StepVerdict verdict = bo.take_back();
	if (verdict.good())
		verdict = bo.fill(job);
	if (verdict.good())
		verdict = bo.give_up();
	end(first_slot(), verdict);
}

void PurgeWorker::launch(Flight &flight)
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

void PurgeWorker::wait_for(Flight &flight)
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

void PurgeWorker::finish(Flight &flight)
{
	flight.under_way = false;
	seat_.table.signalled(flight.slot);
	auto error = patiently<int>([&] { return flight.bo.gpu().fence_error(); });
	if (!error)
		return end(flight.slot, {Fate::lost, error.error().code, 0, error.error().reason});
	if (*error) {
		flight.bo.forget();
		const OutcomeRule &rule = outcome_of(seat_.driver, *error, timeouts_.role_of(seat_, flight.slot));
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

} // namespace drmsqueeze
