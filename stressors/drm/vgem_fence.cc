/* SPDX-License-Identifier: MIT */
#include "stressors/drm/vgem_fence.h"

#include <cerrno>
#include <utility>
#include <xf86drm.h>

#include <vgem_drm.h>

namespace drmsqueeze
{

Result<VgemFence> VgemFence::attach(int device_fd, uint32_t handle, bool write)
{
	drm_vgem_fence_attach args{};
	args.handle = handle;
	args.flags = write ? VGEM_FENCE_WRITE : 0;
	if (drmIoctl(device_fd, DRM_IOCTL_VGEM_FENCE_ATTACH, &args) != 0)
		return error_of("VGEM_FENCE_ATTACH");
	return VgemFence(device_fd, args.out_fence);
}

VgemFence::VgemFence(VgemFence &&other) noexcept : fd_(other.fd_), fence_(std::exchange(other.fence_, 0)) {}

VgemFence &VgemFence::operator=(VgemFence &&other) noexcept
{
	if (this != &other) {
		static_cast<void>(signal());
		fd_ = other.fd_;
		fence_ = std::exchange(other.fence_, 0);
	}
	return *this;
}

Status VgemFence::signal() noexcept
{
	drm_vgem_fence_signal args{};
	args.fence = std::exchange(fence_, 0);
	if (args.fence == 0)
		return Error{ENOENT, "signalled before"};
	if (drmIoctl(fd_, DRM_IOCTL_VGEM_FENCE_SIGNAL, &args) != 0)
		return error_of("VGEM_FENCE_SIGNAL");
	return {};
}

} // namespace drmsqueeze
