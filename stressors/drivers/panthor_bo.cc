/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/panthor_bo.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <xf86drm.h>

#include <panthor_drm.h>

#include "agent/clock.h"

namespace drmsqueeze
{

Result<std::unique_ptr<PanthorBuffer>> PanthorBuffer::create(PanthorVm &vm, uint64_t bytes)
{
	drm_panthor_bo_create args{};
	args.size = bytes;
	if (drmIoctl(vm.fd(), DRM_IOCTL_PANTHOR_BO_CREATE, &args) != 0)
		return error_of("PANTHOR_BO_CREATE");
	return bind(vm, GemHandle(vm.fd(), args.handle), args.size);
}

Result<std::unique_ptr<PanthorBuffer>> PanthorBuffer::import(PanthorVm &vm, int dmabuf, uint64_t bytes)
{
	auto gem = GemHandle::import_dmabuf(vm.fd(), dmabuf);
	if (!gem)
		return gem.error();
	return bind(vm, std::move(*gem), bytes);
}

Result<std::unique_ptr<PanthorBuffer>> PanthorBuffer::bind(PanthorVm &vm, GemHandle gem, uint64_t bytes)
{
	std::optional<Syncobj> bound;
	if (vm.binding() == Binding::async) {
		auto made = Syncobj::create(vm.fd());
		if (!made)
			return made.error();
		bound = std::move(*made);
	}
	auto address = vm.bind(gem.get(), bytes, bound ? &*bound : nullptr);
	if (!address)
		return address.error();
	return std::unique_ptr<PanthorBuffer>(new PanthorBuffer(vm, std::move(gem), bytes, *address, std::move(bound)));
}

PanthorBuffer::~PanthorBuffer()
{
	constexpr int64_t kPatience = 2 * kNsPerS;
	if (vm_.left_to_file())
		return;
	bool async = vm_.binding() == Binding::async;
	if (!async && last_use_ && last_use_->wait(now_ns() + kPatience) != 0)
		return;
	static_cast<void>(vm_.unbind(address_, bytes_, last_use_.get()));
}

Result<Mapping> PanthorBuffer::map()
{
	drm_panthor_bo_mmap_offset args{};
	args.handle = gem_.get();
	if (drmIoctl(vm_.fd(), DRM_IOCTL_PANTHOR_BO_MMAP_OFFSET, &args) != 0)
		return error_of("PANTHOR_BO_MMAP_OFFSET");
	return Mapping::create(vm_.fd(), static_cast<off_t>(args.offset), bytes_, PROT_READ | PROT_WRITE);
}

/* There is no ioctl for a BO; its client knows which job used it last. */
Status PanthorBuffer::wait_idle(int64_t until_ns)
{
	int error = last_use_ ? last_use_->wait(until_ns) : 0;
	if (error == ETIME)
		return Error{until_ns ? ETIMEDOUT : EBUSY, "the BO's last job is not through"};
	return error ? Status(Error{error, std::string("SYNCOBJ_WAIT: ") + strerror(error)}) : Status();
}

Status PanthorBuffer::wait_bound(int64_t until_ns)
{
	if (!bound_)
		return {};
	if (int error = bound_->wait(until_ns))
		return Error{error == ETIME ? ETIMEDOUT : error, "VM_BIND: its fence did not signal"};
	auto error = bound_->fence_error();
	if (!error)
		return error.error();
	return *error ? Status(Error{*error, "VM_BIND: its fence carries an error"}) : Status();
}

} // namespace drmsqueeze
