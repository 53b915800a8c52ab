/* SPDX-License-Identifier: MIT */
/*
 * qxl: QEMU's paravirtual card, managed by TTM. DRM_IOCTL_QXL_ALLOC makes a BO in VRAM, and where that is full TTM
 * first moves the least recently used BO to system memory (ttm_bo_evict): page limit, swap-out, ENOMEM and the OOM
 * killer all lie on that way. A BO that was moved out stays out. Dumb buffers would begin in system memory
 * (qxl_mode_dumb_create). There is a primary node only, and its ioctls want an authenticated file, which root's is
 * (drm_file_alloc).
 */
#include <limits>
#include <xf86drm.h>

#include <qxl_drm.h>

#include "stressors/drivers/dumb.h"

namespace drmsqueeze
{

namespace
{

class QxlContext : public DumbContext
{
public:
	using DumbContext::DumbContext;

	Result<std::unique_ptr<Buffer>> create_buffer(uint64_t bytes) override
	{
		if (bytes > std::numeric_limits<uint32_t>::max())
			return Error{EINVAL, "QXL_ALLOC: sizes have 32 bits"};
		drm_qxl_alloc args{};
		args.size = static_cast<uint32_t>(bytes);
		/* Whatever went wrong, qxl_alloc_ioctl() says ENOMEM. */
		if (drmIoctl(fd(), DRM_IOCTL_QXL_ALLOC, &args) != 0)
			return error_of("QXL_ALLOC");
		return adopt(args.handle, bytes);
	}
};

Result<std::unique_ptr<Context>> open_qxl()
{
	auto device = Device::open("qxl", DrmNode::primary);
	if (!device)
		return device.error();
	return std::unique_ptr<Context>(new QxlContext(std::move(*device)));
}

} // namespace

extern const Driver kQxl;
const Driver kQxl = {"qxl", "qxl", {}, kNoJobs, open_qxl};

} // namespace drmsqueeze
