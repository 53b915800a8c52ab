/* SPDX-License-Identifier: MIT */
/* Exporters of dma-bufs that are no GPU drivers. */
#pragma once

#include <cstdint>

#include "agent/result.h"
#include "agent/unique_fd.h"
#include "stressors/drm/dma_buf.h"

namespace drmsqueeze
{

/** /dev/udmabuf: dma-bufs of the pages of a memfd, which are pinned as long as the dma-buf lives. */
class Udmabuf
{
public:
	static Result<Udmabuf> open();
	/** @bytes is a multiple of the page size, and at most the module's size_limit_mb. */
	Result<DmaBuf> create(uint64_t bytes) const;

private:
	explicit Udmabuf(UniqueFd fd) : fd_(std::move(fd)) {}

	UniqueFd fd_;
};

/** /dev/dma_heap/system: dma-bufs of pages of their own, charged to nobody. */
class DmaHeap
{
public:
	static Result<DmaHeap> open();
	Result<DmaBuf> create(uint64_t bytes) const;

private:
	explicit DmaHeap(UniqueFd fd) : fd_(std::move(fd)) {}

	UniqueFd fd_;
};

} // namespace drmsqueeze
