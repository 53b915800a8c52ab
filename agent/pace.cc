/* SPDX-License-Identifier: MIT */
#include "agent/pace.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "agent/clock.h"

namespace drmsqueeze
{

int64_t pace_ns(double seconds)
{
	auto length_ns = static_cast<int64_t>(seconds * static_cast<double>(kNsPerS));
	std::atomic<int64_t> pieces = 0;
	std::vector<std::thread> threads;
	unsigned cpus = std::max(1U, std::thread::hardware_concurrency());
	int64_t begin = now_ns();
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		threads.emplace_back([&] {
			do {
				calibrate_ns();
				pieces++;
			} while (now_ns() - begin < length_ns);
		});
	for (std::thread &thread : threads)
		thread.join();
	return (now_ns() - begin) * cpus / pieces;
}

} // namespace drmsqueeze
