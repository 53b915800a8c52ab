/* SPDX-License-Identifier: MIT */
/*
 * Lima's heaps: how they are made, and how they grow, in a work item of system_wq (lima_sched_recover_work()). The step
 * is a job that takes twice what its heap begins with, and the wait for its fence; the error is the fence's.
 */
#include <cerrno>

#include <lima_drm.h>

#include "agent/clock.h"
#include "stressors/grower.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/lima_bo.h"

namespace drmsqueeze
{

namespace
{

constexpr int64_t kWait = 20 * kNsPerS;
constexpr const char *kSystemWorkers = "kworker/[0-9]*";
constexpr uint64_t kBegin = 32 * 1024; /* lima.heap_init_nr_pages */
constexpr uint64_t kHeapBytes = 2 * kBegin;
constexpr uint64_t kPage = 4096;
constexpr uint64_t kTablesBytes =
	32 << 20; /* what the page tables map that lima allocates at once (LIMA_VM_PB_SHIFT) */

/** A job that takes all of @heap. */
Status grow(Context &context, Memory &heap)
{
	auto slot = context.create_slot(1);
	if (!slot)
		return slot.error();
	const GpuWrite first{heap.address(), 1};
	if (Status status = (*slot)->describe_heap(heap, {&first, 1}, kHeapBytes); !status)
		return status;
	return status_of((*slot)->run(heap, now_ns() + kWait), "a job that makes the heap grow");
}

class CreateHeap : public OnLima
{
public:
	int act() override { return lima_create_bo(fd(), kHeapBytes, LIMA_BO_FLAG_HEAP, handle_); }
	Status check() override
	{
		UniqueFd dmabuf = export_handle(fd(), handle_);
		auto heap = context_->import_dmabuf(dmabuf.get(), kHeapBytes);
		return heap ? grow(*context_, **heap) : Status(heap.error());
	}

private:
	uint32_t handle_ = 0;
};

class Grow : public OnLima
{
public:
	Status set_up() override
	{
		if (Status status = OnLima::set_up(); !status)
			return status;
		auto grower = make_grower();
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
	/** The job behind, with a heap of its own. */
	Status check() override
	{
		auto next = context_->create_heap({.bytes = kHeapBytes});
		return next ? grow(*context_, **next) : Status(next.error());
	}
	Status check_after_failure() override { return check(); }

protected:
	virtual Result<Grower> make_grower() { return Grower::create(*context_, {.bytes = kHeapBytes}); }

	Grower grower_;
};

/** Its new half lies where nothing has been mapped yet: page tables are allocated. The kernel gives addresses in order.
 */
class GrowTables : public Grow
{
protected:
	Result<Grower> make_grower() override
	{
		auto slot = context_->create_slot(1);
		if (!slot)
			return slot.error();
		auto last = context_->create_buffer(kPage);
		if (!last)
			return last.error();
		const uint64_t gap = kTablesBytes - kBegin - ((*last)->address() + kPage);
		auto before = context_->create_heap({.bytes = gap}); /* addresses, and kBegin of memory */
		if (!before)
			return before.error();
		auto heap = context_->create_heap({.bytes = kHeapBytes});
		if (!heap)
			return heap.error();
		if ((*heap)->address() != kTablesBytes - kBegin)
			return Error{EIO, "the heap lies elsewhere"};
		before_[0] = std::move(*last);
		before_[1] = std::move(*before);
		return Grower{std::move(*heap), std::move(*slot)};
	}

private:
	std::unique_ptr<Memory> before_[2];
};

/** After a growth that failed another file imports the heap, before anybody tries again. */
class ImportGrown : public GrowTables
{
public:
	int act() override
	{
		if (failed_)
			if (int error = import())
				return error;
		int error = Grow::act();
		failed_ = error != 0;
		return error;
	}

private:
	int import()
	{
		auto dmabuf = grower_.heap->buffer()->export_dmabuf();
		if (!dmabuf)
			return dmabuf.error().code;
		auto other = find_driver(kLimaName)->open();
		if (!other)
			return other.error().code;
		auto heap = (*other)->import_dmabuf(dmabuf->get(), kHeapBytes);
		return heap ? 0 : heap.error().code;
	}

	bool failed_ = false;
};

std::string unsupported()
{
	return driver_missing(kLimaName);
}

/* What drm_sched_resubmit_jobs() puts on the fence of a job that drm_sched_fault() has ended. */
constexpr int kLost = ECANCELED;

constexpr OperationType kOperations[] = {
	{"lima/gem-create-heap", make<CreateHeap>, unsupported, lima_works},
	{"lima-heap/grow", make<Grow>, unsupported, lima_works, kLost, kSystemWorkers},
	{"lima-heap/grow-tables", make<GrowTables>, unsupported, lima_works, kLost, kSystemWorkers},
	{"lima-heap-import/grow-tables", make<ImportGrown>, unsupported, lima_works, kLost, kSystemWorkers},
};

} // namespace

std::span<const OperationType> lima_heap_operations()
{
	return kOperations;
}

} // namespace drmsqueeze
