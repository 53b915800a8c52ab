/* SPDX-License-Identifier: MIT */
#pragma once

#include <cstdint>

#include "agent/result.h"
#include "agent/unique_fd.h"
#include "stressors/drm/sync.h"

namespace drmsqueeze
{

/**
 * Owns a timeline of sw_sync (drivers/dma-buf/sw_sync.c): fences that user space signals. It begins at 0. Nothing
 * bounds a fence of it but the end of the timeline, which signals all that are pending with -ENOENT.
 */
class SwSyncTimeline
{
public:
	/** ENOENT where the kernel has no CONFIG_SW_SYNC, or debugfs is not mounted. */
	static Result<SwSyncTimeline> open();

	/** A fence that signals when the timeline has reached @value. */
	Result<SyncFile> create_fence(uint32_t value) const;
	Status increment(uint32_t by) const;
	void close() { fd_.reset(); }

private:
	explicit SwSyncTimeline(UniqueFd fd) : fd_(std::move(fd)) {}

	UniqueFd fd_;
};

} // namespace drmsqueeze
