/* SPDX-License-Identifier: MIT */
/*
 * Drivers that are driven through the common dumb-buffer ioctls of their primary node: they take memory, and have no
 * jobs. A dumb buffer is asked for as rows of 4096 bytes (1024 pixels of 32 bits), which no driver pads.
 */
#include <cstring>
#include <sys/mman.h>
#include <xf86drm.h>

#include "stressors/drivers/driver.h"
#include "stressors/drm/device.h"
#include "stressors/drm/gem.h"
#include "stressors/drm/mapping.h"

namespace drmsqueeze
{

namespace
{

constexpr uint32_t kRowPixels = 1024;
constexpr uint32_t kPixelBits = 32;
constexpr uint64_t kRowBytes = kRowPixels * kPixelBits / 8;

class DumbBuffer : public Buffer
{
public:
	DumbBuffer(int fd, GemHandle gem, uint64_t bytes) : fd_(fd), gem_(std::move(gem)), bytes_(bytes) {}

	uint64_t bytes() const override { return bytes_; }
	uint32_t handle() const override { return gem_.get(); }
	Result<UniqueFd> export_dmabuf() const override { return gem_.export_dmabuf(); }

	Result<Mapping> map() override
	{
		drm_mode_map_dumb args{};
		args.handle = gem_.get();
		if (drmIoctl(fd_, DRM_IOCTL_MODE_MAP_DUMB, &args) != 0)
			return Error{errno, std::string("MODE_MAP_DUMB: ") + strerror(errno)};
		return Mapping::create(fd_, static_cast<off_t>(args.offset), bytes_, PROT_READ | PROT_WRITE);
	}

	Result<uint64_t> read64(uint64_t offset) override
	{
		if (!view_.valid()) {
			auto view = map();
			if (!view)
				return view.error();
			view_ = std::move(*view);
		}
		return view_.load64(offset);
	}

private:
	int fd_;
	GemHandle gem_;
	uint64_t bytes_;
	Mapping view_;
};

class DumbContext : public Context
{
public:
	explicit DumbContext(Device device) : device_(std::move(device)) {}

	int fd() const override { return device_.fd(); }

	Result<std::unique_ptr<Buffer>> create_buffer(uint64_t bytes) override
	{
		drm_mode_create_dumb args{};
		args.width = kRowPixels;
		args.height = static_cast<uint32_t>((bytes + kRowBytes - 1) / kRowBytes);
		args.bpp = kPixelBits;
		if (drmIoctl(device_.fd(), DRM_IOCTL_MODE_CREATE_DUMB, &args) != 0)
			return Error{errno, std::string("MODE_CREATE_DUMB: ") + strerror(errno)};
		return std::unique_ptr<Buffer>(
			new DumbBuffer(device_.fd(), GemHandle(device_.fd(), args.handle), args.size));
	}

	Result<std::unique_ptr<Buffer>> import_dmabuf(int dmabuf, uint64_t bytes) override
	{
		auto gem = GemHandle::import_dmabuf(device_.fd(), dmabuf);
		if (!gem)
			return gem.error();
		return std::unique_ptr<Buffer>(new DumbBuffer(device_.fd(), std::move(*gem), bytes));
	}

private:
	Device device_;
};

template <const char *name>
Result<std::unique_ptr<Context>> open_dumb()
{
	auto device = Device::open(name, DrmNode::primary);
	if (!device)
		return device.error();
	return std::unique_ptr<Context>(new DumbContext(std::move(*device)));
}

/* They have no jobs of their own; a fence of another driver that fails on them is just that. */
constexpr OutcomeRule kNoJobs[] = {{0, TimeoutRole::none, Fate::failed, 0, "fence error"}};

constexpr char kVgemName[] = "vgem";
constexpr char kVkmsName[] = "vkms";
constexpr char kBochsName[] = "bochs-drm";
constexpr char kVirtioName[] = "virtio_gpu";

} // namespace

extern const Driver kVgem;
const Driver kVgem = {kVgemName, "vgem", {}, kNoJobs, open_dumb<kVgemName>};

extern const Driver kVkms;
const Driver kVkms = {kVkmsName, "vkms", {}, kNoJobs, open_dumb<kVkmsName>};

extern const Driver kBochs;
const Driver kBochs = {kBochsName, "bochs", {}, kNoJobs, open_dumb<kBochsName>};

extern const Driver kVirtioGpu;
const Driver kVirtioGpu = {kVirtioName, "virtio_gpu", {}, kNoJobs, open_dumb<kVirtioName>};

} // namespace drmsqueeze
