/* SPDX-License-Identifier: MIT */
/*
 * Drivers that are driven through the common dumb-buffer ioctls of their primary node: they take memory, and have no
 * jobs. A dumb buffer is asked for as rows of 4096 bytes (1024 pixels of 32 bits), which no driver pads.
 */
#include "stressors/drivers/dumb.h"

#include <sys/mman.h>
#include <xf86drm.h>

namespace drmsqueeze
{

Result<Mapping> DumbBuffer::map()
{
	drm_mode_map_dumb args{};
	args.handle = gem_.get();
	if (drmIoctl(fd_, DRM_IOCTL_MODE_MAP_DUMB, &args) != 0)
		return error_of("MODE_MAP_DUMB");
	return Mapping::create(fd_, static_cast<off_t>(args.offset), bytes_, PROT_READ | PROT_WRITE);
}

Result<std::unique_ptr<Buffer>> DumbContext::create_buffer(uint64_t bytes)
{
	constexpr uint32_t kRowPixels = 1024;
	constexpr uint32_t kPixelBits = 32;
	constexpr uint64_t kRowBytes = kRowPixels * kPixelBits / 8;
	drm_mode_create_dumb args{};
	args.width = kRowPixels;
	args.height = static_cast<uint32_t>((bytes + kRowBytes - 1) / kRowBytes);
	args.bpp = kPixelBits;
	if (drmIoctl(device_.fd(), DRM_IOCTL_MODE_CREATE_DUMB, &args) != 0)
		return error_of("MODE_CREATE_DUMB");
	return adopt(args.handle, args.size);
}

Result<std::unique_ptr<Buffer>> DumbContext::import_dmabuf(int dmabuf, uint64_t bytes)
{
	auto gem = GemHandle::import_dmabuf(device_.fd(), dmabuf);
	if (!gem)
		return gem.error();
	return std::unique_ptr<Buffer>(new DumbBuffer(device_.fd(), std::move(*gem), bytes));
}

std::unique_ptr<Buffer> DumbContext::adopt(uint32_t gem_handle, uint64_t bytes) const
{
	return std::make_unique<DumbBuffer>(device_.fd(), GemHandle(device_.fd(), gem_handle), bytes);
}

namespace
{

template <const char *name>
Result<std::unique_ptr<Context>> open_dumb()
{
	auto device = Device::open(name, DrmNode::primary);
	if (!device)
		return device.error();
	return std::unique_ptr<Context>(new DumbContext(std::move(*device)));
}

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
