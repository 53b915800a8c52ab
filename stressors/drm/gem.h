/* SPDX-License-Identifier: MIT */
#pragma once

#include <cstdint>

#include "agent/result.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

/** Owns one GEM handle of an open device, which must outlive it. */
class GemHandle
{
public:
	GemHandle() = default;
	GemHandle(int device_fd, uint32_t handle) noexcept : fd_(device_fd), handle_(handle) {}
	GemHandle(GemHandle &&other) noexcept;
	GemHandle &operator=(GemHandle &&other) noexcept;
	GemHandle(const GemHandle &) = delete;
	GemHandle &operator=(const GemHandle &) = delete;
	~GemHandle() { reset(); }

	uint32_t get() const { return handle_; }

	/** Gives it back, and says whether the kernel took it; nothing is owned any more. */
	Status close();
	/** Leaves it to the end of the device's file. */
	void leave() noexcept { handle_ = 0; }

	/** A dma-buf of this object, mappable for reading. */
	Result<UniqueFd> export_dmabuf() const;
	/** The object behind @dmabuf. A device that exported it finds its own object again, heap or not. */
	static Result<GemHandle> import_dmabuf(int device_fd, int dmabuf);

private:
	void reset() noexcept;

	int fd_ = -1;
	uint32_t handle_ = 0; /* 0 is never a handle */
};

} // namespace drmsqueeze
