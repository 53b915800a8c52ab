/* SPDX-License-Identifier: MIT */
/* Fences in files: sw_sync timelines (drivers/dma-buf/sw_sync.c) and sync files (drivers/dma-buf/sync_file.c). */
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "stressors/sweep/families.h"
#include "stressors/sweep/fences.h"

/* Debian 12's linux/sync_file.h is that of 6.1. */
#ifndef SYNC_IOC_SET_DEADLINE
struct sync_set_deadline { /* NOLINT(readability-identifier-naming): the name in the kernel */
	__u64 deadline_ns;
	__u64 pad;
};
#define SYNC_IOC_SET_DEADLINE _IOW(SYNC_IOC_MAGIC, 5, struct sync_set_deadline)
#endif

namespace drmsqueeze
{

namespace
{

class OpenTimeline : public Operation
{
public:
	int act() override { return keep(open(kSwSync, O_RDWR | O_CLOEXEC), timeline_); }
	Status check() override
	{
		UniqueFd fence;
		return status_of(create_point(timeline_.get(), 1, fence), "point of a timeline");
	}

private:
	UniqueFd timeline_;
};

/** Its fence is pending until the timeline moves on. */
class WithPoint : public Operation
{
public:
	Status set_up() override
	{
		if (int error = keep(open(kSwSync, O_RDWR | O_CLOEXEC), timeline_))
			return status_of(error, "sw_sync");
		return status_of(create_point(timeline_.get(), 1, point_), "point of a timeline");
	}

protected:
	/** The fence is pending now, and signalled when the timeline has moved on. */
	Status follows_timeline(int sync_file)
	{
		pollfd wait{sync_file, POLLIN, 0};
		if (poll(&wait, 1, 0) != 0)
			return Error{EIO, "the fence has signalled early"};
		if (int error = move_on(timeline_.get(), kFar))
			return status_of(error, "sw_sync");
		return poll(&wait, 1, 0) == 1 ? Status() : Status(Error{EIO, "the fence has not signalled"});
	}

	static constexpr uint32_t kFar = 100;
	UniqueFd timeline_;
	UniqueFd point_;
};

class CreatePoint : public WithPoint
{
public:
	int act() override { return create_point(timeline_.get(), 2, fence_); }
	Status check() override { return follows_timeline(fence_.get()); }
	UniqueFd share() override { return std::move(fence_); }

private:
	UniqueFd fence_;
};

class Merge : public WithPoint
{
public:
	Status set_up() override
	{
		if (Status status = WithPoint::set_up(); !status)
			return status;
		if (int error = keep(open(kSwSync, O_RDWR | O_CLOEXEC), other_))
			return status_of(error, "sw_sync");
		return status_of(create_point(other_.get(), 1, second_), "point of a timeline");
	}
	int act() override
	{
		sync_merge_data args{};
		args.fd2 = second_.get();
		int error = call(point_.get(), SYNC_IOC_MERGE, &args);
		return error ? error : keep(args.fence, merged_);
	}
	Status check() override
	{
		if (int error = move_on(other_.get(), kFar))
			return status_of(error, "sw_sync");
		return follows_timeline(merged_.get()); /* of both, so not before this one */
	}
	UniqueFd share() override { return std::move(merged_); }

private:
	UniqueFd other_;
	UniqueFd second_;
	UniqueFd merged_;
};

class FileInfo : public WithPoint
{
public:
	int act() override
	{
		memset(&fence_, 0, sizeof(fence_));
		args_ = {};
		args_.num_fences = 1;
		args_.sync_fence_info = reinterpret_cast<uintptr_t>(&fence_);
		return call(point_.get(), SYNC_IOC_FILE_INFO, &args_);
	}
	Status check() override
	{
		if (args_.num_fences != 1 || args_.status != 0 || strcmp(fence_.driver_name, "sw_sync") != 0)
			return Error{EIO, "FILE_INFO tells of another fence"};
		return follows_timeline(point_.get());
	}

private:
	sync_file_info args_{};
	sync_fence_info fence_{};
};

class Poll : public WithPoint
{
public:
	int act() override
	{
		pollfd wait{point_.get(), POLLIN, 0};
		return poll(&wait, 1, 0) < 0 ? errno : 0;
	}
	Status check() override { return follows_timeline(point_.get()); }
};

/** sw_sync keeps the earliest deadline that its fence was given. */
class SetDeadline : public WithPoint
{
public:
	int act() override
	{
		sync_set_deadline args{};
		args.deadline_ns = kDeadlineNs;
		return call(point_.get(), SYNC_IOC_SET_DEADLINE, &args);
	}
	Status check() override
	{
		SwSyncDeadline args{};
		args.fence = point_.get();
		if (int error = call(timeline_.get(), kSwSyncGetDeadline, &args))
			return status_of(error, "GET_DEADLINE");
		if (args.deadline_ns != kDeadlineNs)
			return Error{EIO, "the fence has another deadline"};
		return follows_timeline(point_.get());
	}

private:
	static constexpr uint64_t kDeadlineNs = 1; /* long past: whatever looks at it may hurry */
};

std::string unsupported()
{
	UniqueFd fd(open(kSwSync, O_RDWR | O_CLOEXEC));
	return fd.valid() ? "" : std::string(kSwSync) + ": " + strerror(errno);
}

constexpr OperationType kOperations[] = {
	{"sw_sync/open", make<OpenTimeline>, unsupported, nullptr},
	{"sw_sync/create-fence", make<CreatePoint>, unsupported, wait_for_sync_file},
	{"sync_file/merge", make<Merge>, unsupported, wait_for_sync_file},
	{"sync_file/file-info", make<FileInfo>, unsupported, nullptr},
	{"sync_file/set-deadline", make<SetDeadline>, unsupported, nullptr},
	{"sync_file/poll", make<Poll>, unsupported, nullptr},
};

} // namespace

std::span<const OperationType> fence_operations()
{
	return kOperations;
}

int create_point(int timeline, uint32_t value, UniqueFd &fence)
{
	SwSyncCreate args{};
	args.value = value;
	int error = call(timeline, kSwSyncCreate, &args);
	return error ? error : keep(args.fence, fence);
}

int move_on(int timeline, uint32_t by)
{
	return call(timeline, kSwSyncInc, &by);
}

Status wait_for_sync_file(int fd)
{
	constexpr int kLimitMs = 1000;
	pollfd wait{fd, POLLIN, 0};
	if (poll(&wait, 1, kLimitMs) != 1)
		return Error{EIO, "the fence has not signalled"};
	sync_file_info args{};
	if (int error = call(fd, SYNC_IOC_FILE_INFO, &args))
		return status_of(error, "FILE_INFO");
	return args.status == 1 ? Status() : status_of(args.status < 0 ? -args.status : EIO, "fence");
}

} // namespace drmsqueeze
