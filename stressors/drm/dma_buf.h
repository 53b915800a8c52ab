/* SPDX-License-Identifier: MIT */
#pragma once

#include <cstdint>

#include "agent/result.h"
#include "agent/unique_fd.h"
#include "stressors/drm/sync.h"

namespace drmsqueeze
{

/** Who uses a buffer: DMA_BUF_SYNC_READ and DMA_BUF_SYNC_WRITE of include/uapi/linux/dma-buf.h. */
enum class Access : uint32_t { none = 0, read = 1, write = 2, both = 3 };

/** Owns the descriptor of a dma-buf. */
class DmaBuf
{
public:
	DmaBuf() = default;
	explicit DmaBuf(UniqueFd fd) : fd_(std::move(fd)) {}

	int fd() const { return fd_.get(); }

	/**
	 * The fences that are to be waited for before one reads (those of writers) or writes (all) as one sync file; a
	 * signalled one where there is none.
	 */
	Result<SyncFile> export_sync_file(Access access) const;
	/** Adds each fence of @file as one of a reader or a writer. */
	Status import_sync_file(const SyncFile &file, Access access) const;

	/** Begins or ends access by the CPU; beginning waits for the fences that stand against it. 0 or an errno. */
	int begin_access(Access access) const;
	int end_access(Access access) const;

	/** Up to 31 characters for /sys/kernel/debug/dma_buf/bufinfo. */
	Status set_name(const char *name) const;

	/** poll(): until it may be read (POLLIN), or written (POLLOUT). 0, ETIME, EINTR or another errno. */
	int wait(Access access, int64_t until_ns) const;

private:
	UniqueFd fd_;
};

} // namespace drmsqueeze
