/* SPDX-License-Identifier: MIT */
/*
 * vmwgfx: VMware's card, managed by TTM. The one that QEMU has knows neither MOBs nor command buffers, so there is
 * nothing to submit: BOs are made by DRM_IOCTL_VMW_ALLOC_DMABUF, in VRAM where there is room, else in system memory
 * (vmw_gem_object_create_with_handle). Freed system pages go to TTM's page pool (see targets.py). Through the primary
 * node, since MODE_MAP_DUMB is not for render nodes.
 */
#include <cstring>
#include <limits>
#include <xf86drm.h>

#include <vmwgfx_drm.h>

#include "stressors/drivers/dumb.h"

namespace drmsqueeze
{

namespace
{

class VmwgfxContext : public DumbContext
{
public:
	using DumbContext::DumbContext;

	Result<std::unique_ptr<Buffer>> create_buffer(uint64_t bytes) override
	{
		if (bytes > std::numeric_limits<uint32_t>::max())
			return Error{EINVAL, "VMW_ALLOC_DMABUF: sizes have 32 bits"};
		drm_vmw_alloc_dmabuf_arg args{};
		args.req.size = static_cast<uint32_t>(bytes);
		if (int error = drmCommandWriteRead(fd(), DRM_VMW_ALLOC_DMABUF, &args, sizeof(args)))
			return Error{-error, std::string("VMW_ALLOC_DMABUF: ") + strerror(-error)};
		return adopt(args.rep.handle, bytes);
	}
};

Result<std::unique_ptr<Context>> open_vmwgfx()
{
	auto device = Device::open("vmwgfx", DrmNode::primary);
	if (!device)
		return device.error();
	return std::unique_ptr<Context>(new VmwgfxContext(std::move(*device)));
}

} // namespace

extern const Driver kVmwgfx;
const Driver kVmwgfx = {"vmwgfx", "vmwgfx", {}, kNoJobs, open_vmwgfx};

} // namespace drmsqueeze
