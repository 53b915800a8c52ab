/* SPDX-License-Identifier: MIT */
#include "stressors/stressor.h"

#include <atomic>
#include <thread>
#include <vector>

#include "agent/clock.h"

namespace drmsqueeze
{

extern const StressorDescriptor kBoChurn;
extern const StressorDescriptor kFenceWait;
extern const StressorDescriptor kSyncFile;
extern const StressorDescriptor kShrinker;
extern const StressorDescriptor kDeviceFault;
extern const StressorDescriptor kErrorSweep;
extern const StressorDescriptor kHeapChurn;
extern const StressorDescriptor kHeapLifetime;
extern const StressorDescriptor kTilerHeap;
extern const StressorDescriptor kTtm;

namespace
{

constexpr const StressorDescriptor *kStressors[] = {
	&kBoChurn,   &kSyncFile, &kShrinker,  &kDeviceFault,  &kErrorSweep,
	&kTilerHeap, &kTtm,      &kFenceWait, &kHeapLifetime, &kHeapChurn,
};

} // namespace

std::span<const StressorDescriptor *const> all_stressors()
{
	return kStressors;
}

const StressorDescriptor &stressor_of(const Item &item)
{
	std::string known;
	for (const StressorDescriptor *stressor : kStressors) {
		if (item.kind == stressor->kind)
			return *stressor;
		known += known.empty() ? stressor->kind : std::string(", ") + stressor->kind;
	}
	item.reader.fail("kind", "one of " + known);
}

bool wait_for_run(const ClientSeat &seat)
{
	constexpr int64_t kPoll = 2 * kNsPerMs;
	seat.control.clients_ready.fetch_add(1);
	while (seat.control.phase.load() == Phase::setup)
		sleep_ns(kPoll);
	return seat.control.phase.load() == Phase::run;
}

bool run_in_threads(const ClientSeat &seat, uint32_t threads, const std::function<void(uint32_t)> &body)
{
	enum : int { wait, go, leave };
	std::atomic<int> word = wait;
	std::vector<std::thread> others;
	for (uint32_t i = 1; i < threads; i++)
		others.emplace_back([&word, &body, i] {
			word.wait(wait);
			if (word.load() == go)
				body(i);
		});
	bool begun = wait_for_run(seat);
	word.store(begun ? go : leave);
	word.notify_all();
	if (begun)
		body(0);
	for (std::thread &other : others)
		other.join();
	return begun;
}

bool may_go_on(const ClientSeat &seat)
{
	constexpr int64_t kPoll = 2 * kNsPerMs;
	while ((seat.control.resting.load() || !seat.recorder.has_room()) && seat.control.phase.load() == Phase::run)
		sleep_ns(kPoll);
	return seat.control.phase.load() == Phase::run;
}

} // namespace drmsqueeze
