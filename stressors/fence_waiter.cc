/* SPDX-License-Identifier: MIT */
#include "stressors/fence_waiter.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <xf86drm.h>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

class PollWaiter : public FenceWaiter
{
public:
	Status prepare(const WaitTarget &target) override
	{
		fence_ = target.fence;
		return {};
	}
	int wait(int64_t until_ns) override { return fence_->wait(until_ns); }

private:
	const SyncFile *fence_ = nullptr;
};

class EpollWaiter : public FenceWaiter
{
public:
	Status prepare(const WaitTarget &target) override
	{
		epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
		if (!epoll_.valid())
			return error_of("epoll_create1");
		epoll_event event{};
		event.events = EPOLLIN;
		if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, target.fence->fd(), &event) != 0)
			return error_of("EPOLL_CTL_ADD");
		return {};
	}

	int wait(int64_t until_ns) override
	{
		epoll_event event{};
		int64_t left_ms = (std::max<int64_t>(0, until_ns - now_ns()) + kNsPerMs - 1) / kNsPerMs;
		int got = epoll_wait(epoll_.get(), &event, 1, until_ns == kForever ? -1 : static_cast<int>(left_ms));
		return got < 0 ? errno : got == 0 ? ETIME : 0;
	}

private:
	UniqueFd epoll_;
};

/** A syncobj that has the fence from the start; with @both a second one with the other fence. */
class SyncobjWaiter : public FenceWaiter
{
public:
	SyncobjWaiter(int device_fd, std::vector<Syncobj> syncobjs) : fd_(device_fd), syncobjs_(std::move(syncobjs)) {}

	Status prepare(const WaitTarget &target) override
	{
		Status status = syncobjs_[0].import_sync_file(*target.fence);
		if (status && syncobjs_.size() > 1)
			status = syncobjs_[1].import_sync_file(*target.other);
		return status;
	}

	int wait(int64_t until_ns) override
	{
		std::vector<uint32_t> handles;
		for (const Syncobj &syncobj : syncobjs_)
			handles.push_back(syncobj.handle());
		return Syncobj::wait_many(fd_, handles, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL, until_ns);
	}

private:
	int fd_;
	std::vector<Syncobj> syncobjs_;
};

/** An empty syncobj, which is given the fence while it is waited for. */
class SubmitWaiter : public FenceWaiter
{
public:
	SubmitWaiter(int device_fd, Syncobj syncobj) : fd_(device_fd), syncobj_(std::move(syncobj)) {}

	Status prepare(const WaitTarget & /*target*/) override
	{
		uint32_t handle = syncobj_.handle();
		return drmSyncobjReset(fd_, &handle, 1) == 0 ? Status() : Status(error_of("SYNCOBJ_RESET"));
	}
	Status submit(const WaitTarget &target) override { return syncobj_.import_sync_file(*target.fence); }
	int wait(int64_t until_ns) override
	{
		return Syncobj::wait_many(fd_, {syncobj_.handle()}, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT, until_ns);
	}

private:
	int fd_;
	Syncobj syncobj_;
};

/** A point of a timeline, by a wait for it or by an eventfd. */
class PointWaiter : public FenceWaiter
{
public:
	PointWaiter(Syncobj binary, Syncobj timeline, bool by_eventfd)
		: binary_(std::move(binary)), timeline_(std::move(timeline)), by_eventfd_(by_eventfd)
	{
	}

	Status prepare(const WaitTarget &target) override
	{
		Status status = binary_.import_sync_file(*target.fence);
		if (status)
			status = timeline_.transfer(++point_, binary_, 0);
		if (!status || !by_eventfd_)
			return status;
		event_.reset(eventfd(0, EFD_CLOEXEC));
		if (!event_.valid())
			return error_of("eventfd");
		return timeline_.signal_eventfd(event_.get(), point_);
	}

	int wait(int64_t until_ns) override
	{
		return by_eventfd_ ? poll_until(event_.get(), POLLIN, until_ns)
				   : timeline_.wait_point(point_, 0, until_ns);
	}

private:
	Syncobj binary_;
	Syncobj timeline_;
	bool by_eventfd_;
	UniqueFd event_;
	uint64_t point_ = 0;
};

/** The buffer that holds the fence: poll(), or the beginning of access by the CPU. */
class BufferWaiter : public FenceWaiter
{
public:
	explicit BufferWaiter(bool by_access) : by_access_(by_access) {}

	Status prepare(const WaitTarget &target) override
	{
		buffer_ = target.buffer;
		return {};
	}

	int wait(int64_t until_ns) override
	{
		if (!by_access_)
			return buffer_->wait(Access::read, until_ns);
		int error = buffer_->begin_access(Access::read);
		return error ? error : buffer_->end_access(Access::read);
	}

private:
	const DmaBuf *buffer_ = nullptr;
	bool by_access_;
};

using Created = Result<std::unique_ptr<FenceWaiter>>;

template <typename Waiter, auto... arguments>
Created create_plain(const SyncDevices & /*devices*/)
{
	return std::unique_ptr<FenceWaiter>(new Waiter(arguments...));
}

template <int count>
Created create_syncobj(const SyncDevices &devices)
{
	if (devices.syncobj_fd < 0)
		return Error{ENODEV, "no device with syncobjs"};
	std::vector<Syncobj> syncobjs;
	for (int i = 0; i < count; i++) {
		auto syncobj = Syncobj::create(devices.syncobj_fd);
		if (!syncobj)
			return syncobj.error();
		syncobjs.push_back(std::move(*syncobj));
	}
	return std::unique_ptr<FenceWaiter>(new SyncobjWaiter(devices.syncobj_fd, std::move(syncobjs)));
}

Created create_submit(const SyncDevices &devices)
{
	if (devices.syncobj_fd < 0)
		return Error{ENODEV, "no device with syncobjs"};
	auto syncobj = Syncobj::create(devices.syncobj_fd);
	if (!syncobj)
		return syncobj.error();
	return std::unique_ptr<FenceWaiter>(new SubmitWaiter(devices.syncobj_fd, std::move(*syncobj)));
}

template <bool by_eventfd>
Created create_point(const SyncDevices &devices)
{
	if (devices.timeline_fd < 0)
		return Error{ENODEV, "no device with timelines of syncobjs"};
	auto binary = Syncobj::create(devices.timeline_fd);
	if (!binary)
		return binary.error();
	auto timeline = Syncobj::create(devices.timeline_fd);
	if (!timeline)
		return timeline.error();
	return std::unique_ptr<FenceWaiter>(new PointWaiter(std::move(*binary), std::move(*timeline), by_eventfd));
}

constexpr WaitKind kKinds[] = {
	{"poll", create_plain<PollWaiter>},
	{"epoll", create_plain<EpollWaiter>},
	{"syncobj", create_syncobj<1>},
	{"syncobj-all", create_syncobj<2>, true},
	{"syncobj-submit", create_submit},
	{"timeline", create_point<false>},
	{"eventfd", create_point<true>},
	{"dma-buf", create_plain<BufferWaiter, false>},
	{"cpu-access", create_plain<BufferWaiter, true>, false, false},
};

} // namespace

std::span<const WaitKind> all_wait_kinds()
{
	return kKinds;
}

void WakeHistogram::add(int64_t ns)
{
	int bucket = static_cast<int>(std::bit_width(static_cast<uint64_t>(std::max<int64_t>(ns, 0))));
	buckets_[std::min(bucket, kBuckets - 1)]++;
	for (int64_t old = max_.load(); ns > old && !max_.compare_exchange_weak(old, ns);)
		;
}

uint64_t WakeHistogram::count() const
{
	uint64_t count = 0;
	for (const auto &bucket : buckets_)
		count += bucket.load();
	return count;
}

int64_t WakeHistogram::quantile(double share) const
{
	auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count())));
	uint64_t seen = 0;
	for (int i = 0; wanted > 0 && i < kBuckets; i++) {
		seen += buckets_[i].load();
		if (seen >= wanted)
			return std::min(max(), (int64_t{1} << i) - 1);
	}
	return 0;
}

} // namespace drmsqueeze
