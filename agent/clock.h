/* SPDX-License-Identifier: MIT */
#pragma once

#include <cstdint>

namespace drmsqueeze
{

inline constexpr int64_t kNsPerUs = 1000;
inline constexpr int64_t kNsPerMs = 1000 * 1000;
inline constexpr int64_t kNsPerS = 1000 * kNsPerMs;

/** CLOCK_MONOTONIC in nanoseconds; through the vDSO, no system call. */
int64_t now_ns();

/** CLOCK_REALTIME in nanoseconds. */
int64_t wall_ns();

void sleep_ns(int64_t ns);

/** Sleeps until CLOCK_MONOTONIC reaches @deadline_ns. */
void sleep_until_ns(int64_t deadline_ns);

/** A rate to be kept: the n-th turn begins n / rate after the first, however long the turns before it took. */
class Pace
{
public:
	/** @rate_hz 0: one turn follows the other. */
	explicit Pace(double rate_hz)
		: period_ns_(rate_hz > 0 ? static_cast<int64_t>(kNsPerS / rate_hz) : 0), due_ns_(now_ns())
	{
	}

	/** When the next turn is due; in the past where there is no rate. */
	int64_t due_ns() const { return due_ns_; }

	/** Sleeps until the next turn is due. */
	void wait()
	{
		if (period_ns_ == 0)
			return;
		sleep_until_ns(due_ns_);
		due_ns_ += period_ns_;
	}

private:
	int64_t period_ns_;
	int64_t due_ns_;
};

/**
 * Nanoseconds for a fixed piece of work: fault in 8 MiB, copy it to another 8 MiB; the best of five. Page faults and
 * copies are what a growing heap costs the CPU, so the harness divides this by a board's figure to get time_scale.
 */
int64_t calibrate_ns();

} // namespace drmsqueeze
