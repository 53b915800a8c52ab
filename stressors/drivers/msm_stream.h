/* SPDX-License-Identifier: MIT */
/*
 * Packets of an Adreno a2xx's command processor: writes to memory without any shader. Numbers: the kernel's
 * drivers/gpu/drm/msm/registers/adreno/adreno_pm4.xml; a3xx and a4xx have the same packets, later ones longer
 * addresses.
 */
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "stressors/drivers/driver.h"

namespace drmsqueeze
{

class MsmStream
{
public:
	static constexpr uint32_t kMemWrite = 0x3d; /* CP_MEM_WRITE: address, values */

	/* Words of a stream of one write that hold addresses: the write's own, and that of the count. */
	static constexpr uint32_t kAddressWord = 1;
	static constexpr uint32_t kProgressWord = 5;

	/** The header of a type 3 packet with @words behind it. */
	static constexpr uint32_t packet3(uint32_t opcode, uint32_t words)
	{
		return 3U << 30 | (words - 1) << 16 | opcode << 8;
	}

	/** How many words a job of so many writes takes. */
	static constexpr unsigned words_for(unsigned writes) { return writes * kWordsOfWrite; }

	/** @writes in order; behind each, how many have been done is written to @progress, 32 bits. */
	static std::vector<uint32_t> of_writes(std::span<const GpuWrite> writes, uint64_t progress);

private:
	static constexpr unsigned kWordsOfWrite = 7;
};

} // namespace drmsqueeze
