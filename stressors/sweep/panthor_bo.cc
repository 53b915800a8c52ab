/* SPDX-License-Identifier: MIT */
#include "stressors/sweep/panthor_bo.h"

namespace drmsqueeze
{

namespace
{

int bind(int fd, uint32_t vm, drm_panthor_vm_bind_op op, uint32_t flags)
{
	op.flags = op.bo_handle ? DRM_PANTHOR_VM_BIND_OP_TYPE_MAP | DRM_PANTHOR_VM_BIND_OP_MAP_NOEXEC
				: DRM_PANTHOR_VM_BIND_OP_TYPE_UNMAP;
	drm_panthor_vm_bind args{};
	args.vm_id = vm;
	args.flags = flags;
	args.ops = DRM_PANTHOR_OBJ_ARRAY(1, &op);
	return call(fd, DRM_IOCTL_PANTHOR_VM_BIND, &args);
}

drm_panthor_vm_bind_op operation(uint32_t bo, uint64_t address, uint64_t bytes)
{
	drm_panthor_vm_bind_op op{};
	op.bo_handle = bo;
	op.va = address;
	op.size = bytes;
	return op;
}

} // namespace

int panthor_create_vm(int fd, uint32_t &vm)
{
	drm_panthor_vm_create args{};
	int error = call(fd, DRM_IOCTL_PANTHOR_VM_CREATE, &args);
	vm = error ? 0 : args.id;
	return error;
}

int panthor_destroy_vm(int fd, uint32_t vm)
{
	drm_panthor_vm_destroy args{};
	args.id = vm;
	return call(fd, DRM_IOCTL_PANTHOR_VM_DESTROY, &args);
}

int panthor_create_bo(int fd, uint64_t bytes, uint32_t exclusive_vm, uint32_t &handle)
{
	drm_panthor_bo_create args{};
	args.size = bytes;
	args.exclusive_vm_id = exclusive_vm;
	int error = call(fd, DRM_IOCTL_PANTHOR_BO_CREATE, &args);
	handle = error ? 0 : args.handle;
	return error;
}

int panthor_bind(int fd, uint32_t vm, uint32_t bo, uint64_t address, uint64_t bytes)
{
	return bind(fd, vm, operation(bo, address, bytes), 0);
}

int panthor_bind_async(int fd, uint32_t vm, uint32_t bo, uint64_t address, uint64_t bytes, uint32_t syncobj)
{
	drm_panthor_sync_op signal{};
	signal.flags = static_cast<uint32_t>(DRM_PANTHOR_SYNC_OP_SIGNAL);
	signal.handle = syncobj;
	drm_panthor_vm_bind_op op = operation(bo, address, bytes);
	op.syncs = DRM_PANTHOR_OBJ_ARRAY(1, &signal);
	return bind(fd, vm, op, DRM_PANTHOR_VM_BIND_ASYNC);
}

int panthor_create_heap(int fd, uint32_t vm, uint32_t &heap)
{
	constexpr uint32_t kChunkBytes = 128 * 1024; /* the smallest: each page of it is an allocation of the step */
	drm_panthor_tiler_heap_create args{};
	args.vm_id = vm;
	args.initial_chunk_count = 1;
	args.chunk_size = kChunkBytes;
	args.max_chunks = 4;
	args.target_in_flight = 4;
	int error = call(fd, DRM_IOCTL_PANTHOR_TILER_HEAP_CREATE, &args);
	heap = error ? 0 : args.handle;
	return error;
}

int panthor_destroy_heap(int fd, uint32_t heap)
{
	drm_panthor_tiler_heap_destroy args{};
	args.handle = heap;
	return call(fd, DRM_IOCTL_PANTHOR_TILER_HEAP_DESTROY, &args);
}

int panthor_create_group(int fd, uint32_t vm, uint32_t &group)
{
	drm_panthor_gpu_info info{};
	drm_panthor_dev_query query{};
	query.type = DRM_PANTHOR_DEV_QUERY_GPU_INFO;
	query.size = sizeof(info);
	query.pointer = reinterpret_cast<uintptr_t>(&info);
	if (int error = call(fd, DRM_IOCTL_PANTHOR_DEV_QUERY, &query))
		return error;
	drm_panthor_queue_create queue{};
	queue.ringbuf_size = 4096;
	drm_panthor_group_create args{};
	args.queues = DRM_PANTHOR_OBJ_ARRAY(1, &queue);
	args.max_compute_cores = 1;
	args.max_fragment_cores = 1;
	args.max_tiler_cores = 1;
	args.priority = PANTHOR_GROUP_PRIORITY_MEDIUM;
	args.compute_core_mask = info.shader_present;
	args.fragment_core_mask = info.shader_present;
	args.tiler_core_mask = info.tiler_present;
	args.vm_id = vm;
	int error = call(fd, DRM_IOCTL_PANTHOR_GROUP_CREATE, &args);
	group = error ? 0 : args.group_handle;
	return error;
}

int panthor_destroy_group(int fd, uint32_t group)
{
	drm_panthor_group_destroy args{};
	args.group_handle = group;
	return call(fd, DRM_IOCTL_PANTHOR_GROUP_DESTROY, &args);
}

Status panthor_works(int dmabuf)
{
	return driver_works(kPanthorName, dmabuf);
}

} // namespace drmsqueeze
