/* SPDX-License-Identifier: MIT */
/* What TTM tells of itself in debugfs: drivers/gpu/drm/ttm/ttm_device.c, ttm_pool.c, ttm_tt.c, ttm_resource.c. */
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/result.h"
#include "agent/root.h"

namespace drmsqueeze
{

/** Where the machine stands; of all devices that TTM manages, except the VRAM. */
struct TtmState {
	int64_t buffer_objects = 0;
	int64_t pool_pages = 0; /* freed pages that TTM keeps */
	int64_t shmem_kib = 0; /* what is swapped out lies in shmem files, and counts here until it goes to real swap */
	int64_t vram_kib = 0;  /* used, of one device */
};

/** The bytes in a manager's "usage:" line (ttm_resource_manager_debug). */
std::optional<int64_t> manager_usage(const std::string &text);

class TtmFiles
{
public:
	/** @vram is the path of a device's VRAM manager in debugfs; empty where there is none. */
	explicit TtmFiles(Root root, std::string vram = {}) : root_(std::move(root)), vram_(std::move(vram)) {}

	/** Empty, or why there is nothing to read. */
	std::string missing() const;

	/** What cannot be read is 0. */
	TtmState read() const;
	int64_t vram_bytes() const;

	/**
	 * Has TTM swap out the least recently used BO that it can (ttm_global_swapout): its pages, 0 when there was
	 * none.
	 */
	Result<uint64_t> swap_out() const;

private:
	Root root_;
	std::string vram_;
};

/** The VRAM manager of the device whose primary node is @minor, as a path; empty where there is none. */
std::string vram_manager(const Root &root, unsigned minor);

/** Whether new BOs go to this VRAM, and push others out of it, instead of beginning in system memory. */
bool new_evicts(std::string_view vram_manager);

} // namespace drmsqueeze
