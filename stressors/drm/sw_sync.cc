/* SPDX-License-Identifier: MIT */
#include "stressors/drm/sw_sync.h"

#include <cerrno>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <xf86drm.h>

namespace drmsqueeze
{

namespace
{

constexpr const char *kFile = "/sys/kernel/debug/sync/sw_sync";

/* No header of the kernel has them: drivers/dma-buf/sw_sync.c. */
struct CreateFence {
	uint32_t value;
	char name[32];
	int32_t fence;
};
constexpr unsigned long kCreateFence = _IOWR('W', 0, CreateFence);
constexpr unsigned long kIncrement = _IOW('W', 1, uint32_t);

} // namespace

Result<SwSyncTimeline> SwSyncTimeline::open()
{
	UniqueFd fd(::open(kFile, O_RDWR | O_CLOEXEC));
	if (!fd.valid())
		return error_of(kFile);
	return SwSyncTimeline(std::move(fd));
}

Result<SyncFile> SwSyncTimeline::create_fence(uint32_t value) const
{
	CreateFence args{.value = value, .name = "drmsqueeze", .fence = -1};
	if (drmIoctl(fd_.get(), kCreateFence, &args) != 0)
		return error_of("SW_SYNC_IOC_CREATE_FENCE");
	return SyncFile(UniqueFd(args.fence));
}

Status SwSyncTimeline::increment(uint32_t by) const
{
	if (drmIoctl(fd_.get(), kIncrement, &by) != 0)
		return error_of("SW_SYNC_IOC_INC");
	return {};
}

} // namespace drmsqueeze
