/* SPDX-License-Identifier: MIT */
/* Lima's ioctls on its parameters, buffers and contexts. Jobs and heaps are in lima_job_ops.cc and lima_heap_ops.cc. */
#include <cerrno>

#include <lima_drm.h>

#include "agent/clock.h"
#include "stressors/sweep/buffers.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/lima_bo.h"
#include "stressors/sweep/mapped.h"

namespace drmsqueeze
{

namespace
{

constexpr int64_t kWait = 20 * kNsPerS;

class GetParam : public OnLima
{
public:
	int act() override
	{
		drm_lima_get_param args{};
		args.param = DRM_LIMA_PARAM_NUM_PP;
		return call(fd(), DRM_IOCTL_LIMA_GET_PARAM, &args);
	}
};

/** Its pages are had, and bound, when it is made. */
class CreateBo : public OnLima
{
public:
	int act() override { return lima_create_bo(fd(), kBufferBytes, 0, handle_); }
	Status check() override
	{
		UniqueFd dmabuf = export_handle(fd(), handle_);
		auto buffer = context_->import_dmabuf(dmabuf.get(), kBufferBytes);
		if (!buffer)
			return buffer.error();
		return gpu_writes(*context_, **buffer, (*buffer)->address(), kBufferBytes);
	}
	UniqueFd share() override { return export_handle(fd(), handle_); }

private:
	uint32_t handle_ = 0;
};

class GemInfo : public OnLimaBo
{
public:
	int act() override
	{
		drm_lima_gem_info args{};
		args.handle = buffer_->handle();
		int error = call(fd(), DRM_IOCTL_LIMA_GEM_INFO, &args);
		offset_ = args.offset;
		return error;
	}

protected:
	uint64_t offset_ = 0;
};

/** For the job that wrote to the buffer last. */
class GemWait : public OnLimaBo
{
public:
	Status set_up() override
	{
		if (Status status = OnLimaBo::set_up(); !status)
			return status;
		return gpu_writes(*context_, *buffer_, buffer_->address(), kBufferBytes);
	}
	int act() override
	{
		drm_lima_gem_wait args{};
		args.handle = buffer_->handle();
		args.op = LIMA_GEM_WAIT_READ | LIMA_GEM_WAIT_WRITE;
		args.timeout_ns = now_ns() + kWait;
		return call(fd(), DRM_IOCTL_LIMA_GEM_WAIT, &args);
	}
};

class CreateContext : public OnLima
{
public:
	int act() override
	{
		drm_lima_ctx_create args{};
		int error = call(fd(), DRM_IOCTL_LIMA_CTX_CREATE, &args);
		context_id_ = args.id;
		return error;
	}
	Status check() override { return status_of(free_context(), "CTX_FREE"); }

protected:
	int free_context() const
	{
		drm_lima_ctx_free args{};
		args.id = context_id_;
		return call(fd(), DRM_IOCTL_LIMA_CTX_FREE, &args);
	}

private:
	uint32_t context_id_ = 0;
};

/** Its number is good for one free, and for the next context. */
class FreeContext : public CreateContext
{
public:
	Status set_up() override
	{
		if (Status status = CreateContext::set_up(); !status)
			return status;
		return status_of(CreateContext::act(), "CTX_CREATE");
	}
	int act() override { return free_context(); }
	Status check() override
	{
		if (free_context() != EINVAL)
			return Error{EIO, "the context can be freed twice"};
		return status_of(CreateContext::act(), "CTX_CREATE");
	}
};

std::string unsupported()
{
	return driver_missing(kLimaName);
}

constexpr OperationType kOperations[] = {
	{"lima/get-param", make<GetParam>, unsupported, lima_works},
	{"lima/gem-create", make<CreateBo>, unsupported, lima_works},
	{"lima/gem-info", make<GemInfo>, unsupported, lima_works},
	{"lima/mmap", make<Map<WithOffset<GemInfo>>>, unsupported, lima_works},
	{"lima/fault", make<Touch<WithOffset<GemInfo>>>, unsupported, lima_works},
	{"lima/gem-wait", make<GemWait>, unsupported, lima_works},
	{"lima/ctx-create", make<CreateContext>, unsupported, lima_works},
	{"lima/ctx-free", make<FreeContext>, unsupported, lima_works},
};

} // namespace

int lima_create_bo(int fd, uint32_t bytes, uint32_t flags, uint32_t &handle)
{
	drm_lima_gem_create args{};
	args.size = bytes;
	args.flags = flags;
	int error = call(fd, DRM_IOCTL_LIMA_GEM_CREATE, &args);
	handle = error ? 0 : args.handle;
	return error;
}

Status lima_works(int dmabuf)
{
	return driver_works(kLimaName, dmabuf);
}

std::span<const OperationType> lima_operations()
{
	return kOperations;
}

} // namespace drmsqueeze
