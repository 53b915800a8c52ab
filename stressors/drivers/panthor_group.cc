/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/panthor_group.h"

#include <bit>
#include <cerrno>
#include <xf86drm.h>

#include <panthor_drm.h>

namespace drmsqueeze
{

namespace
{

constexpr uint32_t kRingBytes = 64 << 10; /* the most that group_create_queue() takes: 512 jobs */

uint8_t count(uint64_t mask)
{
	return static_cast<uint8_t>(std::popcount(mask));
}

} // namespace

Result<std::shared_ptr<PanthorGroup>> PanthorGroup::create(PanthorVm &vm, const drm_panthor_gpu_info &gpu)
{
	drm_panthor_queue_create queue{};
	queue.ringbuf_size = kRingBytes;
	drm_panthor_group_create args{};
	args.queues = DRM_PANTHOR_OBJ_ARRAY(1, &queue);
	args.max_compute_cores = count(gpu.shader_present);
	args.max_fragment_cores = count(gpu.shader_present);
	args.max_tiler_cores = count(gpu.tiler_present);
	args.priority = PANTHOR_GROUP_PRIORITY_MEDIUM;
	args.compute_core_mask = gpu.shader_present;
	args.fragment_core_mask = gpu.shader_present;
	args.tiler_core_mask = gpu.tiler_present;
	args.vm_id = vm.id();
	if (drmIoctl(vm.fd(), DRM_IOCTL_PANTHOR_GROUP_CREATE, &args) != 0)
		return error_of("PANTHOR_GROUP_CREATE");
	return std::shared_ptr<PanthorGroup>(new PanthorGroup(vm, args.group_handle));
}

PanthorGroup::~PanthorGroup()
{
	if (!vm_.left_to_file())
		static_cast<void>(destroy());
}

Status PanthorGroup::destroy()
{
	if (destroyed_.exchange(true))
		return {};
	drm_panthor_group_destroy args{};
	args.group_handle = handle_;
	return drmIoctl(vm_.fd(), DRM_IOCTL_PANTHOR_GROUP_DESTROY, &args) == 0 ? Status()
									       : error_of("PANTHOR_GROUP_DESTROY");
}

int PanthorGroup::submit(uint64_t address, uint32_t bytes, std::span<const drm_panthor_sync_op> syncs) const
{
	drm_panthor_queue_submit job{};
	job.stream_addr = address;
	job.stream_size = bytes;
	job.syncs = DRM_PANTHOR_OBJ_ARRAY(static_cast<uint32_t>(syncs.size()), syncs.data());
	drm_panthor_group_submit args{};
	args.group_handle = handle_;
	args.queue_submits = DRM_PANTHOR_OBJ_ARRAY(1, &job);
	return drmIoctl(vm_.fd(), DRM_IOCTL_PANTHOR_GROUP_SUBMIT, &args) == 0 ? 0 : errno;
}

bool PanthorGroup::lost() const
{
	drm_panthor_group_get_state args{};
	args.group_handle = handle_;
	return drmIoctl(vm_.fd(), DRM_IOCTL_PANTHOR_GROUP_GET_STATE, &args) == 0 && args.state != 0;
}

PanthorGroups::PanthorGroups(PanthorVm &vm, const drm_panthor_gpu_info &gpu)
	: vm_(vm), gpu_(std::make_unique<drm_panthor_gpu_info>(gpu))
{
}

PanthorGroups::~PanthorGroups() = default;

Result<std::shared_ptr<PanthorGroup>> PanthorGroups::get(uint32_t number)
{
	std::lock_guard guard(lock_);
	std::shared_ptr<PanthorGroup> &group = groups_[number];
	if (!group) {
		auto made = PanthorGroup::create(vm_, *gpu_);
		if (!made)
			return made.error();
		group = std::move(*made);
	}
	return group;
}

void PanthorGroups::drop(uint32_t number, const std::shared_ptr<PanthorGroup> &group)
{
	std::lock_guard guard(lock_);
	if (groups_[number] == group)
		groups_[number].reset();
}

std::shared_ptr<PanthorGroup> PanthorGroups::current(uint32_t number)
{
	std::lock_guard guard(lock_);
	return groups_[number];
}

} // namespace drmsqueeze
