/* SPDX-License-Identifier: MIT */
/* Fences that a sweep makes by hand: points on a timeline of sw_sync (no uAPI header; drivers/dma-buf/sw_sync.c). */
#pragma once

#include <cstdint>
#include <sys/ioctl.h>

#include "agent/result.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

inline constexpr const char *kSwSync = "/sys/kernel/debug/sync/sw_sync";

struct SwSyncCreate {
	uint32_t value;
	char name[32];
	int32_t fence;
};

struct SwSyncDeadline {
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
	uint32_t pad;
	int32_t fence;
};

inline constexpr unsigned long kSwSyncCreate = _IOWR('W', 0, SwSyncCreate);
inline constexpr unsigned long kSwSyncInc = _IOW('W', 1, uint32_t);
inline constexpr unsigned long kSwSyncGetDeadline = _IOWR('W', 2, SwSyncDeadline);

/** A sync file that signals when @timeline comes to @value: 0 or errno. */
int create_point(int timeline, uint32_t value, UniqueFd &fence);

/** Moves @timeline on: 0 or errno. */
int move_on(int timeline, uint32_t by);

/** Signals soon, without an error. */
Status wait_for_sync_file(int fd);

} // namespace drmsqueeze
