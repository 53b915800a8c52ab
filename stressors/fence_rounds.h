/* SPDX-License-Identifier: MIT */
/*
 * One client of fence-wait: threads that wait, and one that signals. They go in rounds: few fences are made, every
 * waiter waits for one of them in its own way, the fences signal, everybody has to wake.
 */
#pragma once

#include <atomic>
#include <barrier>
#include <deque>
#include <pthread.h>
#include <vector>

#include "stressors/drm/sw_sync.h"
#include "stressors/fence_waiter.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

/** What becomes of the fences of a round once all wait. All but `normal` are planted. */
enum class Signalling {
	normal,
	at_release,  /* only when everything that was taken has been given back */
	never,       /* not before nobody waits any more */
	close,       /* their timelines end: -ENOENT */
	unannounced, /* the waiters are not told: a wake-up that looks too early */
};

struct FenceWaitOptions {
	std::vector<const WaitKind *> kinds;
	uint64_t jobs = 0; /* of each waiter: rounds */
	uint32_t waiters = 8;
	uint32_t fences = 2; /* of a round */
	uint32_t contexts = 1;
	double rate_hz = 0;       /* rounds a second */
	double interrupt_hz = 0;  /* signals a second to some waiter */
	int64_t timeout_ns = 0;   /* a wait returns after this and is taken up again; 0: it does not */
	int64_t max_delay_ns = 0; /* from the last waiter's wait to the signal; drawn by the seed */
	Signalling signalling = Signalling::normal;
};

/** What clients count, in shared memory; one for each kind of wait. */
struct WaitCounts {
	std::atomic<uint64_t> waits;
	std::atomic<uint64_t> woken;
	std::atomic<uint64_t> interrupted;
	std::atomic<uint64_t> timed_out;
	WakeHistogram wake;
};

class FenceRounds
{
public:
	static constexpr const char *kStressor = "fence-wait";

	/** @counts: by place in all_wait_kinds(). Borrows everything. */
	FenceRounds(const FenceWaitOptions &options, const ClientSeat &seat, const SyncDevices &devices,
		    WaitCounts *counts);

	Status set_up();
	/** Thread 0 signals, 1 to `waiters` wait, the last one interrupts. */
	uint32_t threads() const { return options_.waiters + 2; }
	void run_thread(uint32_t thread);

private:
	struct RoundFence {
		Exporter::Exported buffer;
		std::optional<SwSyncTimeline> timeline;
		SyncFile file;
		std::atomic<int64_t> announced_ns = 0; /* just before the signal; 0: it has not come */
	};

	struct Waiter {
		const WaitKind *kind;
		std::unique_ptr<FenceWaiter> way;
		uint32_t fence;
		pthread_t thread = 0;
	};

	void run_signaller();
	void run_waiter(uint32_t number);
	void run_interrupter();
	Status make_fences();
	void let_go();
	void tell_of_signals();
	void one_wait(Waiter &waiter, uint32_t slot);
	JobEnd outcome(Waiter &waiter);
	int64_t announced(const Waiter &waiter) const;
	WaitTarget target(const Waiter &waiter) const;

	const FenceWaitOptions &options_;
	const ClientSeat &seat_;
	const SyncDevices &devices_;
	WaitCounts *counts_;
	std::deque<RoundFence> fences_;
	std::vector<Waiter> waiters_;
	std::barrier<> barrier_;
	Status made_; /* the round's fences */
	bool more_ = true;
	std::atomic<uint32_t> waiting_ = 0;
	std::atomic<uint32_t> started_ = 0;
	std::atomic<bool> interrupter_done_ = false;
	std::atomic<bool> rounds_over_ = false;
};

} // namespace drmsqueeze
