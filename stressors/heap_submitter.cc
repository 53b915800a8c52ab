/* SPDX-License-Identifier: MIT */
#include "stressors/heap_submitter.h"

#include <cerrno>
#include <fmt/format.h>

#include "agent/clock.h"

namespace drmsqueeze
{

HeapSubmitter::HeapSubmitter(const TilerHeapOptions &options, const ClientSeat &seat, Context &context, Memory *heap,
			     uint32_t thread, HeapGrowths *growths)
	: options_(options), seat_(seat), context_(context), heap_(heap), thread_(thread), growths_(growths),
	  judge_(seat)
{
}

Result<std::vector<HeapSubmitter>> HeapSubmitter::create_all(const TilerHeapOptions &options, const ClientSeat &seat,
							     Context &context, Memory *heap, HeapGrowths *growths)
{
	std::vector<HeapSubmitter> submitters;
	for (uint32_t i = 0; i < options.threads; i++) {
		submitters.emplace_back(options, seat, context, heap, i, growths);
		if (Status status = submitters.back().set_up(); !status)
			return status.error();
	}
	return submitters;
}

Status HeapSubmitter::set_up()
{
	for (uint32_t i = 0; i < options_.in_flight; i++) {
		auto slot = context_.create_slot(options_.pattern.count(), thread_);
		if (!slot)
			return slot.error();
		Flight flight;
		flight.slot = std::move(*slot);
		if (options_.render)
			if (Status status = flight.slot->choose_queue(GpuQueue::fragment); !status)
				return status;
		if (!options_.tiling) {
			auto buffer = context_.create_buffer(options_.pattern.bytes);
			if (!buffer)
				return buffer.error();
			flight.buffer = std::move(*buffer);
		}
		flight.table_slot = seat_.first_slot + thread_ * options_.in_flight + i;
		flight.lane = options_.heap == HeapKind::fresh
				      ? 0
				      : (seat_.context * options_.threads + thread_) * options_.in_flight + i;
		flights_.push_back(std::move(flight));
	}
	writes_.reserve(options_.pattern.count());
	judge_.set_up();
	return {};
}

void HeapSubmitter::run()
{
	Pace due(options_.rate_hz);
	for (uint64_t n = 0; n < options_.jobs; n++) {
		while (next_ - oldest_ == options_.in_flight)
			finish_oldest();
		pace(due);
		while (oldest_ != next_ && !seat_.recorder.has_room()) /* what waits is to be seen as it ends */
			finish_oldest();
		if (!may_go_on(seat_))
			break;
		if (launch(flight(next_)))
			next_++;
	}
	while (oldest_ != next_)
		finish_oldest();
}

/** Waits until the next job is due; jobs that end meanwhile are seen to at once. */
void HeapSubmitter::pace(Pace &pace)
{
	while (options_.rate_hz > 0 && oldest_ != next_ && now_ns() < pace.due_ns()) {
		if (flight(oldest_).slot->wait(pace.due_ns()) == 0)
			finish_oldest();
	}
	pace.wait();
}

/** False when the job has already ended. */
bool HeapSubmitter::launch(Flight &flight)
{
	flight.job = seat_.table.begin(flight.table_slot, {.client = seat_.client,
							   .context = seat_.context,
							   .thread = thread_,
							   .bytes = options_.shape.bytes,
							   .stressor = options_.stressor,
							   .deadline_ns = seat_.request.deadline_ns,
							   .queue = seat_.driver.own_groups ? thread_ : 0});
	if (options_.heap == HeapKind::fresh) {
		auto fresh = context_.create_heap(options_.shape);
		if (!fresh) {
			end(flight, {Fate::failed, fresh.error().code, kSubmitFailed, fresh.error().reason});
			return false;
		}
		flight.fresh = std::move(*fresh);
	}
	Status described = describe(flight);
	int64_t begin = now_ns();
	int error = described ? flight.slot->submit(*flight.written) : described.error().code;
	if (error) {
		end(flight, {Fate::failed, error, kSubmitFailed, described ? "submit" : described.error().reason});
		flight.fresh.reset();
		return false;
	}
	seat_.table.submitted(flight.table_slot, now_ns() - begin);
	return true;
}

Status HeapSubmitter::describe(Flight &flight)
{
	Memory *heap = flight.fresh ? flight.fresh.get() : heap_;
	flight.written = options_.tiling ? heap : flight.buffer.get();
	options_.pattern.fill(writes_, flight.written->address(), flight.lane, seat_.request.seed, flight.job);
	if (options_.tiling)
		return flight.slot->describe_heap(*heap, writes_, options_.pattern.bytes);
	flight.slot->describe(writes_);
	return {};
}

void HeapSubmitter::finish_oldest()
{
	Flight &oldest = flight(oldest_);
	if (judge_.wait(*oldest.slot))
		judge_.judge(*oldest.slot, oldest.table_slot, options_.pattern.count(), [&] {
			options_.pattern.fill(writes_, oldest.written->address(), oldest.lane, seat_.request.seed,
					      oldest.job);
			return oldest.slot->first_wrong(*oldest.written, writes_);
		});
	count_growths(oldest);
	oldest.fresh.reset();
	if (options_.fresh_groups)
		static_cast<void>(context_.take_away(Taken::group, thread_, nullptr));
	oldest_++;
}

/* Heaps that are kept grow once, whoever of their jobs touches a chunk first. */
void HeapSubmitter::count_growths(const Flight &flight)
{
	if (!growths_)
		return;
	growths_->incremental_passes(flight.slot->incremental_passes());
	uint64_t chunks = HeapGrowths::chunks(options_.pattern, flight.slot->writes_done());
	if (options_.heap == HeapKind::fresh)
		growths_->fresh(chunks);
	else
		growths_->kept(options_.heap == HeapKind::shared ? 0 : seat_.context, chunks);
}

void HeapSubmitter::end(const Flight &flight, const JobEnd &end)
{
	seat_.table.end(flight.table_slot, end);
}

} // namespace drmsqueeze
