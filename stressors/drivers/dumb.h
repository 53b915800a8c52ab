/* SPDX-License-Identifier: MIT */
/* What drivers have in common whose BOs are mapped as dumb buffers are, whatever ioctl made them. */
#pragma once

#include "stressors/drivers/driver.h"
#include "stressors/drm/device.h"
#include "stressors/drm/gem.h"

namespace drmsqueeze
{

/** A BO that DRM_IOCTL_MODE_MAP_DUMB finds: any GEM object of a driver that has it. */
class DumbBuffer : public Buffer
{
public:
	DumbBuffer(int fd, GemHandle gem, uint64_t bytes) : fd_(fd), gem_(std::move(gem)), bytes_(bytes) {}

	uint64_t bytes() const override { return bytes_; }
	uint32_t handle() const override { return gem_.get(); }
	Result<UniqueFd> export_dmabuf() const override { return gem_.export_dmabuf(); }
	Result<Mapping> map() override;

private:
	int fd_;
	GemHandle gem_;
	uint64_t bytes_;
};

class DumbContext : public Context
{
public:
	explicit DumbContext(Device device) : device_(std::move(device)) {}

	int fd() const override { return device_.fd(); }
	Result<std::unique_ptr<Buffer>> create_buffer(uint64_t bytes) override;
	Result<std::unique_ptr<Buffer>> import_dmabuf(int dmabuf, uint64_t bytes) override;

protected:
	/** What a driver's own ioctl has made. */
	std::unique_ptr<Buffer> adopt(uint32_t gem_handle, uint64_t bytes) const;

private:
	Device device_;
};

/* They have no jobs of their own; a fence of another driver that fails on them is just that. */
inline constexpr OutcomeRule kNoJobs[] = {{0, TimeoutRole::none, Fate::failed, false, 0, "fence error"}};

} // namespace drmsqueeze
