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

/**
 * Nanoseconds for a fixed piece of work: fault in 8 MiB, copy it to another 8 MiB; the best of five. Page faults and
 * copies are what a growing heap costs the CPU, so the harness divides this by a board's figure to get time_scale.
 */
int64_t calibrate_ns();

} // namespace drmsqueeze
