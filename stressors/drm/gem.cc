/* SPDX-License-Identifier: MIT */
#include "stressors/drm/gem.h"

#include <cerrno>
#include <fcntl.h>
#include <utility>
#include <xf86drm.h>

namespace drmsqueeze
{

GemHandle::GemHandle(GemHandle &&other) noexcept : fd_(other.fd_), handle_(std::exchange(other.handle_, 0)) {}

GemHandle &GemHandle::operator=(GemHandle &&other) noexcept
{
	if (this != &other) {
		reset();
		fd_ = other.fd_;
		handle_ = std::exchange(other.handle_, 0);
	}
	return *this;
}

Result<UniqueFd> GemHandle::export_dmabuf() const
{
	int fd = -1;
	if (drmPrimeHandleToFD(fd_, handle_, DRM_CLOEXEC, &fd) != 0)
		return error_of("export of a dma-buf");
	return UniqueFd(fd);
}

Result<GemHandle> GemHandle::import_dmabuf(int device_fd, int dmabuf)
{
	uint32_t handle = 0;
	if (drmPrimeFDToHandle(device_fd, dmabuf, &handle) != 0)
		return error_of("import of a dma-buf");
	return GemHandle(device_fd, handle);
}

Status GemHandle::close()
{
	const uint32_t handle = std::exchange(handle_, 0);
	return drmCloseBufferHandle(fd_, handle) == 0 ? Status() : Status(error_of("GEM_CLOSE"));
}

void GemHandle::reset() noexcept
{
	if (handle_)
		drmCloseBufferHandle(fd_, handle_);
	handle_ = 0;
}

} // namespace drmsqueeze
