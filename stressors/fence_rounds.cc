/* SPDX-License-Identifier: MIT */
#include "stressors/fence_rounds.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fmt/format.h>
#include <random>

#include "agent/clock.h"
#include "stressors/patience.h"

namespace drmsqueeze
{

namespace
{

constexpr int64_t kLook = kNsPerMs;

void ignore_signal(int) {}

/* Both ways of a signal handler: a system call that it interrupts ends with EINTR, or is begun again. */
void install_handlers()
{
	struct sigaction action {
	};
	action.sa_handler = ignore_signal;
	sigaction(SIGUSR1, &action, nullptr);
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &action, nullptr);
}

} // namespace

FenceRounds::FenceRounds(const FenceWaitOptions &options, const ClientSeat &seat, const SyncDevices &devices,
			 WaitCounts *counts)
	: options_(options), seat_(seat), devices_(devices), counts_(counts), fences_(options.fences),
	  barrier_(static_cast<ptrdiff_t>(options.waiters + 1))
{
}

Status FenceRounds::set_up()
{
	install_handlers();
	for (RoundFence &fence : fences_) {
		auto exported = devices_.exporters.front().create();
		if (!exported)
			return exported.error();
		fence.buffer = std::move(*exported);
	}
	for (uint32_t i = 0; i < options_.waiters; i++) {
		const WaitKind *kind = options_.kinds[i % options_.kinds.size()];
		auto way = kind->create(devices_);
		if (!way)
			return way.error();
		waiters_.push_back({kind, std::move(*way), i % options_.fences});
	}
	return {};
}

void FenceRounds::run_thread(uint32_t thread)
{
	if (thread == 0)
		run_signaller();
	else if (thread <= options_.waiters)
		run_waiter(thread - 1);
	else
		run_interrupter();
}

void FenceRounds::run_signaller()
{
	std::mt19937_64 random(seat_.request.seed + seat_.client);
	Pace pace(options_.rate_hz);
	for (uint64_t round = 0;; round++) {
		pace.wait();
		more_ = round < options_.jobs && may_go_on(seat_);
		waiting_.store(0);
		if (more_)
			made_ = make_fences();
		barrier_.arrive_and_wait(); /* the round begins */
		if (!more_)
			break;
		while (waiting_.load() < options_.waiters)
			sleep_ns(kLook);
		if (options_.max_delay_ns)
			sleep_ns(static_cast<int64_t>(random() % static_cast<uint64_t>(options_.max_delay_ns)));
		let_go();
		tell_of_signals();
		barrier_.arrive_and_wait(); /* everybody is awake */
	}
	rounds_over_.store(true);
}

/** Under pressure this may fail; then all waits of the round do. */
Status FenceRounds::make_fences()
{
	for (RoundFence &fence : fences_) {
		fence.announced_ns.store(0);
		auto timeline = SwSyncTimeline::open();
		if (!timeline)
			return timeline.error();
		auto file = timeline->create_fence(1);
		if (!file)
			return file.error();
		if (Status status = fence.buffer.dmabuf.import_sync_file(*file, Access::write); !status)
			return status;
		fence.timeline = std::move(*timeline); /* ends the one before, whose fence has signalled */
		fence.file = std::move(*file);
	}
	return {};
}

/** What is waited for happens. */
void FenceRounds::let_go()
{
	auto released = [this] {
		Release release = seat_.control.release.load();
		return release == Release::restored || release == Release::not_restored;
	};
	auto over = [this] { return seat_.control.phase.load() == Phase::over; };
	for (const Waiter &waiter : waiters_)
		if (made_)
			/* Without its fence it would wait for ever, so what lacks memory is tried again. */
			static_cast<void>(patiently<bool>([&]() -> Result<bool> {
				Status status = waiter.way->submit(target(waiter));
				return status ? Result<bool>(true) : Result<bool>(status.error());
			}));
	while (options_.signalling == Signalling::at_release && !released() && !over())
		sleep_ns(kLook);
	while (options_.signalling == Signalling::never && !over())
		sleep_ns(kLook);
	for (RoundFence &fence : fences_) {
		if (!fence.timeline)
			continue;
		if (options_.signalling != Signalling::unannounced)
			fence.announced_ns.store(now_ns());
		if (options_.signalling == Signalling::close)
			fence.timeline->close();
		else
			static_cast<void>(fence.timeline->increment(1));
	}
}

/** Waits whose fences have signalled end now; one that does not was forgotten. */
void FenceRounds::tell_of_signals()
{
	auto signalled = [](const RoundFence &fence) {
		auto status = fence.timeline ? fence.file.status() : Result<FenceStatus>(Error{ENOENT, "no fence"});
		return status && status->status != 0;
	};
	for (uint32_t number = 0; number < waiters_.size(); number++) {
		const Waiter &waiter = waiters_[number];
		if (signalled(fences_[waiter.fence]) &&
		    (!waiter.kind->both || signalled(fences_[(waiter.fence + 1) % fences_.size()])))
			seat_.table.seen_signalled(seat_.first_slot + number);
	}
}

void FenceRounds::run_waiter(uint32_t number)
{
	Waiter &waiter = waiters_[number];
	waiter.thread = pthread_self();
	started_++;
	for (;;) {
		barrier_.arrive_and_wait();
		if (!more_)
			break;
		one_wait(waiter, seat_.first_slot + number);
		barrier_.arrive_and_wait();
	}
	while (!interrupter_done_.load()) /* it must not signal a thread that is gone */
		sleep_ns(kLook);
}

void FenceRounds::run_interrupter()
{
	std::mt19937_64 random(seat_.request.seed + seat_.client + 1);
	while (started_.load() < options_.waiters)
		sleep_ns(kLook);
	while (options_.interrupt_hz > 0 && !rounds_over_.load()) {
		uint64_t drawn = random();
		pthread_kill(waiters_[(drawn >> 1) % waiters_.size()].thread, drawn & 1 ? SIGUSR1 : SIGUSR2);
		sleep_ns(static_cast<int64_t>(kNsPerS / options_.interrupt_hz));
	}
	interrupter_done_.store(true);
}

void FenceRounds::one_wait(Waiter &waiter, uint32_t slot)
{
	WaitCounts &counts = counts_[waiter.kind - all_wait_kinds().data()];
	counts.waits++;
	seat_.table.begin(slot, {.client = seat_.client,
				 .context = seat_.context,
				 .thread = static_cast<uint32_t>(&waiter - waiters_.data()),
				 .bytes = 0,
				 .stressor = kStressor,
				 .deadline_ns = seat_.request.deadline_ns});
	Status ready = made_ ? waiter.way->prepare(target(waiter)) : made_;
	waiting_++;
	if (!ready) {
		auto reason = fmt::format("{}: {}", waiter.kind->name, ready.error().reason);
		seat_.table.end(slot, {.fate = Fate::failed, .error = ready.error().code, .reason = reason});
		return;
	}
	JobEnd end = outcome(waiter);
	counts.woken += end.fate == Fate::completed;
	auto reason = fmt::format("{}: {}", waiter.kind->name, end.reason);
	end.reason = end.reason.empty() ? std::string_view() : std::string_view(reason);
	seat_.table.end(slot, end);
}

/** Waits until the fence signals, or nobody waits any more. */
JobEnd FenceRounds::outcome(Waiter &waiter)
{
	WaitCounts &counts = counts_[waiter.kind - all_wait_kinds().data()];
	for (;;) {
		int64_t begin = now_ns();
		int64_t before = announced(waiter);
		bool timed = options_.timeout_ns > 0 && waiter.kind->timed;
		int error = waiter.way->wait(timed ? begin + options_.timeout_ns : kForever);
		int64_t woken = now_ns();
		if (error == ETIME)
			counts.timed_out++;
		else if (error == EINTR)
			counts.interrupted++;
		else if (error)
			return {.fate = Fate::failed, .error = error, .reason = "the wait itself"};
		if (error == 0) {
			int64_t signal = announced(waiter);
			if (signal == 0)
				return {.fate = Fate::corrupted, .reason = "awake before the signal", .seen_ns = woken};
			counts.wake.add(woken - signal);
			auto status = patiently<FenceStatus>([&] { return fences_[waiter.fence].file.status(); });
			if (!status)
				return {.fate = Fate::lost, .error = status.error().code, .reason = "no fence status"};
			if (status->status == 0)
				return {.fate = Fate::corrupted, .reason = "awake, and the fence is pending"};
			if (status->status < 0)
				return {.fate = Fate::failed,
					.error = -status->status,
					.reason = "fence error",
					.seen_ns = woken};
			return {.fate = Fate::completed, .seen_ns = woken};
		}
		/* The signal may be in the making when it is announced, but not for a whole time-out. */
		if (error == ETIME && before != 0 && before + options_.timeout_ns < begin)
			return {.fate = Fate::corrupted, .reason = "timed out although the fence had signalled"};
		if (seat_.control.phase.load() == Phase::over)
			return {.fate = Fate::hung, .reason = "not awake when the run was over"};
	}
}

/** When the last of the fences that it waits for was about to signal; 0 before. */
int64_t FenceRounds::announced(const Waiter &waiter) const
{
	int64_t first = fences_[waiter.fence].announced_ns.load();
	if (!waiter.kind->both)
		return first;
	int64_t second = fences_[(waiter.fence + 1) % fences_.size()].announced_ns.load();
	return first && second ? std::max(first, second) : 0;
}

WaitTarget FenceRounds::target(const Waiter &waiter) const
{
	const RoundFence &fence = fences_[waiter.fence];
	return {&fence.file, &fences_[(waiter.fence + 1) % fences_.size()].file, &fence.buffer.dmabuf};
}

} // namespace drmsqueeze
