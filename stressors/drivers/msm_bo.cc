/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/msm_bo.h"

#include <cerrno>
#include <sys/mman.h>
#include <xf86drm.h>

#include <msm_drm.h>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

Result<uint64_t> gem_info(int fd, const GemHandle &gem, uint32_t info, const char *what)
{
	drm_msm_gem_info args{};
	args.handle = gem.get();
	args.info = info;
	if (drmIoctl(fd, DRM_IOCTL_MSM_GEM_INFO, &args) != 0)
		return error_of(what);
	return args.value;
}

} // namespace

Result<std::unique_ptr<MsmBuffer>> MsmBuffer::create(int fd, uint64_t bytes)
{
	drm_msm_gem_new args{};
	args.size = bytes;
	args.flags = MSM_BO_WC; /* what Mesa's freedreno takes for all that it does not read back */
	if (drmIoctl(fd, DRM_IOCTL_MSM_GEM_NEW, &args) != 0)
		return error_of("MSM_GEM_NEW");
	return find(fd, GemHandle(fd, args.handle), bytes);
}

Result<std::unique_ptr<MsmBuffer>> MsmBuffer::import(int fd, int dmabuf, uint64_t bytes)
{
	auto gem = GemHandle::import_dmabuf(fd, dmabuf);
	if (!gem)
		return gem.error();
	return find(fd, std::move(*gem), bytes);
}

Result<std::unique_ptr<MsmBuffer>> MsmBuffer::find(int fd, GemHandle gem, uint64_t bytes)
{
	auto address = gem_info(fd, gem, MSM_INFO_GET_IOVA, "MSM_GEM_INFO: iova");
	if (!address)
		return address.error();
	return std::unique_ptr<MsmBuffer>(new MsmBuffer(fd, std::move(gem), bytes, *address));
}

/* The offset of a BO ends when it is purged (msm_gem_purge()), so it is asked for each time. */
Result<Mapping> MsmBuffer::map()
{
	auto offset = gem_info(fd_, gem_, MSM_INFO_GET_OFFSET, "MSM_GEM_INFO: offset");
	if (!offset)
		return offset.error();
	return Mapping::create(fd_, static_cast<off_t>(*offset), bytes_, PROT_READ | PROT_WRITE);
}

Result<bool> MsmBuffer::advise(bool will_need)
{
	drm_msm_gem_madvise args{};
	args.handle = gem_.get();
	args.madv = will_need ? MSM_MADV_WILLNEED : MSM_MADV_DONTNEED;
	if (drmIoctl(fd_, DRM_IOCTL_MSM_GEM_MADVISE, &args) != 0)
		return error_of("MSM_GEM_MADVISE");
	return args.retained != 0;
}

Status MsmBuffer::wait_idle(int64_t until_ns)
{
	drm_msm_gem_cpu_prep args{};
	args.handle = gem_.get();
	args.op = MSM_PREP_READ | MSM_PREP_WRITE | (until_ns == 0 ? MSM_PREP_NOSYNC : 0);
	args.timeout = {until_ns / kNsPerS, until_ns % kNsPerS};
	if (drmIoctl(fd_, DRM_IOCTL_MSM_GEM_CPU_PREP, &args) != 0)
		return error_of("MSM_GEM_CPU_PREP");
	return {};
}

} // namespace drmsqueeze
