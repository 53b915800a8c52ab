/* SPDX-License-Identifier: MIT */
/* Msm's ioctls on its parameters and buffers, and its node. Queues and jobs are in msm_job_ops.cc. */
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <string_view>

#include <msm_drm.h>

#include "agent/clock.h"
#include "stressors/sweep/buffers.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/mapped.h"
#include "stressors/sweep/msm_bo.h"

namespace drmsqueeze
{

namespace
{

constexpr int64_t kWait = 20 * kNsPerS;
constexpr const char *kOther = "vgem"; /* who imports what msm has made */

/** The file has its default queue, in which jobs go that name none. */
Status has_default_queue(int fd)
{
	uint32_t faults = 0;
	drm_msm_submitqueue_query args{};
	args.data = reinterpret_cast<uintptr_t>(&faults);
	args.param = MSM_SUBMITQUEUE_PARAM_FAULTS;
	args.len = sizeof(faults);
	return status_of(call(fd, DRM_IOCTL_MSM_SUBMITQUEUE_QUERY, &args), "the default queue");
}

class Open : public Operation
{
public:
	int act() override { return keep(open(node_of_driver(kMsmName).c_str(), O_RDWR | O_CLOEXEC), file_); }
	Status check() override { return has_default_queue(file_.get()); }

private:
	UniqueFd file_;
};

class GetParam : public OnMsm
{
public:
	int act() override
	{
		drm_msm_param args{};
		args.pipe = MSM_PIPE_3D0;
		args.param = MSM_PARAM_GMEM_SIZE;
		return call(fd(), DRM_IOCTL_MSM_GET_PARAM, &args);
	}
};

/** The name that the driver tells of the file's process when one of its jobs hangs. */
class SetParam : public OnMsm
{
public:
	int act() override
	{
		static constexpr char kName[] = "somebody";
		drm_msm_param args{};
		args.pipe = MSM_PIPE_3D0;
		args.param = MSM_PARAM_COMM;
		args.value = reinterpret_cast<uintptr_t>(kName);
		args.len = sizeof(kName);
		return call(fd(), DRM_IOCTL_MSM_SET_PARAM, &args);
	}
};

class NewBo : public OnMsm
{
public:
	int act() override
	{
		drm_msm_gem_new args{};
		args.size = kBufferBytes;
		args.flags = MSM_BO_WC;
		int error = call(fd(), DRM_IOCTL_MSM_GEM_NEW, &args);
		handle_ = args.handle;
		return error;
	}
	Status check() override
	{
		UniqueFd dmabuf = export_handle(fd(), handle_);
		auto buffer = context_->import_dmabuf(dmabuf.get(), kBufferBytes);
		if (!buffer)
			return buffer.error();
		return gpu_writes(*context_, **buffer, (*buffer)->address(), kBufferBytes);
	}
	UniqueFd share() override { return export_handle(fd(), handle_); }

protected:
	int info(uint32_t what, uint64_t &value, size_t bytes = 0) const
	{
		drm_msm_gem_info args{};
		args.handle = handle_;
		args.info = what;
		args.value = value;
		args.len = static_cast<uint32_t>(bytes);
		int error = call(fd(), DRM_IOCTL_MSM_GEM_INFO, &args);
		value = args.value;
		return error;
	}

private:
	uint32_t handle_ = 0;
};

/** GEM_INFO of a buffer that nobody has asked anything yet. */
template <uint32_t kInfo>
class Info : public NewBo
{
public:
	Status set_up() override
	{
		if (Status status = NewBo::set_up(); !status)
			return status;
		return status_of(NewBo::act(), "GEM_NEW");
	}
	int act() override { return info(kInfo, offset_); }

protected:
	uint64_t offset_ = 0;
};

/** Only drivers whose files have address spaces of their own can do it: a2xx has one for all. */
class SetIova : public Info<MSM_INFO_SET_IOVA>
{
public:
	int act() override
	{
		uint64_t address = 0x1000000;
		int error = info(MSM_INFO_SET_IOVA, address);
		return error == EOPNOTSUPP ? 0 : error;
	}
};

/** What user space gives to the buffer and gets back: a name (@kSet, @kGet), or data of its own. */
template <uint32_t kSet, uint32_t kGet>
class SetText : public Info<kSet>
{
public:
	int act() override
	{
		auto value = reinterpret_cast<uintptr_t>(kText.data());
		return this->info(kSet, value, kText.size());
	}
	Status check() override
	{
		std::array<char, kText.size()> text{};
		auto value = reinterpret_cast<uintptr_t>(text.data());
		if (int error = this->info(kGet, value, text.size()))
			return status_of(error, "what was set");
		return std::string_view(text.data(), text.size()) == kText
			       ? NewBo::check()
			       : Status(Error{EIO, "it is not what was set"});
	}

protected:
	static constexpr std::string_view kText = "what is known of it";
};

template <uint32_t kSet, uint32_t kGet>
class GetText : public SetText<kSet, kGet>
{
public:
	Status set_up() override
	{
		if (Status status = SetText<kSet, kGet>::set_up(); !status)
			return status;
		return status_of(SetText<kSet, kGet>::act(), "GEM_INFO: set");
	}
	int act() override
	{
		auto value = reinterpret_cast<uintptr_t>(text_.data());
		return this->info(kGet, value, text_.size());
	}

private:
	std::array<char, SetText<kSet, kGet>::kText.size()> text_{};
};

/** For the job that wrote to the buffer last. */
class CpuPrep : public OnMsmBo
{
public:
	Status set_up() override
	{
		if (Status status = OnMsmBo::set_up(); !status)
			return status;
		return gpu_writes(*context_, *buffer_, buffer_->address(), kBufferBytes);
	}
	int act() override
	{
		int64_t until = now_ns() + kWait;
		drm_msm_gem_cpu_prep args{};
		args.handle = buffer_->handle();
		args.op = MSM_PREP_READ | MSM_PREP_WRITE | MSM_PREP_BOOST;
		args.timeout = {until / kNsPerS, until % kNsPerS};
		return call(fd(), DRM_IOCTL_MSM_GEM_CPU_PREP, &args);
	}
};

class CpuFini : public CpuPrep
{
public:
	int act() override
	{
		drm_msm_gem_cpu_fini args{};
		args.handle = buffer_->handle();
		return call(fd(), DRM_IOCTL_MSM_GEM_CPU_FINI, &args);
	}
};

/** Given up and taken back at once. */
class Madvise : public CpuPrep
{
public:
	int act() override
	{
		drm_msm_gem_madvise args{};
		args.handle = buffer_->handle();
		for (uint32_t advice : {MSM_MADV_DONTNEED, MSM_MADV_WILLNEED}) {
			args.madv = advice;
			if (int error = call(fd(), DRM_IOCTL_MSM_GEM_MADVISE, &args))
				return error;
		}
		return args.retained ? 0 : EIO;
	}
};

/** Another driver imports a buffer that has no pages yet: msm has to find them, and pins them. */
class Attach : public OnMsmBo
{
public:
	Status set_up() override
	{
		if (Status status = OnMsmBo::set_up(); !status)
			return status;
		dmabuf_ = OnMsmBo::share();
		return status_of(open_driver(kOther, other_), kOther);
	}
	int act() override
	{
		uint32_t handle = 0;
		return import_handle(other_.get(), dmabuf_.get(), handle);
	}

private:
	UniqueFd dmabuf_;
	UniqueFd other_;
};

std::string unsupported()
{
	return driver_missing(kMsmName);
}

std::string nobody_imports()
{
	std::string reason = unsupported();
	return reason.empty() ? driver_missing(kOther) : reason;
}

using SetName = SetText<MSM_INFO_SET_NAME, MSM_INFO_GET_NAME>;
using GetName = GetText<MSM_INFO_SET_NAME, MSM_INFO_GET_NAME>;
using SetMetadata = SetText<MSM_INFO_SET_METADATA, MSM_INFO_GET_METADATA>;
using GetMetadata = GetText<MSM_INFO_SET_METADATA, MSM_INFO_GET_METADATA>;
using GetOffset = Info<MSM_INFO_GET_OFFSET>;

constexpr OperationType kOperations[] = {
	{"msm/open", make<Open>, unsupported, msm_works},
	{"msm/get-param", make<GetParam>, unsupported, msm_works},
	{"msm/set-param", make<SetParam>, unsupported, msm_works},
	{"msm/gem-new", make<NewBo>, unsupported, msm_works},
	{"msm/gem-info-offset", make<GetOffset>, unsupported, msm_works},
	{"msm/gem-info-iova", make<Info<MSM_INFO_GET_IOVA>>, unsupported, msm_works},
	{"msm/gem-info-set-iova", make<SetIova>, unsupported, msm_works},
	{"msm/gem-info-flags", make<Info<MSM_INFO_GET_FLAGS>>, unsupported, msm_works},
	{"msm/gem-info-set-name", make<SetName>, unsupported, msm_works},
	{"msm/gem-info-name", make<GetName>, unsupported, msm_works},
	{"msm/gem-info-metadata", make<GetMetadata>, unsupported, msm_works},
	{"msm/mmap", make<Map<WithOffset<GetOffset>>>, unsupported, msm_works},
	{"msm/fault", make<Touch<WithOffset<GetOffset>>>, unsupported, msm_works},
	{"msm/cpu-prep", make<CpuPrep>, unsupported, msm_works},
	{"msm/cpu-fini", make<CpuFini>, unsupported, msm_works},
	{"msm/madvise", make<Madvise>, unsupported, msm_works},
	{"msm/prime-attach", make<Attach>, nobody_imports, msm_works},
	{"msm-metadata/set", make<SetMetadata>, unsupported, msm_works},
};

} // namespace

Status msm_works(int dmabuf)
{
	return driver_works(kMsmName, dmabuf);
}

std::span<const OperationType> msm_operations()
{
	return kOperations;
}

} // namespace drmsqueeze
