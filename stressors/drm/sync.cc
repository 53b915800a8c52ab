/* SPDX-License-Identifier: MIT */
#include "stressors/drm/sync.h"

#include <cerrno>
#include <cstring>
#include <linux/sync_file.h>
#include <sys/ioctl.h>
#include <utility>
#include <xf86drm.h>

namespace drmsqueeze
{

Result<FenceStatus> SyncFile::status() const
{
	sync_file_info info{}; /* num_fences 0: the sum of all, no list */
	if (drmIoctl(fd_.get(), SYNC_IOC_FILE_INFO, &info) != 0)
		return Error{errno, std::string("SYNC_IOC_FILE_INFO: ") + strerror(errno)};
	return FenceStatus{info.status};
}

Result<Syncobj> Syncobj::create(int device_fd)
{
	uint32_t handle = 0;
	if (drmSyncobjCreate(device_fd, 0, &handle) != 0)
		return Error{errno, std::string("syncobj: ") + strerror(errno)};
	return Syncobj(device_fd, handle);
}

Syncobj::Syncobj(Syncobj &&other) noexcept : fd_(other.fd_), handle_(std::exchange(other.handle_, 0)) {}

Syncobj &Syncobj::operator=(Syncobj &&other) noexcept
{
	if (this != &other) {
		reset();
		fd_ = other.fd_;
		handle_ = std::exchange(other.handle_, 0);
	}
	return *this;
}

int Syncobj::wait(int64_t until_ns) const
{
	uint32_t handle = handle_;
	/* libdrm returns the negative errno here, unlike elsewhere. */
	return -drmSyncobjWait(fd_, &handle, 1, until_ns, 0, nullptr);
}

Result<SyncFile> Syncobj::export_sync_file() const
{
	int fd = -1;
	if (drmSyncobjExportSyncFile(fd_, handle_, &fd) != 0)
		return Error{errno, std::string("export of a sync file: ") + strerror(errno)};
	return SyncFile(UniqueFd(fd));
}

void Syncobj::reset() noexcept
{
	if (handle_)
		drmSyncobjDestroy(fd_, handle_);
	handle_ = 0;
}

} // namespace drmsqueeze
