/* SPDX-License-Identifier: MIT */
#include "stressors/heap_submitter.h"

#include <cerrno>
#include <fmt/format.h>

#include "agent/clock.h"

namespace drmsqueeze
{

HeapSubmitter::HeapSubmitter(const TilerHeapOptions &options, const ClientSeat &seat, Context &context, Memory *heap,
			     uint32_t thread, const HeapShares &shares)
	: options_(options), seat_(seat), context_(context), heap_(heap), thread_(thread), growths_(shares.growths),
	  judge_(seat), refusals_(options.refusal, seat, shares.refusals, shares.cache)
{
}

Result<std::vector<HeapSubmitter>> HeapSubmitter::create_all(const TilerHeapOptions &options, const ClientSeat &seat,
							     Context &context, Memory *heap, const HeapShares &shares)
{
	std::vector<HeapSubmitter> submitters;
	for (uint32_t i = 0; i < options.threads; i++) {
		submitters.emplace_back(options, seat, context, heap, i, shares);
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

/** Of the part of the job that is in flight, or about to be. */
HeapPattern HeapSubmitter::pattern(const Flight &flight) const
{
	return options_.pattern.part(flight.parts.back().first, flight.parts.back().count);
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
	flight.parts.assign(1, {0, options_.pattern.count()});
	flight.refusal = {};
	return submit(flight);
}

/** Again and again, as long as that is refused and the policy wants it. False when the job has ended. */
bool HeapSubmitter::submit(Flight &flight)
{
	for (;;) {
		Status submitted = attempt(flight);
		if (submitted)
			return true;
		const Error &error = submitted.error();
		give_back(flight);
		if (error.code == ENOMEM &&
		    refusals_.again(flight.table_slot, flight.refusal, error.code, flight.parts))
			continue;
		judge_.end(flight.table_slot, {Fate::failed, error.code, kSubmitFailed, error.reason});
		refusals_.ended(flight.refusal, Fate::failed);
		return false;
	}
}

Status HeapSubmitter::attempt(Flight &flight)
{
	refusals_.begins();
	if (options_.heap == HeapKind::fresh) {
		HeapShape shape = options_.shape;
		if (options_.tiling)
			shape.bytes = pattern(flight).bytes;
		auto fresh = context_.create_heap(shape);
		if (!fresh)
			return fresh.error();
		flight.fresh = std::move(*fresh);
		refusals_.heap_made();
	}
	if (Status described = describe(flight); !described)
		return described;
	int64_t begin = now_ns();
	if (int error = flight.slot->submit(*flight.written))
		return Error{error, "submit"};
	seat_.table.submitted(flight.table_slot, now_ns() - begin);
	return {};
}

Status HeapSubmitter::describe(Flight &flight)
{
	Memory *heap = flight.fresh ? flight.fresh.get() : heap_;
	const HeapPattern values = pattern(flight);
	flight.written = options_.tiling ? heap : flight.buffer.get();
	values.fill(writes_, flight.written->address(), flight.lane, seat_.request.seed, flight.job);
	if (options_.tiling)
		return flight.slot->describe_heap(*heap, writes_, values.bytes);
	flight.slot->describe(writes_);
	return {};
}

void HeapSubmitter::give_back(Flight &flight)
{
	if (!flight.fresh)
		return;
	flight.fresh.reset();
	refusals_.heap_freed();
}

void HeapSubmitter::finish_oldest()
{
	Flight &oldest = flight(oldest_);
	for (bool with_gpu = true; with_gpu;) {
		const bool through = judge_.wait(*oldest.slot);
		const Verdict verdict = through ? look_at(oldest) : Verdict{Fate::lost};
		count_growths(oldest);
		with_gpu = through && goes_on(oldest, verdict);
	}
	give_back(oldest);
	if (options_.fresh_groups)
		static_cast<void>(context_.take_away(Taken::group, thread_, nullptr));
	oldest_++;
}

Verdict HeapSubmitter::look_at(Flight &flight)
{
	const HeapPattern values = pattern(flight);
	return judge_.verdict(*flight.slot, flight.table_slot, values.count(), [&] {
		values.fill(writes_, flight.written->address(), flight.lane, seat_.request.seed, flight.job);
		return flight.slot->first_wrong(*flight.written, writes_);
	});
}

/** Whether the job is with the GPU again: its next part, or another attempt. False when it has ended. */
bool HeapSubmitter::goes_on(Flight &flight, const Verdict &verdict)
{
	const bool completed = verdict.fate == Fate::completed;
	bool more = false;
	if (completed && flight.parts.size() > 1) {
		give_back(flight);
		flight.parts.pop_back();
		more = seat_.table.resumed(flight.table_slot);
	} else if (verdict.may_be_refusal && options_.heap == HeapKind::fresh) {
		give_back(flight); /* who waits for memory with memory in hand makes others wait */
		more = refusals_.again(flight.table_slot, flight.refusal, verdict.error, flight.parts);
	}
	if (more)
		return submit(flight);
	judge_.end(flight.table_slot, verdict);
	refusals_.ended(flight.refusal, verdict.fate);
	return false;
}

/* Heaps that are kept grow once, whoever of their jobs touches a chunk first. */
void HeapSubmitter::count_growths(const Flight &flight)
{
	if (!growths_)
		return;
	growths_->incremental_passes(flight.slot->incremental_passes());
	uint64_t chunks = HeapGrowths::chunks(pattern(flight), flight.slot->writes_done());
	if (options_.heap == HeapKind::fresh)
		growths_->fresh(chunks);
	else
		growths_->kept(options_.heap == HeapKind::shared ? 0 : seat_.context, chunks);
}

} // namespace drmsqueeze
