/* SPDX-License-Identifier: MIT */
/*
 * Panfrost's heaps grow in the thread of the MMU's interrupt (panfrost_mmu_map_fault_addr), so it is that thread whose
 * allocations fail. The step is a job that makes a heap grow, and the wait for its fence; the error is the fence's.
 */
#include <cerrno>

#include "agent/clock.h"
#include "stressors/grower.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/panfrost_bo.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kHeapBytes = 2 << 20; /* what one fault backs */
constexpr int64_t kWait = 20 * kNsPerS;

class HeapFault : public OnPanfrost
{
public:
	Status set_up() override
	{
		if (Status status = OnPanfrost::set_up(); !status)
			return status;
		auto grower = Grower::create(*context_, {.bytes = kHeapBytes});
		if (!grower)
			return grower.error();
		grower_ = std::move(*grower);
		return {};
	}
	int act() override
	{
		if (Status status = grower_.describe(); !status)
			return status.error().code;
		return grower_.run(now_ns() + kWait);
	}
	/** All of what the fault was to back, and a heap of its own for the job behind. */
	Status check() override
	{
		Memory &heap = *grower_.heap;
		if (Status status = gpu_writes(*context_, *heap.buffer(), heap.address(), kHeapBytes); !status)
			return status;
		return next_heap();
	}
	Status check_after_failure() override { return next_heap(); }

private:
	Status next_heap()
	{
		auto next = context_->create_heap({.bytes = kHeapBytes});
		return next ? gpu_writes(*context_, *(*next)->buffer(), (*next)->address(), 1) : Status(next.error());
	}

	Grower grower_;
};

std::string unsupported()
{
	return driver_missing("panfrost");
}

/* panfrost_job_handle_err() puts -EINVAL on the fence of a job whose fault is not answered. */
constexpr OperationType kOperations[] = {
	{"panfrost-heap/fault", make<HeapFault>, unsupported, panfrost_works, EINVAL, "irq/*panfrost-mmu"},
};

} // namespace

std::span<const OperationType> panfrost_heap_operations()
{
	return kOperations;
}

} // namespace drmsqueeze
