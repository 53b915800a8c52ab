/* SPDX-License-Identifier: MIT */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/result.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

/** What a fence says of itself (SYNC_IOC_FILE_INFO): 1 signalled, 0 not yet, or the fence's negative errno. */
struct FenceStatus {
	int status = 0;
};

/** One fence of those that a sync file carries. */
struct FenceInfo {
	std::string driver;
	std::string timeline;
	int status = 0;           /* as in FenceStatus */
	int64_t timestamp_ns = 0; /* CLOCK_MONOTONIC of the signal; 0 when not signalled */
};

/** Waits until @fd has one of @events, to CLOCK_MONOTONIC @until_ns at most: 0, ETIME, EINTR or another errno. */
int poll_until(int fd, short events, int64_t until_ns);

/** Owns a sync file, the descriptor of a fence. */
class SyncFile
{
public:
	SyncFile() = default;
	explicit SyncFile(UniqueFd fd) : fd_(std::move(fd)) {}

	/** Of the file as a whole. */
	Result<FenceStatus> status() const;
	/** The positive errno that it carries; 0: none, or not signalled. */
	Result<int> error() const;
	/** Each fence by itself, containers unfolded; of those that merging found signalled there is none. */
	Result<std::vector<FenceInfo>> fences() const;
	/** When the last of its fences signalled; ENODATA while one has not. */
	Result<int64_t> signalled_ns() const;
	/** One file for the fences of both. */
	Result<SyncFile> merge(const SyncFile &other) const;
	/** 0 when signalled, ETIME, EINTR, or another errno. */
	int wait(int64_t until_ns) const;
	int fd() const { return fd_.get(); }
	UniqueFd release() { return std::move(fd_); }

private:
	UniqueFd fd_;
};

/** Owns a syncobj of an open device, which must outlive it. */
class Syncobj
{
public:
	static Result<Syncobj> create(int device_fd);

	Syncobj(Syncobj &&other) noexcept;
	Syncobj &operator=(Syncobj &&other) noexcept;
	Syncobj(const Syncobj &) = delete;
	Syncobj &operator=(const Syncobj &) = delete;
	~Syncobj() { reset(); }

	uint32_t handle() const { return handle_; }

	/** 0 when signalled, ETIME at @until_ns (CLOCK_MONOTONIC), or another errno. Allocates nothing here. */
	int wait(int64_t until_ns) const;

	Result<SyncFile> export_sync_file() const;
	/** As SyncFile::error(), of the fence that is in it now. */
	Result<int> fence_error() const;
	/** The fence of @file takes the place of what was there. */
	Status import_sync_file(const SyncFile &file) const;

	/* Points of a timeline; point 0 is the fence of a binary syncobj. */

	/** Puts what @source has at @source_point into this one at @point. */
	Status transfer(uint64_t point, const Syncobj &source, uint64_t source_point) const;
	/** The last point that has signalled. */
	Result<uint64_t> query() const;
	/** Once: @event_fd counts up when @point has signalled. */
	Status signal_eventfd(int event_fd, uint64_t point) const;

	/**
	 * Waits for one of @handles, with DRM_SYNCOBJ_WAIT_FLAGS_ALL for each: 0, ETIME, EINTR (not taken up again, as
	 * libdrm does), or another errno.
	 */
	static int wait_many(int device_fd, const std::vector<uint32_t> &handles, uint32_t flags, int64_t until_ns);
	/** The same for @point of this one. */
	int wait_point(uint64_t point, uint32_t flags, int64_t until_ns) const;

private:
	Syncobj(int fd, uint32_t handle) : fd_(fd), handle_(handle) {}
	void reset() noexcept;

	int fd_ = -1;
	uint32_t handle_ = 0;
};

} // namespace drmsqueeze
