/* SPDX-License-Identifier: MIT */
/* What the operations of all DRM drivers need: open files and dma-bufs, each call with its plain errno. */
#pragma once

#include <cstdint>
#include <string>

#include "agent/result.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

/**
 * A node of @driver, the primary one if it may be opened: dumb buffers are not for render nodes. Empty: none. Found
 * once.
 */
const std::string &node_of_driver(const char *driver);

/** Opens it anew: 0 or errno. */
int open_driver(const char *driver, UniqueFd &file);

/** Empty, or that the driver is not there. */
std::string driver_missing(const char *driver);

/** A dma-buf of @handle; none when that fails. */
UniqueFd export_handle(int file, uint32_t handle);

/** DRM_IOCTL_PRIME_FD_TO_HANDLE: 0 or errno. */
int import_handle(int file, int dmabuf, uint32_t &handle);

} // namespace drmsqueeze
