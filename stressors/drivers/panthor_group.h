/* SPDX-License-Identifier: MIT */
/* Scheduling groups of panthor, each with one queue, and those of a context by number. */
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <span>

#include "stressors/drivers/panthor_vm.h"

struct drm_panthor_gpu_info;
struct drm_panthor_sync_op;

namespace drmsqueeze
{

/** A group of a VM. The VM must outlive it. */
class PanthorGroup
{
public:
	static Result<std::shared_ptr<PanthorGroup>> create(PanthorVm &vm, const drm_panthor_gpu_info &gpu);
	~PanthorGroup();
	PanthorGroup(const PanthorGroup &) = delete;
	PanthorGroup &operator=(const PanthorGroup &) = delete;

	/** Calls the stream of @bytes at @address: 0 or a positive errno. */
	int submit(uint64_t address, uint32_t bytes, std::span<const drm_panthor_sync_op> syncs) const;
	/** The driver has given it up, for a timeout or a fault: no job runs in it any more (GROUP_GET_STATE). */
	bool lost() const;
	/** One of its jobs has failed; false when it is the first. */
	bool had_failed() { return failed_.exchange(true); }
	Status destroy();

private:
	PanthorGroup(PanthorVm &vm, uint32_t handle) : vm_(vm), handle_(handle) {}

	PanthorVm &vm_;
	uint32_t handle_;
	std::atomic<bool> failed_ = false;
	std::atomic<bool> destroyed_ = false;
};

/** Any thread may use it. */
class PanthorGroups
{
public:
	PanthorGroups(PanthorVm &vm, const drm_panthor_gpu_info &gpu);
	~PanthorGroups();

	/** The group of this @number, made when there is none. */
	Result<std::shared_ptr<PanthorGroup>> get(uint32_t number);
	/** The next get() makes another, unless it has already: @group is not to be used again. */
	void drop(uint32_t number, const std::shared_ptr<PanthorGroup> &group);
	/** What get() gave last; nullptr before. */
	std::shared_ptr<PanthorGroup> current(uint32_t number);

private:
	PanthorVm &vm_;
	std::unique_ptr<drm_panthor_gpu_info> gpu_;
	std::mutex lock_; /* of groups_ */
	std::map<uint32_t, std::shared_ptr<PanthorGroup>> groups_;
};

} // namespace drmsqueeze
