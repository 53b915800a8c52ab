/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/panthor_vm.h"

#include <atomic>
#include <cerrno>
#include <xf86drm.h>

#include <panthor_drm.h>

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kBlock = 2UL << 20;

} // namespace

uint64_t AddressRanges::take(uint64_t bytes)
{
	const uint64_t alignment = bytes >= kBlock ? kBlock : 1;
	for (auto range = free_.begin(); range != free_.end(); ++range) {
		auto [begin, end] = *range;
		uint64_t address = (begin + alignment - 1) / alignment * alignment;
		if (address > end || end - address < bytes)
			continue;
		free_.erase(range);
		if (address > begin)
			free_[begin] = address;
		if (address + bytes < end)
			free_[address + bytes] = end;
		return address;
	}
	return 0;
}

void AddressRanges::give_back(uint64_t address, uint64_t bytes)
{
	uint64_t end = address + bytes;
	auto next = free_.lower_bound(address);
	if (next != free_.end() && next->first == end) {
		end = next->second;
		next = free_.erase(next);
	}
	if (next != free_.begin() && std::prev(next)->second == address)
		std::prev(next)->second = end;
	else
		free_[address] = end;
}

Result<std::unique_ptr<PanthorVm>> PanthorVm::create(int fd)
{
	drm_panthor_vm_create args{};
	if (drmIoctl(fd, DRM_IOCTL_PANTHOR_VM_CREATE, &args) != 0)
		return error_of("PANTHOR_VM_CREATE");
	return std::unique_ptr<PanthorVm>(new PanthorVm(fd, args.id, args.user_va_range));
}

PanthorVm::~PanthorVm()
{
	if (!left_)
		static_cast<void>(destroy());
}

Status PanthorVm::destroy()
{
	if (std::exchange(destroyed_, true))
		return {};
	drm_panthor_vm_destroy args{};
	args.id = id_;
	return drmIoctl(fd_, DRM_IOCTL_PANTHOR_VM_DESTROY, &args) == 0 ? Status() : error_of("PANTHOR_VM_DESTROY");
}

Result<uint64_t> PanthorVm::bind(uint32_t handle, uint64_t bytes, const Syncobj *bound)
{
	drm_panthor_vm_bind_op op{};
	{
		std::lock_guard guard(lock_);
		op.va = ranges_.take(bytes);
	}
	if (!op.va)
		return Error{ENOSPC, "no room in the GPU's address space"};
	drm_panthor_sync_op signal{};
	signal.flags = static_cast<uint32_t>(DRM_PANTHOR_SYNC_OP_SIGNAL);
	op.flags = DRM_PANTHOR_VM_BIND_OP_TYPE_MAP;
	op.bo_handle = handle;
	op.size = bytes;
	drm_panthor_vm_bind args{};
	args.vm_id = id_;
	if (bound) {
		args.flags = DRM_PANTHOR_VM_BIND_ASYNC;
		signal.handle = bound->handle();
		op.syncs = DRM_PANTHOR_OBJ_ARRAY(1, &signal);
	}
	args.ops = DRM_PANTHOR_OBJ_ARRAY(1, &op);
	if (drmIoctl(fd_, DRM_IOCTL_PANTHOR_VM_BIND, &args) == 0)
		return op.va;
	Error error = error_of("PANTHOR_VM_BIND");
	std::lock_guard guard(lock_);
	ranges_.give_back(op.va, bytes);
	return error;
}

Status PanthorVm::unbind(uint64_t address, uint64_t bytes, const Syncobj *after)
{
	drm_panthor_sync_op wait{};
	drm_panthor_vm_bind_op op{};
	op.flags = DRM_PANTHOR_VM_BIND_OP_TYPE_UNMAP;
	op.va = address;
	op.size = bytes;
	drm_panthor_vm_bind args{};
	args.vm_id = id_;
	if (binding_ == Binding::async) {
		args.flags = DRM_PANTHOR_VM_BIND_ASYNC;
		wait.handle = after ? after->handle() : 0;
		op.syncs = DRM_PANTHOR_OBJ_ARRAY(after ? 1U : 0U, &wait);
	}
	args.ops = DRM_PANTHOR_OBJ_ARRAY(1, &op);
	if (drmIoctl(fd_, DRM_IOCTL_PANTHOR_VM_BIND, &args) != 0)
		return error_of("PANTHOR_VM_BIND unmap");
	std::lock_guard guard(lock_);
	ranges_.give_back(address, bytes);
	return {};
}

} // namespace drmsqueeze
