/* SPDX-License-Identifier: MIT */
#include "agent/clock.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>
#include <time.h>

namespace drmsqueeze
{

namespace
{

int64_t read_clock(clockid_t id)
{
	timespec ts{};
	clock_gettime(id, &ts);
	return ts.tv_sec * kNsPerS + ts.tv_nsec;
}

int64_t fault_and_copy_once()
{
	constexpr size_t kBytes = 8UL << 20;
	int64_t begin = now_ns();
	void *memory = mmap(nullptr, 2 * kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return INT64_MAX;
	/* A huge page would make one fault of five hundred. */
	madvise(memory, 2 * kBytes, MADV_NOHUGEPAGE);
	auto *bytes = static_cast<char *>(memory);
	memset(bytes, 0x5a, kBytes);
	memcpy(bytes + kBytes, bytes, kBytes);
	munmap(memory, 2 * kBytes);
	return now_ns() - begin;
}

} // namespace

int64_t now_ns()
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t wall_ns()
{
	return read_clock(CLOCK_REALTIME);
}

void sleep_ns(int64_t ns)
{
	timespec ts{.tv_sec = ns / kNsPerS, .tv_nsec = ns % kNsPerS};
	nanosleep(&ts, nullptr);
}

void sleep_until_ns(int64_t deadline_ns)
{
	timespec ts{.tv_sec = deadline_ns / kNsPerS, .tv_nsec = deadline_ns % kNsPerS};
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, nullptr) != 0)
		;
}

int64_t calibrate_ns()
{
	int64_t best = INT64_MAX;
	for (int round = 0; round < 5; round++)
		best = std::min(best, fault_and_copy_once());
	return best;
}

} // namespace drmsqueeze
