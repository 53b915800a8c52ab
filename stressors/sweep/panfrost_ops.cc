/* SPDX-License-Identifier: MIT */
/*
 * Panfrost's own ioctls (include/uapi/drm/panfrost_drm.h) but SUBMIT, which is with the syncobjs in
 * panfrost_job_ops.cc, and mapping its buffers. Those of the performance counters are there with the module's parameter
 * unstable_ioctls, which the injector fail-nth turns.
 */
#include <array>
#include <cerrno>
#include <cstring>
#include <drm.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <panfrost_drm.h>

#include "agent/clock.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/mapped.h"
#include "stressors/sweep/panfrost_bo.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kPanfrost = "panfrost";
constexpr uint64_t kBlockBytes = 2 << 20; /* what one table of 4 KiB pages maps, and one fault of a heap backs */
constexpr uint64_t kLargeBytes = kBlockBytes + kBufferBytes; /* needs a second table */

class GetParam : public OnPanfrost
{
public:
	int act() override
	{
		drm_panfrost_get_param args{};
		args.param = DRM_PANFROST_PARAM_GPU_PROD_ID;
		return call(fd(), DRM_IOCTL_PANFROST_GET_PARAM, &args);
	}
};

/* The buffer is made by the step itself, so it is taken by its handle: an import of its own dma-buf. */
template <uint64_t kBytes, uint32_t kFlags>
class CreateBo : public OnPanfrost
{
public:
	int act() override
	{
		drm_panfrost_create_bo args{};
		args.size = kBytes;
		args.flags = kFlags;
		int error = call(fd(), DRM_IOCTL_PANFROST_CREATE_BO, &args);
		handle_ = error ? 0 : args.handle;
		return error;
	}
	Status check() override
	{
		UniqueFd dmabuf = export_handle(fd(), handle_);
		auto buffer = context_->import_dmabuf(dmabuf.get(), kBytes);
		if (!buffer)
			return buffer.error();
		if (Status status = gpu_writes(*context_, **buffer, (*buffer)->address(), kBytes); !status)
			return status;
		if (kFlags & PANFROST_BO_HEAP)
			return {}; /* has no view of the CPU's before a job is through, see drivers/panfrost.cc */
		auto view = (*buffer)->map();
		return view ? status_of(store_byte(view->data(), 1), "write to the mapping") : Status(view.error());
	}
	UniqueFd share() override { return kFlags & PANFROST_BO_HEAP ? UniqueFd() : export_handle(fd(), handle_); }

private:
	uint32_t handle_ = 0;
};

class MmapBo : public OnPanfrostBo
{
public:
	int act() override
	{
		drm_panfrost_mmap_bo args{};
		args.handle = buffer_->handle();
		int error = call(fd(), DRM_IOCTL_PANFROST_MMAP_BO, &args);
		offset_ = args.offset;
		return error;
	}

protected:
	uint64_t offset_ = 0;
};

class GetBoOffset : public OnPanfrostBo
{
public:
	int act() override
	{
		drm_panfrost_get_bo_offset args{};
		args.handle = buffer_->handle();
		return call(fd(), DRM_IOCTL_PANFROST_GET_BO_OFFSET, &args);
	}
};

/** Purgeable, and back. */
class Madvise : public OnPanfrostBo
{
public:
	int act() override
	{
		for (uint32_t advice : {PANFROST_MADV_DONTNEED, PANFROST_MADV_WILLNEED}) {
			drm_panfrost_madvise args{};
			args.handle = buffer_->handle();
			args.madv = advice;
			if (int error = call(fd(), DRM_IOCTL_PANFROST_MADVISE, &args))
				return error;
		}
		return 0;
	}
};

class WaitBo : public OnPanfrostBo
{
public:
	int act() override
	{
		drm_panfrost_wait_bo args{};
		args.handle = buffer_->handle();
		args.timeout_ns = now_ns() + kNsPerS;
		return call(fd(), DRM_IOCTL_PANFROST_WAIT_BO, &args);
	}
};

class PerfcntEnable : public OnPanfrost
{
public:
	int act() override { return enable(1); }
	Status check() override { return panfrost_works(-1); }
	~PerfcntEnable() override
	{
		if (context_)
			enable(0);
	}

protected:
	int enable(uint32_t on)
	{
		drm_panfrost_perfcnt_enable args{};
		args.enable = on;
		return call(fd(), DRM_IOCTL_PANFROST_PERFCNT_ENABLE, &args);
	}
};

class PerfcntDump : public PerfcntEnable
{
public:
	Status set_up() override
	{
		if (Status status = PerfcntEnable::set_up(); !status)
			return status;
		return status_of(enable(1), "PERFCNT_ENABLE");
	}
	int act() override
	{
		drm_panfrost_perfcnt_dump args{};
		args.buf_ptr = reinterpret_cast<uintptr_t>(values_.data());
		return call(fd(), DRM_IOCTL_PANFROST_PERFCNT_DUMP, &args);
	}

private:
	std::array<char, 64 * 1024> values_{};
};

std::string unsupported()
{
	return driver_missing(kPanfrost);
}

/* Counters may be switched off (unstable_ioctls), or the GPU may not answer their commands. */
template <typename Kind>
std::string without_counters()
{
	if (std::string reason = unsupported(); !reason.empty())
		return reason;
	Kind trial;
	if (Status status = trial.set_up(); !status)
		return status.error().reason;
	int error = trial.act();
	return error ? std::string("fails with ") + strerrorname_np(error) + " without any failure" : "";
}

constexpr uint32_t kHeap = PANFROST_BO_HEAP | PANFROST_BO_NOEXEC;

constexpr OperationType kOperations[] = {
	{"panfrost/get-param", make<GetParam>, unsupported, panfrost_works},
	{"panfrost/create-bo", make<CreateBo<kBufferBytes, PANFROST_BO_NOEXEC>>, unsupported, panfrost_works},
	{"panfrost/create-bo-large", make<CreateBo<kLargeBytes, PANFROST_BO_NOEXEC>>, unsupported, panfrost_works},
	{"panfrost/create-heap", make<CreateBo<kBlockBytes, kHeap>>, unsupported, panfrost_works},
	{"panfrost/mmap-bo", make<MmapBo>, unsupported, panfrost_works},
	{"panfrost/mmap", make<Map<WithOffset<MmapBo>>>, unsupported, panfrost_works},
	{"panfrost/fault", make<Touch<WithOffset<MmapBo>>>, unsupported, panfrost_works},
	{"panfrost/get-bo-offset", make<GetBoOffset>, unsupported, panfrost_works},
	{"panfrost/madvise", make<Madvise>, unsupported, panfrost_works},
	{"panfrost/wait-bo", make<WaitBo>, unsupported, panfrost_works},
	{"panfrost/perfcnt-enable", make<PerfcntEnable>, without_counters<PerfcntEnable>, panfrost_works},
	{"panfrost/perfcnt-dump", make<PerfcntDump>, without_counters<PerfcntDump>, panfrost_works},
};

} // namespace

std::span<const OperationType> panfrost_operations()
{
	return kOperations;
}

Status panfrost_works(int dmabuf)
{
	return driver_works(kPanfrost, dmabuf);
}

} // namespace drmsqueeze
