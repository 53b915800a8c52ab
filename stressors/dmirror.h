/* SPDX-License-Identifier: MIT */
/*
 * The kernel's test device for shared page tables (module test_hmm, lib/test_hmm.c): a device that reads and writes
 * the memory of the process which opened it, through page tables of its own that follow the process's. What it has no
 * page for it faults in, as a GPU's driver would. Its "device memory" is ordinary memory.
 */
#pragma once

#include <cstdint>

#include "agent/result.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

class Dmirror
{
public:
	static constexpr const char *kFile = "/dev/hmm_dmirror0";

	/** Of the calling process, which must not fork afterwards. */
	static Result<Dmirror> open();

	/*
	 * All work on @pages whole pages at @address, and copy from or to @buffer. A positive errno, for which the
	 * caller tries again: ENOMEM; EBUSY: somebody else changed the address space for a second.
	 */
	int write(void *address, const void *buffer, uint64_t pages) const;
	int read(const void *address, void *buffer, uint64_t pages) const;
	/** Moves them to the device's memory; ENOENT: not all could be moved. */
	int migrate_to_device(void *address, void *buffer, uint64_t pages) const;

private:
	explicit Dmirror(UniqueFd fd) : fd_(std::move(fd)) {}
	int command(unsigned long number, const void *address, const void *buffer, uint64_t pages) const;

	UniqueFd fd_;
};

} // namespace drmsqueeze
