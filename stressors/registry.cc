/* SPDX-License-Identifier: MIT */
#include "stressors/stressor.h"

#include "agent/clock.h"

namespace drmsqueeze
{

extern const StressorDescriptor kTilerHeap;

namespace
{

constexpr const StressorDescriptor *kStressors[] = {
	&kTilerHeap,
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

bool may_go_on(const ClientSeat &seat)
{
	constexpr int64_t kPoll = 2 * kNsPerMs;
	while (seat.control.resting.load() && seat.control.phase.load() == Phase::run)
		sleep_ns(kPoll);
	return seat.control.phase.load() == Phase::run;
}

} // namespace drmsqueeze
