/* SPDX-License-Identifier: MIT */
/*
 * Panthor's tiler heaps: their ioctls, and their growth, which a worker of the pool panthor-heap-alloc does
 * (panthor_sched.c, group_tiler_oom_work()).
 */
#include <cerrno>

#include "agent/clock.h"
#include "stressors/grower.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/panthor_bo.h"

namespace drmsqueeze
{

namespace
{

constexpr int64_t kWait = 20 * kNsPerS;
constexpr const char *kWorkers = "kworker/u*"; /* of which one grows a heap: an unbound pool */

/** The first heap of a VM brings the pool of heaps with it. */
class CreateFirstHeap : public OnPanthor
{
public:
	Status set_up() override
	{
		if (Status status = OnPanthor::set_up(); !status)
			return status;
		return status_of(panthor_create_vm(fd(), vm_), "VM_CREATE");
	}
	int act() override { return panthor_create_heap(fd(), vm_, heap_); }
	Status check() override { return status_of(panthor_destroy_heap(fd(), heap_), "TILER_HEAP_DESTROY"); }

protected:
	uint32_t vm_ = 0;
	uint32_t heap_ = 0;
};

class CreateHeap : public CreateFirstHeap
{
public:
	Status set_up() override
	{
		if (Status status = CreateFirstHeap::set_up(); !status)
			return status;
		uint32_t first = 0;
		return status_of(panthor_create_heap(fd(), vm_, first), "TILER_HEAP_CREATE");
	}
};

/** Its handle is good for one destroy, and its memory is there again for the next heap. */
class DestroyHeap : public CreateFirstHeap
{
public:
	Status set_up() override
	{
		if (Status status = CreateFirstHeap::set_up(); !status)
			return status;
		return status_of(CreateFirstHeap::act(), "TILER_HEAP_CREATE");
	}
	int act() override { return panthor_destroy_heap(fd(), heap_); }
	Status check() override
	{
		if (panthor_destroy_heap(fd(), heap_) != EINVAL)
			return Error{EIO, "the heap can be destroyed twice"};
		return status_of(panthor_create_heap(fd(), vm_, heap_), "TILER_HEAP_CREATE");
	}
};

/**
 * A job that takes two chunks from a heap with one. Without a handler (@kHandler false) the firmware ends a job that
 * gets none, and with it the group; with one it renders what it has and goes on.
 */
template <bool kHandler>
class Grow : public OnPanthor
{
public:
	Status set_up() override
	{
		if (Status status = OnPanthor::set_up(); !status)
			return status;
		return make(grower_, 0);
	}
	int act() override
	{
		/* The descriptor stands where the last job left it. */
		if (Status status = grower_.describe(); !status)
			return status.error().code;
		return grower_.run(now_ns() + kWait);
	}
	/** The job behind, with a heap of its own. */
	Status check() override
	{
		Grower next;
		if (Status status = make(next, 1); !status)
			return status;
		return status_of(next.run(now_ns() + kWait), "the next job");
	}
	Status check_after_failure() override { return check(); }

private:
	static constexpr uint64_t kChunk = 128 * 1024;
	static constexpr uint64_t kTakes = 2 * kChunk;

	Status make(Grower &grower, uint32_t group)
	{
		auto made = Grower::create(*context_, {.bytes = kTakes, .chunk_bytes = kChunk, .incremental = kHandler},
					   group);
		if (!made)
			return made.error();
		grower = std::move(*made);
		return grower.describe();
	}

	Grower grower_;
};

std::string unsupported()
{
	return driver_missing(kPanthorName);
}

constexpr OperationType kOperations[] = {
	{"panthor/heap-create-first", make<CreateFirstHeap>, unsupported, panthor_works},
	{"panthor/heap-create", make<CreateHeap>, unsupported, panthor_works},
	{"panthor/heap-destroy", make<DestroyHeap>, unsupported, panthor_works},
	/*
	 * Without a handler -EINVAL, which group_term_post_processing() puts on the fences of a queue with a fatal
	 * fault. With one no failure is to be seen at all.
	 */
	{"panthor-heap/grow", make<Grow<false>>, unsupported, panthor_works, EINVAL, kWorkers},
	{"panthor-heap/grow-handler", make<Grow<true>>, unsupported, panthor_works, 0, kWorkers},
};

} // namespace

std::span<const OperationType> panthor_heap_operations()
{
	return kOperations;
}

} // namespace drmsqueeze
