/* SPDX-License-Identifier: MIT */
#include "stressors/drm/device.h"

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <xf86drm.h>

namespace drmsqueeze
{

Result<Device> Device::open(const std::string &driver)
{
	/* DRM_MINOR_RENDER's range in drivers/gpu/drm/drm_drv.c. */
	constexpr int kFirstRenderNode = 128;
	constexpr int kLastRenderNode = 191;
	for (int minor = kFirstRenderNode; minor <= kLastRenderNode; minor++) {
		std::string node = "/dev/dri/renderD" + std::to_string(minor);
		UniqueFd fd(::open(node.c_str(), O_RDWR | O_CLOEXEC));
		if (!fd.valid())
			continue;
		std::unique_ptr<drmVersion, decltype(&drmFreeVersion)> version(drmGetVersion(fd.get()), drmFreeVersion);
		if (version && driver == version->name)
			return Device(std::move(fd));
	}
	return Error{ENODEV, "no render node of driver " + driver};
}

} // namespace drmsqueeze
