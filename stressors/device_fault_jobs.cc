/* SPDX-License-Identifier: MIT */
#include "stressors/device_fault_jobs.h"

#include <cstdlib>

#include "agent/clock.h"
#include "agent/root.h"
#include "stressors/heap_pattern.h"

namespace drmsqueeze
{

namespace
{

constexpr HeapPattern kWrites{.bytes = 4096, .step = 64}; /* of one job */

} // namespace

Status FaultJobs::set_up(uint32_t count, GpuQueue queue)
{
	auto context = seat_.driver.open();
	if (!context)
		return context.error();
	context_ = std::move(*context);
	for (uint32_t i = 0; i < count; i++) {
		auto buffer = context_->create_buffer(kWrites.bytes);
		if (!buffer)
			return buffer.error();
		auto slot = context_->create_slot(kWrites.count() + 1);
		if (!slot)
			return slot.error();
		if (Status status = (*slot)->choose_queue(queue); !status)
			return status;
		lanes_.push_back({.buffer = std::move(*buffer), .slot = std::move(*slot)});
	}
	judge_.set_up();
	return {};
}

template <typename Condition>
bool FaultJobs::wait_until(Condition condition) const
{
	constexpr int64_t kPoll = kNsPerMs;
	while (seat_.control.phase.load() != Phase::over) {
		if (condition())
			return true;
		sleep_ns(kPoll);
	}
	return false;
}

void FaultJobs::run_compute()
{
	/*
	 * The driver allocates when it hands a job to the GPU (panfrost_fence_create), and that is not what is tested
	 * here: it gets time to do so before memory is taken.
	 */
	constexpr int64_t kHandOver = 20 * kNsPerMs;
	const Root root;
	const std::string fault_file = DevicePager::fault_file(seat_.request.model);
	for (uint32_t round = 1; round <= options_.jobs && may_go_on(seat_); round++) {
		submit(0, round);
		if (!lanes_[0].flies)
			continue;
		auto misses_page = [&] {
			auto address = root.number(fault_file);
			return address && *address == DevicePager::missing_page(round);
		};
		if (!wait_until(misses_page))
			break;
		state_.faulting.store(round);
		if (!wait_until([&] { return state_.behind.load() == round; }))
			break;
		sleep_ns(static_cast<int64_t>(kHandOver * seat_.request.time_scale));
		state_.wanted.store(round);
		finish(0, round);
		if (!wait_until([&] { return state_.behind_ended.load() == round; }))
			break;
	}
}

void FaultJobs::run_behind()
{
	uint32_t last = 0;
	auto next_or_finished = [&] { return state_.faulting.load() != last || state_.finished.load() != 0; };
	while (wait_until(next_or_finished) && state_.faulting.load() != last) {
		last = state_.faulting.load();
		for (uint32_t i = 0; i < lanes_.size(); i++) {
			submit(i);
			state_.behind.store(last); /* the first: already the next may wait for memory */
		}
		for (uint32_t i = 0; i < lanes_.size(); i++)
			finish(i);
		state_.behind_ended.store(last);
	}
}

void FaultJobs::submit(uint32_t lane, uint32_t round)
{
	uint32_t table_slot = seat_.first_slot + lane;
	Lane &one = lanes_[lane];
	one.job = seat_.table.begin(table_slot, {.client = seat_.client,
						 .context = seat_.context,
						 .thread = lane,
						 .bytes = round ? options_.fault_bytes : 0,
						 .stressor = kStressor,
						 .deadline_ns = seat_.request.deadline_ns});
	kWrites.fill(writes_, one.buffer->address(), 0, seat_.request.seed, one.job);
	if (round) /* before all others: those show that the job got through its fault */
		writes_.insert(writes_.begin(), {DevicePager::missing_page(round), one.job});
	one.slot->describe(writes_);
	int64_t begin = now_ns();
	int error = one.slot->submit(*one.buffer);
	one.flies = error == 0;
	if (error)
		seat_.table.end(table_slot, {Fate::failed, error, kSubmitFailed, "submit"});
	else
		seat_.table.submitted(table_slot, now_ns() - begin);
}

void FaultJobs::finish(uint32_t lane, uint32_t round)
{
	Lane &one = lanes_[lane];
	if (!one.flies || !judge_.wait(*one.slot))
		return;
	judge_.judge(*one.slot, seat_.first_slot + lane, kWrites.count(), [&]() -> Result<unsigned> {
		if (round && state_.wrong.load() == round)
			return 0U;
		return kWrites.first_wrong(*one.buffer, 0, seat_.request.seed, one.job);
	});
}

} // namespace drmsqueeze
