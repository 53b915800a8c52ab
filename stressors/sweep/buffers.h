/* SPDX-License-Identifier: MIT */
/* dma-bufs that a sweep makes without a DRM driver, and what anybody can do with one. */
#pragma once

#include <cstdint>

#include "agent/result.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

inline constexpr const char *kSystemHeap = "/dev/dma_heap/system";
inline constexpr const char *kUdmabuf = "/dev/udmabuf";
inline constexpr uint64_t kBufferBytes = 16 * 1024; /* each page is a point of the sweep */

/** A buffer of the system heap: 0 or errno. */
int allocate_heap(int heap, UniqueFd &dmabuf);

/** A buffer of the system heap. */
Status make_dmabuf(UniqueFd &dmabuf);

/** Every page can be written and read through a mapping of @fd. */
Status try_pages(int fd, uint64_t bytes = kBufferBytes);

/** try_pages() as the second client has it. */
Status try_dmabuf(int fd);

} // namespace drmsqueeze
