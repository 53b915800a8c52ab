/* SPDX-License-Identifier: MIT */
/*
 * Carries records to a harness that shares no memory with this machine: a process at the end of an ssh connection. It
 * may be killed and started again at any time: what was sent and not acknowledged is still in the ring.
 */
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>

namespace drmsqueeze
{

/** What the harness writes in place of a sequence number to have the run ended. */
inline constexpr uint64_t kStopWanted = UINT64_MAX;

/**
 * Writes the records of the ring in @file, from sequence number @from on, to @out as they lie there (128 bytes each,
 * ring_layout.h), until @in is at its end, or @agent is gone and nothing more comes. From @in it reads 64-bit
 * little-endian sequence numbers: all records up to there are on the harness's disk. A process's exit status: 0, or 3
 * where there is no ring or nobody reads.
 */
int send_records(const std::string &file, uint64_t from, pid_t agent, int in, int out);

} // namespace drmsqueeze
