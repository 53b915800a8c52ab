/* SPDX-License-Identifier: MIT */
/*
 * Panthor: Mali GPUs with a command-stream frontend (CSF), whose firmware runs queues and asks the kernel for memory.
 *
 * A job is a stream of MOVE and STORE_MULTIPLE: no shader, no compiler, and each store touches memory of our choosing.
 * That runs on any board. A heap is a tiler heap: it grows by chunks in a workqueue when the firmware says that the
 * tiler is out of memory, and nobody but the GPU sees into it. Tiling takes shaders, so heap jobs use a private
 * instruction of the GPU model mali-csf, and on boards are refused with that reason. Model and board are told apart by
 * the model's own directory in debugfs: GPU_ID and firmware version are those of a real one, on purpose.
 *
 * Every context has a VM, and scheduling groups by number, each with one queue. A group that a timeout or a fault has
 * cost (GROUP_GET_STATE) is replaced with the next submit, as user-space drivers do.
 */
#include <cerrno>
#include <utility>
#include <xf86drm.h>

#include <panthor_drm.h>

#include "agent/root.h"
#include "stressors/drivers/panthor_slot.h"
#include "stressors/drm/device.h"

namespace drmsqueeze
{

namespace
{

class PanthorContext : public Context
{
public:
	PanthorContext(Device device, std::unique_ptr<PanthorVm> vm, const drm_panthor_gpu_info &gpu)
		: device_(std::move(device)), vm_(std::move(vm)), groups_(*vm_, gpu)
	{
	}

	int fd() const override { return device_.fd(); }

	Result<std::unique_ptr<Buffer>> create_buffer(uint64_t bytes) override
	{
		return as_buffer(PanthorBuffer::create(*vm_, bytes));
	}

	Result<std::unique_ptr<Buffer>> import_dmabuf(int dmabuf, uint64_t bytes) override
	{
		return as_buffer(PanthorBuffer::import(*vm_, dmabuf, bytes));
	}

	Result<std::unique_ptr<Memory>> create_heap(const HeapShape &shape) override
	{
		auto heap = PanthorHeap::create(*vm_, shape);
		if (!heap)
			return heap.error();
		return std::unique_ptr<Memory>(std::move(*heap));
	}

	Result<std::unique_ptr<JobSlot>> create_slot(unsigned max_writes, uint32_t group) override
	{
		return PanthorSlot::create(*vm_, groups_, group, max_writes);
	}

	Status choose_binding(Binding binding) override
	{
		vm_->choose(binding);
		return {};
	}

	Status take_away(Taken part, uint32_t group, Memory *heap) override
	{
		switch (part) {
		case Taken::heap: {
			auto *tiler_heap = dynamic_cast<PanthorHeap *>(heap);
			return tiler_heap ? tiler_heap->destroy() : Status(Error{EINVAL, "no heap"});
		}
		case Taken::group: {
			auto taken = groups_.current(group);
			groups_.drop(group, taken);
			return taken ? taken->destroy() : Status();
		}
		case Taken::vm:
			return vm_->destroy();
		case Taken::file:
			vm_->leave_to_file();
			return {};
		case Taken::process:
			break;
		}
		return Error{EINVAL, "no part of a context"};
	}

private:
	static Result<std::unique_ptr<Buffer>> as_buffer(Result<std::unique_ptr<PanthorBuffer>> buffer)
	{
		if (!buffer)
			return buffer.error();
		return std::unique_ptr<Buffer>(std::move(*buffer));
	}

	Device device_;
	std::unique_ptr<PanthorVm> vm_;
	PanthorGroups groups_;
};

Result<std::unique_ptr<Context>> open_panthor()
{
	auto device = Device::open("panthor");
	if (!device)
		return device.error();
	drm_panthor_gpu_info gpu{};
	drm_panthor_dev_query query{};
	query.type = DRM_PANTHOR_DEV_QUERY_GPU_INFO;
	query.size = sizeof(gpu);
	query.pointer = reinterpret_cast<uintptr_t>(&gpu);
	if (drmIoctl(device->fd(), DRM_IOCTL_PANTHOR_DEV_QUERY, &query) != 0)
		return error_of("PANTHOR_DEV_QUERY");
	auto vm = PanthorVm::create(device->fd());
	if (!vm)
		return vm.error();
	return std::unique_ptr<Context>(new PanthorContext(std::move(*device), std::move(*vm), gpu));
}

Result<HeapEvents> heap_events(const Root &root)
{
	HeapEvents events{};
	for (auto [name, value] :
	     {std::pair{"chunks_received", &events.growths}, std::pair{"chunks_null", &events.no_chunks},
	      std::pair{"chunks_duplicate", &events.doubled}}) {
		auto counter = root.number(std::string(kCsfModel) + "/counters/" + name);
		if (!counter)
			return counter.error();
		*value = *counter;
	}
	return events;
}

/* queue_timedout_job(). "CSG slot %d progress timeout" is the firmware's, and its group ends as after a job timeout. */
constexpr LogRule kLogRules[] = {
	{"job timeout", LogSign::job_timeout},
	{"progress timeout", LogSign::job_timeout},
};

/*
 * A group ends as a whole: group_term_post_processing() in panthor_sched.c gives each fence that is left one errno,
 * -EINVAL: of a queue with a fatal fault, a heap that could not grow for another reason than memory among them, and of
 *          all queues of all groups of a VM that had an unhandled page fault (tick_ctx_init());
 * -ETIMEDOUT: of a group with a timeout; also without the driver's message where a suspend failed and a reset followed
 *          (panthor_sched_suspend()): then it was another group's doing;
 * -ECANCELED: else, as for a client that destroys the group. Also of what was still in the scheduler when the group
 *          ended (queue_run_job()).
 * Jobs of the group that never began are victims of the one that ended it.
 */
constexpr OutcomeRule kOutcomeRules[] = {
	{ETIMEDOUT, TimeoutRole::culprit, Fate::timed_out, false, 0, "driver's job timeout"},
	{ETIMEDOUT, TimeoutRole::victim, Fate::failed, false, kVictim, "its group was lost to another job's timeout"},
	{ETIMEDOUT, TimeoutRole::none, Fate::failed, false, kVictim,
	 "its group was lost without a job timeout, in a reset"},
	{EINVAL, TimeoutRole::victim, Fate::failed, false, kVictim, "its group was lost to another job's fault"},
	{EINVAL, TimeoutRole::none, Fate::failed, true, 0, "GPU fault"},
	{ECANCELED, TimeoutRole::victim, Fate::failed, false, kVictim, "cancelled with its group before it began"},
	{ECANCELED, TimeoutRole::none, Fate::failed, false, 0, "its group was terminated"},
	{0, TimeoutRole::none, Fate::failed, false, 0, "fence error"},
};

} // namespace

extern const Driver kPanthor;
const Driver kPanthor = {
	.name = "panthor",
	.module = "panthor",
	.log_rules = kLogRules,
	.outcome_rules = kOutcomeRules,
	.open = open_panthor,
	.own_groups = true,
	.heap_events = heap_events,
};

} // namespace drmsqueeze
