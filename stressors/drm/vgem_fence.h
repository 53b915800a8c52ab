/* SPDX-License-Identifier: MIT */
#pragma once

#include <cstdint>

#include "agent/result.h"

namespace drmsqueeze
{

/** Owns a fence of vgem that is attached to a buffer. It signals at the latest after 10 s (vgem_fence.c). */
class VgemFence
{
public:
	/**
	 * As a writer's or a reader's. EBUSY while a fence of the buffer stands against it. @device_fd must outlive it.
	 */
	static Result<VgemFence> attach(int device_fd, uint32_t handle, bool write);

	VgemFence(VgemFence &&other) noexcept;
	VgemFence &operator=(VgemFence &&other) noexcept;
	VgemFence(const VgemFence &) = delete;
	VgemFence &operator=(const VgemFence &) = delete;
	~VgemFence() { static_cast<void>(signal()); }

	/** ENOENT the second time; ETIMEDOUT when its 10 s were over first. */
	Status signal() noexcept;

private:
	VgemFence(int fd, uint32_t fence) : fd_(fd), fence_(fence) {}

	int fd_;
	uint32_t fence_; /* 0 is never a fence */
};

} // namespace drmsqueeze
