/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/lima_client.h"

#include <xf86drm.h>

#include <lima_drm.h>

namespace drmsqueeze
{

Result<uint32_t> LimaClient::context(uint32_t group)
{
	std::lock_guard guard(lock_);
	if (auto known = contexts_.find(group); known != contexts_.end())
		return known->second;
	drm_lima_ctx_create args{};
	if (drmIoctl(fd_, DRM_IOCTL_LIMA_CTX_CREATE, &args) != 0)
		return error_of("LIMA_CTX_CREATE");
	return contexts_.emplace(group, args.id).first->second;
}

Status LimaClient::free_context(uint32_t group)
{
	std::lock_guard guard(lock_);
	auto known = contexts_.find(group);
	if (known == contexts_.end())
		return {};
	drm_lima_ctx_free args{};
	args.id = known->second;
	contexts_.erase(known);
	return drmIoctl(fd_, DRM_IOCTL_LIMA_CTX_FREE, &args) == 0 ? Status() : Status(error_of("LIMA_CTX_FREE"));
}

} // namespace drmsqueeze
