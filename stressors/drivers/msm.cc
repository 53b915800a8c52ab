/* SPDX-License-Identifier: MIT */
/*
 * Msm: Qualcomm's Adreno. All that concerns BOs is the same for every generation of them (msm_gem*.c, msm_gpu.c,
 * msm_ringbuffer.c); jobs are written for a2xx only, as the GPU model adreno-a2xx executes them: MEM_WRITE packets,
 * which take no shader. A group means nothing: all queues of a file with one priority share an entity of the scheduler
 * (msm_submitqueue.c, get_sched_entity()), and so run in the order of their submits.
 */
#include <cerrno>
#include <xf86drm.h>

#include <msm_drm.h>

#include "stressors/drivers/msm_slot.h"
#include "stressors/drm/device.h"

namespace drmsqueeze
{

namespace
{

class MsmContext : public Context
{
public:
	MsmContext(Device device, uint64_t gpu_id) : device_(std::move(device)), gpu_id_(gpu_id) {}

	int fd() const override { return device_.fd(); }

	Result<std::unique_ptr<Buffer>> create_buffer(uint64_t bytes) override
	{
		return as_buffer(MsmBuffer::create(fd(), bytes));
	}

	Result<std::unique_ptr<Buffer>> import_dmabuf(int dmabuf, uint64_t bytes) override
	{
		return as_buffer(MsmBuffer::import(fd(), dmabuf, bytes));
	}

	Result<std::unique_ptr<JobSlot>> create_slot(unsigned max_writes, uint32_t /*group*/) override
	{
		constexpr uint64_t kA2xx = 200;
		if (gpu_id_ < kA2xx || gpu_id_ >= kA2xx + 100)
			return Error{EOPNOTSUPP, "jobs are written for Adreno a2xx only"};
		return MsmSlot::create(fd(), max_writes);
	}

private:
	static Result<std::unique_ptr<Buffer>> as_buffer(Result<std::unique_ptr<MsmBuffer>> buffer)
	{
		if (!buffer)
			return buffer.error();
		return std::unique_ptr<Buffer>(std::move(*buffer));
	}

	Device device_;
	uint64_t gpu_id_;
};

/* A file can be opened without a GPU, which is loaded with its firmware when the first one is: load_gpu() in msm_drv.c.
 */
Result<std::unique_ptr<Context>> open_msm()
{
	auto device = Device::open("msm");
	if (!device)
		return device.error();
	drm_msm_param args{};
	args.pipe = MSM_PIPE_3D0;
	args.param = MSM_PARAM_GPU_ID;
	if (drmIoctl(device->fd(), DRM_IOCTL_MSM_GET_PARAM, &args) != 0)
		return errno == ENXIO ? Error{ENXIO, "msm has no GPU: is its firmware there (/lib/firmware/qcom)?"}
				      : error_of("MSM_GET_PARAM");
	return std::unique_ptr<Context>(new MsmContext(std::move(*device), args.value));
}

/* What the trace points msm_gem_shrink and msm_gem_purge_vmaps say, counted by the lab's copy (msm_glue.c). */
Result<ShrunkPages> shrunk_pages(const Root &root)
{
	ShrunkPages pages{};
	const struct {
		const char *name;
		uint64_t &value;
	} counters[] = {
		{"purged_pages", pages.purged},
		{"evicted_pages", pages.evicted},
		{"active_purged_pages", pages.active_purged},
		{"active_evicted_pages", pages.active_evicted},
		{"vmaps", pages.vmaps},
	};
	for (const auto &counter : counters) {
		auto value = root.number(std::string("/sys/module/msm/parameters/shrunk_") + counter.name);
		if (!value)
			return value.error();
		counter.value = *value;
	}
	return pages;
}

/* recover_worker(); hangcheck_handler() has said so before, and it may have been for nothing. */
constexpr LogRule kLogRules[] = {
	{"hangcheck recover!", LogSign::job_timeout},
};

/*
 * Fences of msm carry no errors: ETIMEDOUT is made of the count of the job's own queue (msm_slot.h), and so never that
 * of another job. What stands in the ring behind a job that hung is executed again (recover_worker()).
 */
constexpr OutcomeRule kOutcomeRules[] = {
	{ETIMEDOUT, TimeoutRole::culprit, Fate::timed_out, false, 0, "driver's hangcheck"},
	{ETIMEDOUT, TimeoutRole::victim, Fate::timed_out, false, 0, "driver's hangcheck"},
	{ETIMEDOUT, TimeoutRole::none, Fate::timed_out, false, 0, "driver's hangcheck"},
	{0, TimeoutRole::none, Fate::failed, false, 0, "fence error"},
};

} // namespace

extern const Driver kMsm;
const Driver kMsm = {
	.name = "msm",
	.module = "msm",
	.log_rules = kLogRules,
	.outcome_rules = kOutcomeRules,
	.open = open_msm,
	.shrunk_pages = shrunk_pages,
};

} // namespace drmsqueeze
