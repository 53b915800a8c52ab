/* SPDX-License-Identifier: MIT */
/*
 * Panfrost's SUBMIT, and the ioctls of syncobjs (drivers/gpu/drm/drm_syncobj.c) that go with it. Panfrost has binary
 * syncobjs only (DRIVER_SYNCOBJ without _TIMELINE).
 */
#include <array>
#include <cerrno>
#include <cstring>
#include <drm.h>
#include <fcntl.h>

#include <panfrost_drm.h>

#include "agent/clock.h"
#include "stressors/drm/sync.h"
#include "stressors/sweep/buffers.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/fences.h"
#include "stressors/sweep/panfrost_bo.h"

namespace drmsqueeze
{

namespace
{

constexpr int64_t kWait = 20 * kNsPerS;

int create_syncobj(int fd, uint32_t flags, uint32_t &handle)
{
	drm_syncobj_create args{};
	args.flags = flags;
	int error = call(fd, DRM_IOCTL_SYNCOBJ_CREATE, &args);
	handle = args.handle;
	return error;
}

int wait_syncobj(int fd, uint32_t handle, uint32_t flags, int64_t until_ns)
{
	drm_syncobj_wait args{};
	args.handles = reinterpret_cast<uintptr_t>(&handle);
	args.count_handles = 1;
	args.flags = flags;
	args.timeout_nsec = until_ns;
	return call(fd, DRM_IOCTL_SYNCOBJ_WAIT, &args);
}

int syncobj_to_fd(int fd, uint32_t handle, uint32_t flags, UniqueFd &file)
{
	drm_syncobj_handle args{};
	args.handle = handle;
	args.flags = flags;
	args.fd = -1;
	int error = call(fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &args);
	return error ? error : keep(args.fd, file);
}

int fd_to_syncobj(int fd, int file, uint32_t flags, uint32_t &handle)
{
	drm_syncobj_handle args{};
	args.handle = handle;
	args.flags = flags;
	args.fd = file;
	int error = call(fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &args);
	handle = args.handle;
	return error;
}

class CreateSyncobj : public OnPanfrost
{
public:
	int act() override { return create_syncobj(fd(), DRM_SYNCOBJ_CREATE_SIGNALED, handle_); }
	Status check() override { return status_of(wait_syncobj(fd(), handle_, 0, 0), "SYNCOBJ_WAIT"); }

protected:
	uint32_t handle_ = 0;
};

/** A syncobj that is signalled. */
class OnSyncobj : public CreateSyncobj
{
public:
	Status set_up() override
	{
		if (Status status = CreateSyncobj::set_up(); !status)
			return status;
		return status_of(CreateSyncobj::act(), "SYNCOBJ_CREATE");
	}
};

class WaitSyncobj : public OnSyncobj
{
public:
	int act() override { return wait_syncobj(fd(), handle_, 0, 0); }
};

/** No fence is there yet: ETIME after a while, which is a success here; the wait entry is made and taken away. */
class WaitForSubmit : public OnSyncobj
{
public:
	Status set_up() override
	{
		if (Status status = OnSyncobj::set_up(); !status)
			return status;
		return status_of(create_syncobj(fd(), 0, empty_), "SYNCOBJ_CREATE");
	}
	int act() override
	{
		int error = wait_syncobj(fd(), empty_, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT, now_ns() + kNsPerMs);
		return error == ETIME ? 0 : error;
	}

private:
	uint32_t empty_ = 0;
};

class SignalSyncobj : public OnSyncobj
{
public:
	int act() override
	{
		drm_syncobj_array args{};
		args.handles = reinterpret_cast<uintptr_t>(&handle_);
		args.count_handles = 1;
		if (int error = call(fd(), DRM_IOCTL_SYNCOBJ_RESET, &args))
			return error;
		return call(fd(), DRM_IOCTL_SYNCOBJ_SIGNAL, &args);
	}
};

class DestroySyncobj : public OnSyncobj
{
public:
	int act() override
	{
		drm_syncobj_destroy args{};
		args.handle = handle_;
		return call(fd(), DRM_IOCTL_SYNCOBJ_DESTROY, &args);
	}
	Status check() override { return {}; }
};

class ToSyncFile : public OnSyncobj
{
public:
	int act() override
	{
		return syncobj_to_fd(fd(), handle_, DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE, file_);
	}
	Status check() override { return wait_for_sync_file(file_.get()); }

protected:
	UniqueFd file_;
};

class FromSyncFile : public ToSyncFile
{
public:
	Status set_up() override
	{
		if (Status status = ToSyncFile::set_up(); !status)
			return status;
		if (Status status = status_of(ToSyncFile::act(), "export of a sync file"); !status)
			return status;
		return status_of(create_syncobj(fd(), 0, taker_), "SYNCOBJ_CREATE");
	}
	int act() override
	{
		return fd_to_syncobj(fd(), file_.get(), DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE, taker_);
	}
	Status check() override { return status_of(wait_syncobj(fd(), taker_, 0, 0), "SYNCOBJ_WAIT"); }

protected:
	uint32_t taker_ = 0;
};

class ToFd : public ToSyncFile
{
public:
	int act() override { return syncobj_to_fd(fd(), handle_, 0, file_); }
	Status check() override
	{
		uint32_t again = 0;
		if (int error = fd_to_syncobj(fd(), file_.get(), 0, again))
			return status_of(error, "SYNCOBJ_FD_TO_HANDLE");
		return status_of(wait_syncobj(fd(), again, 0, 0), "SYNCOBJ_WAIT");
	}
};

class FromFd : public ToFd
{
public:
	Status set_up() override
	{
		if (Status status = ToFd::set_up(); !status)
			return status;
		return status_of(ToFd::act(), "SYNCOBJ_HANDLE_TO_FD");
	}
	int act() override { return fd_to_syncobj(fd(), file_.get(), 0, taker_); }
	Status check() override { return status_of(wait_syncobj(fd(), taker_, 0, 0), "SYNCOBJ_WAIT"); }

private:
	uint32_t taker_ = 0;
};

/**
 * A job that writes to a buffer, with two fences to wait for, one signalled and one pending until sw_sync moves on, two
 * buffers and an out-fence. The step only queues it.
 */
class Submit : public OnPanfrostBo
{
public:
	Status set_up() override
	{
		if (Status status = OnPanfrostBo::set_up(); !status)
			return status;
		auto chain = context_->create_buffer(kBufferBytes);
		if (!chain)
			return chain.error();
		chain_ = std::move(*chain);
		auto view = chain_->map();
		if (!view)
			return view.error();
		/* A NULL job: nothing but its end. Header as in drivers/panfrost.cc. */
		constexpr uint32_t kNullJob = 1 | (1 << 1) | (1 << 16);
		memset(view->data(), 0, kHeaderBytes);
		memcpy(view->data() + kControl, &kNullJob, sizeof(kNullJob));
		view_ = std::move(*view);
		if (int error = keep(open(kSwSync, O_RDWR | O_CLOEXEC), timeline_))
			return status_of(error, "sw_sync");
		UniqueFd point;
		if (int error = create_point(timeline_.get(), 1, point))
			return status_of(error, "point of a timeline");
		for (auto [handle, flags] :
		     {std::pair{&in_[0], uint32_t{DRM_SYNCOBJ_CREATE_SIGNALED}}, {&in_[1], 0U}, {&out_, 0U}})
			if (int error = create_syncobj(fd(), flags, *handle))
				return status_of(error, "SYNCOBJ_CREATE");
		return status_of(
			fd_to_syncobj(fd(), point.get(), DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE, in_[1]),
			"import of a sync file");
	}
	int act() override
	{
		std::array<uint32_t, 2> handles = {buffer_->handle(), chain_->handle()};
		drm_panfrost_submit args{};
		args.jc = chain_->address();
		args.in_syncs = reinterpret_cast<uintptr_t>(in_.data());
		args.in_sync_count = static_cast<uint32_t>(in_.size());
		args.out_sync = out_;
		args.bo_handles = reinterpret_cast<uintptr_t>(handles.data());
		args.bo_handle_count = static_cast<uint32_t>(handles.size());
		return call(fd(), DRM_IOCTL_PANFROST_SUBMIT, &args);
	}
	Status check() override
	{
		if (int error = wait_syncobj(fd(), out_, 0, 0); error != ETIME)
			return Error{error ? error : EIO, "the job did not wait for its fences"};
		if (int error = move_on(timeline_.get(), 1))
			return status_of(error, "sw_sync");
		if (int error = wait_syncobj(fd(), out_, 0, now_ns() + kWait))
			return status_of(error, "wait for the job");
		UniqueFd file;
		if (int error = syncobj_to_fd(fd(), out_, DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE, file))
			return status_of(error, "out-fence");
		if (Status status = wait_for_sync_file(file.get()); !status)
			return status;
		if (view_.load32(0) != 1)
			return Error{EIO, "the out-fence signals, but the job was never run"};
		return OnPanfrostBo::check();
	}

private:
	static constexpr size_t kHeaderBytes = 64;
	static constexpr size_t kControl = 16;

	std::unique_ptr<Buffer> chain_;
	Mapping view_;
	UniqueFd timeline_;
	std::array<uint32_t, 2> in_{};
	uint32_t out_ = 0;
};

std::string unsupported()
{
	return driver_missing("panfrost");
}

constexpr OperationType kOperations[] = {
	{"panfrost/submit", make<Submit>, unsupported, panfrost_works},
	{"syncobj/create", make<CreateSyncobj>, unsupported, nullptr},
	{"syncobj/destroy", make<DestroySyncobj>, unsupported, nullptr},
	{"syncobj/wait", make<WaitSyncobj>, unsupported, nullptr},
	{"syncobj/wait-for-submit", make<WaitForSubmit>, unsupported, nullptr},
	{"syncobj/reset-signal", make<SignalSyncobj>, unsupported, nullptr},
	{"syncobj/export-sync-file", make<ToSyncFile>, unsupported, nullptr},
	{"syncobj/import-sync-file", make<FromSyncFile>, unsupported, nullptr},
	{"syncobj/handle-to-fd", make<ToFd>, unsupported, nullptr},
	{"syncobj/fd-to-handle", make<FromFd>, unsupported, nullptr},
};

} // namespace

std::span<const OperationType> panfrost_job_operations()
{
	return kOperations;
}

} // namespace drmsqueeze
