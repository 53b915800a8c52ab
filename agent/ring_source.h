/* SPDX-License-Identifier: MIT */
/* Where the ring lies: the memory of an ivshmem-plain device, or a file. */
#pragma once

#include <string>

#include "agent/result.h"
#include "agent/root.h"

namespace drmsqueeze
{

/** Memory that stays mapped until the process ends: the ring must be writable to the last. */
struct RingMemory {
	void *base = nullptr;
	uint64_t bytes = 0;
};

/**
 * The file through which user space maps BAR 2 of the first PCI device 1af4:1110 (QEMU's ivshmem;
 * docs/specs/ivshmem-spec of QEMU), or ENODEV.
 */
Result<std::string> find_ivshmem(const Root &root);

Result<RingMemory> map_ring(const std::string &file);

/** The memory of @asked, or of the ivshmem device where it is empty. */
Result<RingMemory> open_ring_memory(const std::string &asked);

} // namespace drmsqueeze
