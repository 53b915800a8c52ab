/* SPDX-License-Identifier: MIT */
/* A GPU address space of panthor, and what is where in it: clients choose the addresses of their BOs themselves. */
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "stressors/drivers/driver.h"
#include "stressors/drm/sync.h"

namespace drmsqueeze
{

/** Free stretches of addresses, first fit. What is 2 MiB or more lies so that it can be mapped by blocks. */
class AddressRanges
{
public:
	AddressRanges(uint64_t begin, uint64_t end) { free_[begin] = end; }

	/** 0 when there is no room. @bytes: whole pages. */
	uint64_t take(uint64_t bytes);
	void give_back(uint64_t address, uint64_t bytes);
	size_t stretches() const { return free_.size(); }

private:
	std::map<uint64_t, uint64_t> free_; /* begin to end; no two touch */
};

/** Any thread may use it. The device must outlive it. */
class PanthorVm
{
public:
	static Result<std::unique_ptr<PanthorVm>> create(int fd);
	~PanthorVm();
	PanthorVm(const PanthorVm &) = delete;
	PanthorVm &operator=(const PanthorVm &) = delete;

	int fd() const { return fd_; }
	uint32_t id() const { return id_; }
	Binding binding() const { return binding_; }
	/** For what is bound from now on; before anything is. Async and sync operations are in no order to each other.
	 */
	void choose(Binding binding) { binding_ = binding; }

	/** Where it was bound. Async: @bound becomes the fence of it; sync: nullptr. */
	Result<uint64_t> bind(uint32_t handle, uint64_t bytes, const Syncobj *bound);
	/** Async: after the fence of @after, where there is one. Without success the addresses are never used again. */
	Status unbind(uint64_t address, uint64_t bytes, const Syncobj *after);

	Status destroy();
	/** From now on nothing is given back one by one: the file is about to go, and takes all with it. */
	void leave_to_file() { left_ = true; }
	bool left_to_file() const { return left_; }

private:
	PanthorVm(int fd, uint32_t id, uint64_t end) : fd_(fd), id_(id), ranges_(kFirstAddress, end) {}

	/* A stray null pointer of the GPU's must fault. */
	static constexpr uint64_t kFirstAddress = 2UL << 20;

	int fd_;
	uint32_t id_;
	Binding binding_ = Binding::sync;
	std::atomic<bool> left_ = false;
	bool destroyed_ = false;
	std::mutex lock_; /* of ranges_ */
	AddressRanges ranges_;
};

} // namespace drmsqueeze
