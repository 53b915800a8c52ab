/* SPDX-License-Identifier: MIT */
/*
 * Lima: Mali-400 and Mali-450 (Utgard), a GP with a heap that doubles, and PPs.
 *
 * A heap grows in a work item when the PLBU is out of memory (lima_gp_task_recover()). What a GP or PP executes takes
 * compiled shaders and real polygon lists, so jobs are lists of the GPU model mali-utgard, and are refused on boards
 * with that reason; BOs and heaps by themselves are not. Each group of a context is a lima_ctx, with an entity of the
 * scheduler for the GP and one for the PPs; a timeout ends one job and leaves the group as it is.
 */
#include <algorithm>
#include <cerrno>
#include <xf86drm.h>

#include <lima_drm.h>

#include "agent/root.h"
#include "stressors/drivers/lima_slot.h"
#include "stressors/drm/device.h"

namespace drmsqueeze
{

namespace
{

class LimaContext : public Context
{
public:
	LimaContext(Device device, unsigned pps) : device_(std::move(device)), client_(device_.fd()), pps_(pps) {}

	int fd() const override { return device_.fd(); }

	Result<std::unique_ptr<Buffer>> create_buffer(uint64_t bytes) override
	{
		return as<Buffer>(LimaBuffer::create(client_, bytes, LimaBuffer::Kind::plain));
	}

	/* Chunks are not lima's; but a heap that is to have so many at most is no larger than they are together. */
	Result<std::unique_ptr<Memory>> create_heap(const HeapShape &shape) override
	{
		const uint64_t most = shape.max_chunks ? shape.max_chunks * shape.chunk_bytes : shape.bytes;
		return as<Memory>(LimaBuffer::create(client_, std::min(shape.bytes, most), LimaBuffer::Kind::heap));
	}

	Result<std::unique_ptr<Buffer>> import_dmabuf(int dmabuf, uint64_t bytes) override
	{
		return as<Buffer>(LimaBuffer::import(client_, dmabuf, bytes));
	}

	Result<std::unique_ptr<JobSlot>> create_slot(unsigned max_writes, uint32_t group) override
	{
		return LimaSlot::create(client_, group, pps_, max_writes);
	}

	/* A job keeps its heap and its address space; the context is the scheduler's affair only. */
	Status take_away(Taken part, uint32_t group, Memory *heap) override
	{
		switch (part) {
		case Taken::heap: {
			auto *buffer = dynamic_cast<LimaBuffer *>(heap);
			return buffer ? buffer->close() : Status(Error{EINVAL, "no heap"});
		}
		case Taken::group:
			return client_.free_context(group);
		case Taken::vm:
			return Error{EOPNOTSUPP, "an address space of lima is its file's, and goes with it only"};
		case Taken::file:
			client_.leave_to_file();
			return {};
		case Taken::process:
			break;
		}
		return Error{EINVAL, "no part of a context"};
	}

private:
	template <typename To>
	static Result<std::unique_ptr<To>> as(Result<std::unique_ptr<LimaBuffer>> buffer)
	{
		if (!buffer)
			return buffer.error();
		return std::unique_ptr<To>(std::move(*buffer));
	}

	Device device_;
	LimaClient client_;
	unsigned pps_;
};

Result<std::unique_ptr<Context>> open_lima()
{
	auto device = Device::open("lima");
	if (!device)
		return device.error();
	drm_lima_get_param args{};
	args.param = DRM_LIMA_PARAM_NUM_PP;
	if (drmIoctl(device->fd(), DRM_IOCTL_LIMA_GET_PARAM, &args) != 0)
		return error_of("LIMA_GET_PARAM");
	return std::unique_ptr<Context>(new LimaContext(std::move(*device), static_cast<unsigned>(args.value)));
}

/* The model counts how often the PLBU asked, and how often it was given more. */
Result<HeapEvents> heap_events(const Root &root)
{
	auto asked = root.number(std::string(kUtgardModel) + "/counters/out_of_memory");
	if (!asked)
		return asked.error();
	auto grown = root.number(std::string(kUtgardModel) + "/counters/growths");
	if (!grown)
		return grown.error();
	return HeapEvents{*grown, *asked > *grown ? *asked - *grown : 0, 0};
}

/*
 * lima_sched_timedout_job(). It says nothing where pipe->error stands, which an interrupt without an error alone takes
 * back: so nothing of a job that hangs after its heap has grown. "gp task error" comes in any case.
 */
constexpr LogRule kLogRules[] = {
	{"job timeout", LogSign::job_timeout},
};

/*
 * A fence of lima carries one error, -ECANCELED of drm_sched_resubmit_jobs(), and only that of the job which was
 * running (a pipe runs one at a time): after a timeout, after a GPU error or a heap that could not grow, which the
 * scheduler handles at once as if it were one (drm_sched_fault()), and after a client that went away. Hence the role
 * from the log. A page fault of a job that has a heap grows the heap, which does not help: that job ends with the
 * timeout, but without the message (lima_gp_task_mmu_error(), lima_sched_pipe_task_done()).
 */
constexpr OutcomeRule kOutcomeRules[] = {
	{ECANCELED, TimeoutRole::culprit, Fate::timed_out, false, 0, "driver's job timeout"},
	{ECANCELED, TimeoutRole::victim, Fate::failed, true, 0, "GPU error, or its heap could not grow"},
	{ECANCELED, TimeoutRole::none, Fate::failed, true, 0, "GPU error, or its heap could not grow"},
	{0, TimeoutRole::none, Fate::failed, false, 0, "fence error"},
};

} // namespace

extern const Driver kLima;
const Driver kLima = {
	.name = "lima",
	.module = "lima",
	.log_rules = kLogRules,
	.outcome_rules = kOutcomeRules,
	.open = open_lima,
	.heap_events = heap_events,
};

} // namespace drmsqueeze
