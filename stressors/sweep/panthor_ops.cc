/* SPDX-License-Identifier: MIT */
/*
 * Panthor's ioctls on VMs and buffers. Its heaps are in panthor_heap_ops.cc, groups, jobs and the probe in
 * panthor_job_ops.cc.
 */
#include <cerrno>
#include <optional>

#include "agent/clock.h"
#include "stressors/drm/sync.h"
#include "stressors/sweep/buffers.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/mapped.h"
#include "stressors/sweep/panthor_bo.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kBlockBytes = 2 << 20;                    /* what one table of 4 KiB pages maps */
constexpr uint64_t kLargeBytes = kBlockBytes + kBufferBytes; /* needs a second table */
constexpr int64_t kWait = 20 * kNsPerS;

class DevQuery : public OnPanthor
{
public:
	int act() override
	{
		drm_panthor_csif_info info{};
		drm_panthor_dev_query args{};
		args.type = DRM_PANTHOR_DEV_QUERY_CSIF_INFO;
		args.size = sizeof(info);
		args.pointer = reinterpret_cast<uintptr_t>(&info);
		return call(fd(), DRM_IOCTL_PANTHOR_DEV_QUERY, &args);
	}
};

/** A buffer can be bound in @vm, and the VM says that it can be used. */
Status vm_works(int fd, uint32_t vm)
{
	uint32_t bo = 0;
	if (int error = panthor_create_bo(fd, kBufferBytes, 0, bo))
		return status_of(error, "BO_CREATE");
	if (int error = panthor_bind(fd, vm, bo, kPanthorAddress, kBufferBytes))
		return status_of(error, "VM_BIND");
	drm_panthor_vm_get_state args{};
	args.vm_id = vm;
	if (int error = call(fd, DRM_IOCTL_PANTHOR_VM_GET_STATE, &args))
		return status_of(error, "VM_GET_STATE");
	return args.state == DRM_PANTHOR_VM_STATE_USABLE ? Status() : Error{EIO, "the VM is unusable"};
}

class CreateVm : public OnPanthor
{
public:
	int act() override { return panthor_create_vm(fd(), vm_); }
	Status check() override { return vm_works(fd(), vm_); }

protected:
	uint32_t vm_ = 0;
};

/** With a buffer bound in it and a heap, both of which have to go. */
class DestroyVm : public CreateVm
{
public:
	Status set_up() override
	{
		if (Status status = CreateVm::set_up(); !status)
			return status;
		if (int error = CreateVm::act())
			return status_of(error, "VM_CREATE");
		if (int error = panthor_create_heap(fd(), vm_, heap_))
			return status_of(error, "TILER_HEAP_CREATE");
		return vm_works(fd(), vm_);
	}
	int act() override { return panthor_destroy_vm(fd(), vm_); }
	Status check() override { return {}; }

private:
	uint32_t heap_ = 0;
};

class VmGetState : public OnPanthor
{
public:
	int act() override
	{
		drm_panthor_vm_get_state args{};
		args.vm_id = kPanthorVm;
		return call(fd(), DRM_IOCTL_PANTHOR_VM_GET_STATE, &args);
	}
};

class CreateBo : public OnPanthor
{
public:
	int act() override { return panthor_create_bo(fd(), kBufferBytes, 0, handle_); }
	Status check() override
	{
		UniqueFd dmabuf = export_handle(fd(), handle_);
		auto buffer = context_->import_dmabuf(dmabuf.get(), kBufferBytes);
		if (!buffer)
			return buffer.error();
		return gpu_writes(*context_, **buffer, (*buffer)->address(), kBufferBytes);
	}
	UniqueFd share() override { return export_handle(fd(), handle_); }

protected:
	uint32_t handle_ = 0;
};

/** For one VM alone: it can be bound there, and not be exported. */
class CreateExclusiveBo : public CreateBo
{
public:
	int act() override { return panthor_create_bo(fd(), kBufferBytes, kPanthorVm, handle_); }
	Status check() override
	{
		return status_of(panthor_bind(fd(), kPanthorVm, handle_, kPanthorAddress, kBufferBytes), "VM_BIND");
	}
	UniqueFd share() override { return {}; }
};

class MmapOffset : public OnPanthorBo
{
public:
	int act() override
	{
		drm_panthor_bo_mmap_offset args{};
		args.handle = buffer_->handle();
		int error = call(fd(), DRM_IOCTL_PANTHOR_BO_MMAP_OFFSET, &args);
		offset_ = args.offset;
		return error;
	}

protected:
	uint64_t offset_ = 0;
};

/** The first mapping of a buffer: its pages are had now. */
template <uint64_t kBytes>
class Bind : public OnPanthor
{
public:
	Status set_up() override
	{
		if (Status status = OnPanthor::set_up(); !status)
			return status;
		return status_of(panthor_create_bo(fd(), kBytes, 0, handle_), "BO_CREATE");
	}
	int act() override { return panthor_bind(fd(), kPanthorVm, handle_, kPanthorAddress, kBytes); }
	Status check() override
	{
		UniqueFd dmabuf = export_handle(fd(), handle_);
		auto buffer = context_->import_dmabuf(dmabuf.get(), kBytes);
		if (!buffer)
			return buffer.error();
		return gpu_writes(*context_, **buffer, kPanthorAddress, kBytes);
	}
	/** What failed twice must not have spoilt the VM. */
	Status check_after_failure() override { return vm_works(fd(), kPanthorVm); }

protected:
	uint32_t handle_ = 0;
};

class BindAsync : public Bind<kBufferBytes>
{
public:
	Status set_up() override
	{
		if (Status status = Bind::set_up(); !status)
			return status;
		auto made = Syncobj::create(fd());
		if (!made)
			return made.error();
		bound_ = std::move(*made);
		return {};
	}
	int act() override
	{
		return panthor_bind_async(fd(), kPanthorVm, handle_, kPanthorAddress, kBufferBytes, bound_->handle());
	}
	Status check() override
	{
		if (int error = bound_->wait(now_ns() + kWait))
			return status_of(error, "wait for VM_BIND");
		return Bind::check();
	}

private:
	std::optional<Syncobj> bound_;
};

/** A hole in the middle of a mapping, in each of whose two tables something stays. */
class Unbind : public Bind<kLargeBytes>
{
public:
	Status set_up() override
	{
		if (Status status = Bind::set_up(); !status)
			return status;
		return status_of(Bind::act(), "VM_BIND");
	}
	int act() override
	{
		constexpr uint64_t kHole = kBlockBytes / 2;
		return panthor_bind(fd(), kPanthorVm, 0, kPanthorAddress + kHole, kHole + 4096);
	}
	/** What stays can be written, and the hole be filled. */
	Status check() override
	{
		if (int error = panthor_bind(fd(), kPanthorVm, handle_, kPanthorAddress, kLargeBytes))
			return status_of(error, "VM_BIND over what is left");
		return Bind::check();
	}
};

std::string unsupported()
{
	return driver_missing(kPanthorName);
}

constexpr OperationType kOperations[] = {
	{"panthor/dev-query", make<DevQuery>, unsupported, panthor_works},
	{"panthor/vm-create", make<CreateVm>, unsupported, panthor_works},
	{"panthor/vm-destroy", make<DestroyVm>, unsupported, panthor_works},
	{"panthor/vm-get-state", make<VmGetState>, unsupported, panthor_works},
	{"panthor/bo-create", make<CreateBo>, unsupported, panthor_works},
	{"panthor/bo-create-exclusive", make<CreateExclusiveBo>, unsupported, panthor_works},
	{"panthor/bo-mmap-offset", make<MmapOffset>, unsupported, panthor_works},
	{"panthor/mmap", make<Map<WithOffset<MmapOffset>>>, unsupported, panthor_works},
	{"panthor/fault", make<Touch<WithOffset<MmapOffset>>>, unsupported, panthor_works},
	{"panthor/vm-bind", make<Bind<kBufferBytes>>, unsupported, panthor_works},
	{"panthor/vm-bind-large", make<Bind<kLargeBytes>>, unsupported, panthor_works},
	{"panthor/vm-bind-async", make<BindAsync>, unsupported, panthor_works},
	{"panthor/vm-unbind", make<Unbind>, unsupported, panthor_works},
};

} // namespace

std::span<const OperationType> panthor_operations()
{
	return kOperations;
}

} // namespace drmsqueeze
