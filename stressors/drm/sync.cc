/* SPDX-License-Identifier: MIT */
#include "stressors/drm/sync.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <linux/sync_file.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <utility>
#include <xf86drm.h>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

/* libdrm 2.4.114 does not know it (include/uapi/drm/drm.h of Linux 6.6). */
struct SyncobjEventfd {
	uint32_t handle;
	uint32_t flags;
	uint64_t point;
	int32_t fd;
	uint32_t pad;
};
constexpr unsigned long kSyncobjEventfd = DRM_IOWR(0xCF, SyncobjEventfd);

} // namespace

int poll_until(int fd, short events, int64_t until_ns)
{
	int64_t left = std::max<int64_t>(0, until_ns - now_ns());
	timespec timeout{left / kNsPerS, left % kNsPerS};
	pollfd entry{.fd = fd, .events = events, .revents = 0};
	int ready = ppoll(&entry, 1, &timeout, nullptr);
	if (ready < 0)
		return errno;
	if (ready == 0)
		return ETIME;
	return entry.revents & events ? 0 : EIO;
}

Result<FenceStatus> SyncFile::status() const
{
	sync_file_info info{}; /* num_fences 0: the sum of all, no list */
	if (drmIoctl(fd_.get(), SYNC_IOC_FILE_INFO, &info) != 0)
		return error_of("SYNC_IOC_FILE_INFO");
	return FenceStatus{info.status};
}

Result<int> SyncFile::error() const
{
	auto fence = status();
	if (!fence)
		return fence.error();
	return fence->status < 0 ? -fence->status : 0;
}

Result<std::vector<FenceInfo>> SyncFile::fences() const
{
	sync_file_info info{};
	if (drmIoctl(fd_.get(), SYNC_IOC_FILE_INFO, &info) != 0)
		return error_of("SYNC_IOC_FILE_INFO");
	std::vector<sync_fence_info> list(info.num_fences);
	info = {};
	info.num_fences = static_cast<uint32_t>(list.size());
	info.sync_fence_info = reinterpret_cast<uintptr_t>(list.data());
	if (drmIoctl(fd_.get(), SYNC_IOC_FILE_INFO, &info) != 0)
		return error_of("SYNC_IOC_FILE_INFO with a list");
	std::vector<FenceInfo> fences;
	fences.reserve(list.size());
	for (const sync_fence_info &fence : list)
		fences.push_back(
			{fence.driver_name, fence.obj_name, fence.status, static_cast<int64_t>(fence.timestamp_ns)});
	return fences;
}

Result<int64_t> SyncFile::signalled_ns() const
{
	auto all = fences();
	if (!all)
		return all.error();
	int64_t last = 0;
	for (const FenceInfo &fence : *all) {
		if (fence.status == 0)
			return Error{ENODATA, "a fence has not signalled"};
		last = std::max(last, fence.timestamp_ns);
	}
	return last ? Result<int64_t>(last) : Error{ENODATA, "no fence has a stamp"};
}

Result<SyncFile> SyncFile::merge(const SyncFile &other) const
{
	sync_merge_data data{};
	strncpy(data.name, "drmsqueeze", sizeof(data.name) - 1);
	data.fd2 = other.fd();
	if (drmIoctl(fd_.get(), SYNC_IOC_MERGE, &data) != 0)
		return error_of("SYNC_IOC_MERGE");
	return SyncFile(UniqueFd(data.fence));
}

int SyncFile::wait(int64_t until_ns) const
{
	return poll_until(fd_.get(), POLLIN, until_ns);
}

Result<Syncobj> Syncobj::create(int device_fd)
{
	uint32_t handle = 0;
	if (drmSyncobjCreate(device_fd, 0, &handle) != 0)
		return error_of("syncobj");
	return Syncobj(device_fd, handle);
}

Syncobj::Syncobj(Syncobj &&other) noexcept : fd_(other.fd_), handle_(std::exchange(other.handle_, 0)) {}

Syncobj &Syncobj::operator=(Syncobj &&other) noexcept
{
	if (this != &other) {
		reset();
		fd_ = other.fd_;
		handle_ = std::exchange(other.handle_, 0);
	}
	return *this;
}

int Syncobj::wait(int64_t until_ns) const
{
	uint32_t handle = handle_;
	/* libdrm returns the negative errno here, unlike elsewhere. */
	return -drmSyncobjWait(fd_, &handle, 1, until_ns, 0, nullptr);
}

Result<SyncFile> Syncobj::export_sync_file() const
{
	int fd = -1;
	if (drmSyncobjExportSyncFile(fd_, handle_, &fd) != 0)
		return error_of("export of a sync file");
	return SyncFile(UniqueFd(fd));
}

Result<int> Syncobj::fence_error() const
{
	auto file = export_sync_file();
	return file ? file->error() : Result<int>(file.error());
}

Status Syncobj::import_sync_file(const SyncFile &file) const
{
	if (drmSyncobjImportSyncFile(fd_, handle_, file.fd()) != 0)
		return error_of("import of a sync file");
	return {};
}

Status Syncobj::transfer(uint64_t point, const Syncobj &source, uint64_t source_point) const
{
	if (drmSyncobjTransfer(fd_, handle_, point, source.handle_, source_point, 0) != 0)
		return error_of("SYNCOBJ_TRANSFER");
	return {};
}

Result<uint64_t> Syncobj::query() const
{
	uint64_t point = 0;
	uint32_t handle = handle_;
	if (drmSyncobjQuery(fd_, &handle, &point, 1) != 0)
		return error_of("SYNCOBJ_QUERY");
	return point;
}

Status Syncobj::signal_eventfd(int event_fd, uint64_t point) const
{
	SyncobjEventfd args{.handle = handle_, .flags = 0, .point = point, .fd = event_fd, .pad = 0};
	if (drmIoctl(fd_, kSyncobjEventfd, &args) != 0)
		return error_of("SYNCOBJ_EVENTFD");
	return {};
}

int Syncobj::wait_many(int device_fd, const std::vector<uint32_t> &handles, uint32_t flags, int64_t until_ns)
{
	drm_syncobj_wait args{};
	args.handles = reinterpret_cast<uintptr_t>(handles.data());
	args.count_handles = static_cast<uint32_t>(handles.size());
	args.timeout_nsec = until_ns;
	args.flags = flags;
	return ioctl(device_fd, DRM_IOCTL_SYNCOBJ_WAIT, &args) == 0 ? 0 : errno;
}

int Syncobj::wait_point(uint64_t point, uint32_t flags, int64_t until_ns) const
{
	drm_syncobj_timeline_wait args{};
	args.handles = reinterpret_cast<uintptr_t>(&handle_);
	args.points = reinterpret_cast<uintptr_t>(&point);
	args.count_handles = 1;
	args.timeout_nsec = until_ns;
	args.flags = flags;
	return ioctl(fd_, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &args) == 0 ? 0 : errno;
}

void Syncobj::reset() noexcept
{
	if (handle_)
		drmSyncobjDestroy(fd_, handle_);
	handle_ = 0;
}

} // namespace drmsqueeze
