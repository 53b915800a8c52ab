/* SPDX-License-Identifier: MIT */
#pragma once

#include <cstdint>

#include "agent/result.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

/** What a fence says of itself (SYNC_IOC_FILE_INFO): 1 signalled, 0 not yet, or the fence's negative errno. */
struct FenceStatus {
	int status = 0;
};

/** Owns a sync file, the descriptor of a fence. */
class SyncFile
{
public:
	explicit SyncFile(UniqueFd fd) : fd_(std::move(fd)) {}
	Result<FenceStatus> status() const;
	int fd() const { return fd_.get(); }

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

private:
	Syncobj(int fd, uint32_t handle) : fd_(fd), handle_(handle) {}
	void reset() noexcept;

	int fd_ = -1;
	uint32_t handle_ = 0;
};

} // namespace drmsqueeze
