/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/lima_bo.h"

#include <cerrno>
#include <sys/mman.h>
#include <xf86drm.h>

#include <lima_drm.h>

namespace drmsqueeze
{

Result<std::unique_ptr<LimaBuffer>> LimaBuffer::create(LimaClient &client, uint64_t bytes, Kind kind)
{
	drm_lima_gem_create args{};
	args.size = static_cast<uint32_t>(bytes);
	args.flags = kind == Kind::heap ? LIMA_BO_FLAG_HEAP : 0;
	if (bytes != args.size)
		return Error{EFBIG, "LIMA_GEM_CREATE: 4 GiB or more"};
	if (drmIoctl(client.fd(), DRM_IOCTL_LIMA_GEM_CREATE, &args) != 0)
		return error_of("LIMA_GEM_CREATE");
	return find(client, GemHandle(client.fd(), args.handle), bytes);
}

Result<std::unique_ptr<LimaBuffer>> LimaBuffer::import(LimaClient &client, int dmabuf, uint64_t bytes)
{
	auto gem = GemHandle::import_dmabuf(client.fd(), dmabuf);
	if (!gem)
		return gem.error();
	return find(client, std::move(*gem), bytes);
}

Result<std::unique_ptr<LimaBuffer>> LimaBuffer::find(LimaClient &client, GemHandle gem, uint64_t bytes)
{
	drm_lima_gem_info args{};
	args.handle = gem.get();
	if (drmIoctl(client.fd(), DRM_IOCTL_LIMA_GEM_INFO, &args) != 0)
		return error_of("LIMA_GEM_INFO");
	return std::unique_ptr<LimaBuffer>(new LimaBuffer(client, std::move(gem), bytes, args.va, args.offset));
}

LimaBuffer::~LimaBuffer()
{
	if (client_.left_to_file())
		gem_.leave();
}

Result<Mapping> LimaBuffer::map()
{
	return Mapping::create(client_.fd(), static_cast<off_t>(map_offset_), bytes_, PROT_READ | PROT_WRITE);
}

Status LimaBuffer::wait_idle(int64_t until_ns)
{
	drm_lima_gem_wait args{};
	args.handle = gem_.get();
	args.op = LIMA_GEM_WAIT_READ | LIMA_GEM_WAIT_WRITE;
	args.timeout_ns = until_ns;
	if (drmIoctl(client_.fd(), DRM_IOCTL_LIMA_GEM_WAIT, &args) != 0)
		return error_of("LIMA_GEM_WAIT");
	return {};
}

} // namespace drmsqueeze
