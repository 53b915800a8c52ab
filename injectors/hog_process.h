/* SPDX-License-Identifier: MIT */
/* What a hog does in its own process. */
#pragma once

#include <atomic>
#include <cstdint>

#include "agent/root.h"
#include "injectors/hog.h"

namespace drmsqueeze
{

inline constexpr const char *kMemoryPressure = "/proc/pressure/memory";

enum class Steer { by_level, by_available, by_psi };

struct HogOptions {
	double compressibility;
	bool hot;
	bool locked;
	Steer steer;
	double target; /* of MemAvailable a share of the idle one; of PSI some percent of the time */
};

/** What guardian and hog tell each other: in shared memory. */
struct HogProgress {
	std::atomic<double> intensity;
	std::atomic<uint64_t> held_bytes;
	std::atomic<uint64_t> most_bytes; /* held at any time */
	std::atomic<uint64_t> grown_bytes;
	std::atomic<uint64_t> shrunk_bytes;
	std::atomic<bool> ready; /* holds, for the first time, what it should */
	std::atomic<int> error;
};

/** Holds, touches and steers. */
class HogProcess
{
public:
	HogProcess(const HogOptions &options, const Root &root, HogMemory memory, uint64_t full, uint64_t idle_kib,
		   uint64_t seed, HogProgress &progress)
		: options_(options), root_(root), memory_(memory), full_(full), idle_kib_(idle_kib),
		  state_(seed * 2 + 1), progress_(progress)
	{
	}

	/** Until it is killed, or cannot go on: then with the errno in the progress. */
	int run();

private:
	uint64_t share_of(uint64_t bytes) const;
	int move_to(uint64_t wanted);
	void touch_some();
	uint64_t steered();
	double psi_since_last(int64_t now);

	const HogOptions &options_;
	const Root &root_;
	HogMemory memory_;
	uint64_t full_; /* bytes: what it holds at intensity 1, or when it steers at most */
	uint64_t idle_kib_;
	uint64_t state_;
	HogProgress &progress_;
	uint64_t next_ = 0; /* page to touch */
	uint64_t wanted_ = 0;
	int64_t looked_ns_ = 0;
	int64_t waited_us_ = 0;
	bool steady_ = false;
};

} // namespace drmsqueeze
