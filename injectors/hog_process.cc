/* SPDX-License-Identifier: MIT */
#include "injectors/hog_process.h"

#include <algorithm>

#include "agent/clock.h"
#include "agent/environment.h"
#include "agent/sampler.h"

namespace drmsqueeze
{

int HogProcess::run()
{
	const int64_t nap = (options_.hot ? 1 : 10) * kNsPerMs;
	while (progress_.error == 0) {
		uint64_t wanted = options_.steer == Steer::by_level ? share_of(full_) : steered();
		if (int error = move_to(wanted))
			progress_.error = error;
		if (memory_.held() == wanted && (options_.steer != Steer::by_available || steady_))
			progress_.ready = true;
		if (options_.hot && progress_.ready)
			touch_some();
		/* Filling is done at full speed, holding at leisure. */
		if (memory_.held() == wanted)
			sleep_ns(nap);
	}
	return 1;
}

uint64_t HogProcess::share_of(uint64_t bytes) const
{
	double share = std::clamp(progress_.intensity.load(), 0.0, 1.0);
	return static_cast<uint64_t>(static_cast<double>(bytes) * share) / kHogPage * kHogPage;
}

/* Up a bit at a time, so that a new wish is heard; down at once. */
int HogProcess::move_to(uint64_t wanted)
{
	constexpr uint64_t kBit = 256 * kHogPage;
	uint64_t held = memory_.held();
	if (wanted == held)
		return 0;
	int error = wanted > held ? memory_.grow(std::min(kBit, wanted - held), options_.compressibility, state_)
				  : memory_.shrink(held - wanted);
	uint64_t now = memory_.held();
	(now > held ? progress_.grown_bytes : progress_.shrunk_bytes) += now > held ? now - held : held - now;
	progress_.held_bytes = now;
	progress_.most_bytes = std::max(now, progress_.most_bytes.load());
	return error;
}

/* Hot: every page is touched again and again, so that reclaim finds it young. */
void HogProcess::touch_some()
{
	constexpr uint64_t kPagesPerNap = 256;
	uint64_t pages = memory_.held() / kHogPage;
	for (uint64_t i = 0; i < std::min(pages, kPagesPerNap); i++)
		memory_.touch(next_++ % pages);
}

/* The control loop: looks every so often, and says what to hold until the next look. */
uint64_t HogProcess::steered()
{
	constexpr int64_t kLook = 250 * kNsPerMs;
	int64_t now = now_ns();
	double intensity = std::clamp(progress_.intensity.load(), 0.0, 1.0);
	if (intensity == 0) {
		steady_ = true;
		return wanted_ = 0;
	}
	if (now - looked_ns_ < kLook || (memory_.held() != wanted_ && now - looked_ns_ < 4 * kLook))
		return wanted_;
	uint64_t before = memory_.held();
	if (options_.steer == Steer::by_available) {
		double left = 1 - intensity * (1 - options_.target);
		wanted_ = steer_by_available(before, meminfo_kib(root_, "MemAvailable"),
					     static_cast<uint64_t>(left * static_cast<double>(idle_kib_)));
		steady_ = std::max(before, wanted_) - std::min(before, wanted_) < idle_kib_ * 1024 / 50;
	} else {
		wanted_ = steer_by_psi(before, psi_since_last(now), options_.target * intensity, idle_kib_);
	}
	looked_ns_ = now;
	return wanted_ = std::min(wanted_, full_);
}

/* Percent of the time since the last look in which some task waited for memory. */
double HogProcess::psi_since_last(int64_t now)
{
	auto text = root_.read(kMemoryPressure);
	int64_t total_us = waited_us_;
	if (text)
		find_value(*text, "some ", "total=", 1, total_us);
	double share = looked_ns_ ? static_cast<double>(total_us - waited_us_) * kNsPerUs /
					    static_cast<double>(now - looked_ns_)
				  : 0;
	waited_us_ = total_us;
	return 100 * share;
}

} // namespace drmsqueeze
