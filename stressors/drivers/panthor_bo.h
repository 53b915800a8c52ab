/* SPDX-License-Identifier: MIT */
/* A buffer object of panthor with its place in the VM. */
#pragma once

#include <optional>

#include "stressors/drivers/panthor_vm.h"
#include "stressors/drm/gem.h"

namespace drmsqueeze
{

/**
 * BO_CREATE allocates no page; they come when the CPU first touches one, or all of them when the BO is bound
 * (panthor_vm_prepare_map_op_ctx(): drm_gem_shmem_get_pages_sgt(), in the ioctl, async or not).
 */
class PanthorBuffer : public Buffer
{
public:
	static Result<std::unique_ptr<PanthorBuffer>> create(PanthorVm &vm, uint64_t bytes);
	static Result<std::unique_ptr<PanthorBuffer>> import(PanthorVm &vm, int dmabuf, uint64_t bytes);
	/** Unbinds it once the last job is through. Of one that is not, the mapping stays until the VM goes. */
	~PanthorBuffer() override;

	uint64_t bytes() const override { return bytes_; }
	uint64_t address() const override { return address_; }
	uint32_t handle() const override { return gem_.get(); }
	Result<UniqueFd> export_dmabuf() const override { return gem_.export_dmabuf(); }
	Result<Mapping> map() override;
	Status wait_idle(int64_t until_ns) override;
	Status wait_bound(int64_t until_ns) override;

	/** The fence that says it is bound, where that may still be under way; else nullptr. */
	const Syncobj *bound() const { return bound_ ? &*bound_ : nullptr; }
	/** A job uses it from now on until @fence signals. */
	void used_until(std::shared_ptr<const Syncobj> fence) const { last_use_ = std::move(fence); }

private:
	static Result<std::unique_ptr<PanthorBuffer>> bind(PanthorVm &vm, GemHandle gem, uint64_t bytes);
	PanthorBuffer(PanthorVm &vm, GemHandle gem, uint64_t bytes, uint64_t address, std::optional<Syncobj> bound)
		: vm_(vm), gem_(std::move(gem)), bytes_(bytes), address_(address), bound_(std::move(bound))
	{
	}

	PanthorVm &vm_;
	GemHandle gem_;
	uint64_t bytes_;
	uint64_t address_;
	std::optional<Syncobj> bound_; /* of Binding::async */
	mutable std::shared_ptr<const Syncobj> last_use_;
};

} // namespace drmsqueeze
