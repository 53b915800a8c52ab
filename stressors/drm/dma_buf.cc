/* SPDX-License-Identifier: MIT */
#include "stressors/drm/dma_buf.h"

#include <cerrno>
#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <xf86drm.h>

namespace drmsqueeze
{

Result<SyncFile> DmaBuf::export_sync_file(Access access) const
{
	dma_buf_export_sync_file args{.flags = static_cast<uint32_t>(access), .fd = -1};
	if (drmIoctl(fd_.get(), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &args) != 0)
		return error_of("DMA_BUF_IOCTL_EXPORT_SYNC_FILE");
	return SyncFile(UniqueFd(args.fd));
}

Status DmaBuf::import_sync_file(const SyncFile &file, Access access) const
{
	dma_buf_import_sync_file args{.flags = static_cast<uint32_t>(access), .fd = file.fd()};
	if (drmIoctl(fd_.get(), DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &args) != 0)
		return error_of("DMA_BUF_IOCTL_IMPORT_SYNC_FILE");
	return {};
}

int DmaBuf::begin_access(Access access) const
{
	dma_buf_sync args{.flags = DMA_BUF_SYNC_START | static_cast<uint64_t>(access)};
	return ioctl(fd_.get(), DMA_BUF_IOCTL_SYNC, &args) == 0 ? 0 : errno;
}

int DmaBuf::end_access(Access access) const
{
	dma_buf_sync args{.flags = DMA_BUF_SYNC_END | static_cast<uint64_t>(access)};
	return drmIoctl(fd_.get(), DMA_BUF_IOCTL_SYNC, &args) == 0 ? 0 : errno;
}

Status DmaBuf::set_name(const char *name) const
{
	if (drmIoctl(fd_.get(), DMA_BUF_SET_NAME_B, const_cast<char *>(name)) != 0)
		return error_of("DMA_BUF_SET_NAME");
	return {};
}

int DmaBuf::wait(Access access, int64_t until_ns) const
{
	return poll_until(fd_.get(), access == Access::read ? POLLIN : POLLOUT, until_ns);
}

} // namespace drmsqueeze
