/* SPDX-License-Identifier: MIT */
/*
 * A guest that is saved before its run, and restored for each: what happens in it between the two. Nothing of the run
 * may be in the guest by then, and two runs from one saved guest must not draw the same random numbers.
 */
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "agent/ring_layout.h"

namespace drmsqueeze
{

/** Whether the host has laid out the ring; it writes the magic last. */
bool laid_out(const RingHeader &header);

/** What a run's seed gives the kernel's random number generator: 64 bytes, other ones for every seed. */
std::array<uint32_t, 16> seed_bytes(uint64_t seed);

/**
 * Returns when a request lies in the ring (in @file, or in the ivshmem device's memory where it is empty), after mixing
 * the run's seed into the kernel's random numbers. A process's exit status: 0, or 3 where there is no ring.
 */
int await_request(const std::string &file);

} // namespace drmsqueeze
