/* SPDX-License-Identifier: MIT */
#include "stressors/drm/device.h"

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <xf86drm.h>

namespace drmsqueeze
{

namespace
{

/* Minors of drivers/gpu/drm/drm_drv.c: 64 of each type. */
constexpr struct {
	const char *prefix;
	int first;
} kNodes[] = {{"/dev/dri/renderD", 128}, {"/dev/dri/card", 0}};
constexpr int kMinors = 64;

} // namespace

Result<Device> Device::open(const std::string &driver, DrmNode node)
{
	const auto &range = kNodes[node == DrmNode::primary];
	for (int minor = range.first; minor < range.first + kMinors; minor++) {
		UniqueFd fd(::open((range.prefix + std::to_string(minor)).c_str(), O_RDWR | O_CLOEXEC));
		if (!fd.valid())
			continue;
		std::unique_ptr<drmVersion, decltype(&drmFreeVersion)> version(drmGetVersion(fd.get()), drmFreeVersion);
		if (version && driver == version->name)
			return Device(std::move(fd));
	}
	return Error{ENODEV,
		     "no " + std::string(node == DrmNode::render ? "render" : "primary") + " node of driver " + driver};
}

} // namespace drmsqueeze
