/* SPDX-License-Identifier: MIT */
/*
 * Panfrost: Mali GPUs with a Job Manager (Midgard, Bifrost, first Valhall).
 *
 * A job is a chain of WRITE_VALUE descriptors: no shader, no compiler, and each one touches memory of our choosing.
 * Layout of the descriptors: Mesa, src/panfrost/genxml (Job Header, Write Value Job Payload).
 *
 * A heap is a BO with PANFROST_BO_HEAP: the MMU interrupt thread backs it 2 MiB at a time as the GPU faults
 * (panfrost_mmu_map_fault_addr). PANFROST_MMAP_BO refuses heaps ("pages are not pinned", panfrost_ioctl_mmap_bo), but a
 * dma-buf exported from one can be mapped: drm_gem_dmabuf_mmap goes straight to drm_gem_shmem_mmap, which knows nothing
 * of heaps, and the fault handler hands out bo->base.pages[], the very pages that the GPU writes to. Two rules follow:
 *  - never map a heap in which no job has completed: with pages_use_count 0 the mmap itself would populate all of it,
 * and the GPU's next fault would find pages that are in no page table ("already mapped, bail out") and never end;
 *  - never touch what no completed job has written: there pages[] holds NULL, which drm_gem_shmem_fault does not check.
 * DMA_BUF_IOCTL_SYNC is left out: drm_gem_prime_dmabuf_ops has no begin_cpu_access, so it would only wait for fences,
 * and boards without coherency get write-combined mappings (map_wc).
 */
#include "stressors/drivers/driver.h"

#include <cerrno>
#include <cstring>
#include <mutex>
#include <sys/mman.h>
#include <xf86drm.h>

#include <panfrost_drm.h>

#include "stressors/drm/device.h"
#include "stressors/drm/gem.h"
#include "stressors/drm/mapping.h"
#include "stressors/drm/sync.h"

namespace drmsqueeze
{

namespace
{

/** Job Header and Write Value Job Payload, in the 64-bit form; descriptors are aligned to 64 bytes. */
struct alignas(64) WriteValueJob {
	uint32_t exception_status; /* the GPU: 1 when done */
	uint32_t first_incomplete_task;
	uint64_t fault_pointer;
	uint32_t control; /* 0: 64-bit descriptor, 1-7 type, 8 barrier, 16-31 index */
	uint32_t dependencies;
	uint64_t next;
	uint64_t address;
	uint32_t value_type;
	uint32_t reserved;
	uint64_t immediate;
};
static_assert(sizeof(WriteValueJob) == 64 && offsetof(WriteValueJob, next) == 24);
static_assert(offsetof(WriteValueJob, address) == 32 && offsetof(WriteValueJob, immediate) == 48);

constexpr uint32_t kIs64Bit = 1;
constexpr uint32_t kTypeWriteValue = 2 << 1;
constexpr uint32_t kBarrier = 1 << 8; /* in order: each write waits for the one before it */
constexpr uint32_t kImmediate64 = 7;
constexpr uint32_t kStatusDone = 1;
constexpr uint32_t kMaxIndex = 0xffff;

struct Bo {
	GemHandle gem;
	uint64_t address = 0;
	uint64_t bytes = 0;
};

Result<Bo> create_bo(int fd, uint64_t bytes, uint32_t flags)
{
	drm_panfrost_create_bo args{};
	args.size = static_cast<uint32_t>(bytes);
	args.flags = flags;
	if (bytes != args.size)
		return Error{EFBIG, "PANFROST_CREATE_BO: 4 GiB or more"};
	if (drmIoctl(fd, DRM_IOCTL_PANFROST_CREATE_BO, &args) != 0)
		return error_of("PANFROST_CREATE_BO");
	return Bo{GemHandle(fd, args.handle), args.offset, bytes};
}

Result<Mapping> map_bo(int fd, const Bo &bo)
{
	drm_panfrost_mmap_bo args{};
	args.handle = bo.gem.get();
	if (drmIoctl(fd, DRM_IOCTL_PANFROST_MMAP_BO, &args) != 0)
		return error_of("PANFROST_MMAP_BO");
	return Mapping::create(fd, static_cast<off_t>(args.offset), bo.bytes, PROT_READ | PROT_WRITE);
}

/** A BO read through its dma-buf, which is mapped at the first read: see the head of this file. */
class PanfrostBuffer : public Buffer
{
public:
	PanfrostBuffer(int fd, Bo bo) : fd_(fd), bo_(std::move(bo)) {}

	uint64_t address() const override { return bo_.address; }
	uint64_t bytes() const override { return bo_.bytes; }
	uint32_t handle() const override { return bo_.gem.get(); }
	Result<UniqueFd> export_dmabuf() const override { return bo_.gem.export_dmabuf(); }

	Result<uint64_t> read64(uint64_t offset) override
	{
		if (Status status = map_for_reading(); !status)
			return status.error();
		return view_.load64(offset);
	}

	Result<Mapping> map() override { return map_bo(fd_, bo_); }

	Result<bool> advise(bool will_need) override
	{
		drm_panfrost_madvise args{};
		args.handle = bo_.gem.get();
		args.madv = will_need ? PANFROST_MADV_WILLNEED : PANFROST_MADV_DONTNEED;
		if (drmIoctl(fd_, DRM_IOCTL_PANFROST_MADVISE, &args) != 0)
			return error_of("PANFROST_MADVISE");
		return args.retained != 0;
	}

	Status wait_idle(int64_t until_ns) override
	{
		drm_panfrost_wait_bo args{};
		args.handle = bo_.gem.get();
		args.timeout_ns = until_ns;
		if (drmIoctl(fd_, DRM_IOCTL_PANFROST_WAIT_BO, &args) != 0)
			return error_of("PANFROST_WAIT_BO");
		return {};
	}

private:
	/* Threads that share a heap may come at once, and a view that was replaced is gone for who reads through it. */
	Status map_for_reading()
	{
		std::lock_guard guard(lock_);
		if (view_.valid())
			return {};
		auto dmabuf = export_dmabuf();
		if (!dmabuf)
			return dmabuf.error();
		auto view = Mapping::create(dmabuf->get(), 0, bo_.bytes, PROT_READ);
		if (!view)
			return view.error();
		view_ = std::move(*view);
		return {};
	}

	int fd_;
	Bo bo_;
	std::mutex lock_; /* of view_ until it is valid */
	Mapping view_;
};

class PanfrostSlot : public JobSlot
{
public:
	PanfrostSlot(int fd, Bo chain, Mapping view, Syncobj fence)
		: fd_(fd), chain_(std::move(chain)), view_(std::move(view)), fence_(std::move(fence))
	{
	}

	void describe(std::span<const GpuWrite> writes) override
	{
		writes_ = static_cast<uint32_t>(writes.size());
		for (uint32_t i = 0; i < writes_; i++) {
			WriteValueJob job{};
			job.control = kIs64Bit | kTypeWriteValue | kBarrier | ((i % kMaxIndex + 1) << 16);
			job.next = i + 1 < writes_ ? chain_.address + (i + 1) * sizeof(job) : 0;
			job.address = writes[i].address;
			job.value_type = kImmediate64;
			job.immediate = writes[i].value;
			memcpy(view_.data() + i * sizeof(job), &job, sizeof(job));
		}
	}

	Status choose_queue(GpuQueue queue) override
	{
		requirements_ = queue == GpuQueue::fragment ? PANFROST_JD_REQ_FS : 0;
		return {};
	}

	int submit(const Memory &memory) override
	{
		uint32_t handles[] = {memory.buffer()->handle(), chain_.gem.get()};
		drm_panfrost_submit args{};
		args.jc = chain_.address;
		args.out_sync = fence_.handle();
		args.bo_handles = reinterpret_cast<uintptr_t>(handles);
		args.bo_handle_count = 2;
		args.requirements = requirements_;
		return drmIoctl(fd_, DRM_IOCTL_PANFROST_SUBMIT, &args) == 0 ? 0 : errno;
	}

	int wait(int64_t until_ns) override { return fence_.wait(until_ns); }

	Result<int> fence_error() override { return fence_.fence_error(); }

	Result<UniqueFd> export_fence() override
	{
		auto file = fence_.export_sync_file();
		if (!file)
			return file.error();
		return file->release();
	}

	unsigned writes_done() const override
	{
		unsigned done = 0;
		while (done < writes_ && view_.load32(done * sizeof(WriteValueJob)) == kStatusDone)
			done++;
		return done;
	}

private:
	int fd_;
	Bo chain_;
	Mapping view_;
	Syncobj fence_;
	uint32_t writes_ = 0;
	uint32_t requirements_ = 0; /* job slot 0 takes fragment jobs, slot 1 all others (panfrost_job_get_slot) */
};

class PanfrostContext : public Context
{
public:
	explicit PanfrostContext(Device device) : device_(std::move(device)) {}

	int fd() const override { return device_.fd(); }

	Result<std::unique_ptr<Memory>> create_heap(const HeapShape &shape) override
	{
		auto heap = wrap(create_bo(device_.fd(), shape.bytes, PANFROST_BO_HEAP | PANFROST_BO_NOEXEC));
		if (!heap)
			return heap.error();
		return std::unique_ptr<Memory>(std::move(*heap));
	}

	Result<std::unique_ptr<Buffer>> create_buffer(uint64_t bytes) override
	{
		return wrap(create_bo(device_.fd(), bytes, PANFROST_BO_NOEXEC));
	}

	Result<std::unique_ptr<Buffer>> import_dmabuf(int dmabuf, uint64_t bytes) override
	{
		auto gem = GemHandle::import_dmabuf(device_.fd(), dmabuf);
		if (!gem)
			return gem.error();
		drm_panfrost_get_bo_offset args{};
		args.handle = gem->get();
		if (drmIoctl(device_.fd(), DRM_IOCTL_PANFROST_GET_BO_OFFSET, &args) != 0)
			return error_of("PANFROST_GET_BO_OFFSET");
		return wrap(Bo{std::move(*gem), args.offset, bytes});
	}

	Result<std::unique_ptr<JobSlot>> create_slot(unsigned max_writes, uint32_t /*group*/) override
	{
		auto chain = create_bo(device_.fd(), max_writes * sizeof(WriteValueJob), PANFROST_BO_NOEXEC);
		if (!chain)
			return chain.error();
		auto view = map_bo(device_.fd(), *chain);
		if (!view)
			return view.error();
		auto fence = Syncobj::create(device_.fd());
		if (!fence)
			return fence.error();
		return std::unique_ptr<JobSlot>(
			new PanfrostSlot(device_.fd(), std::move(*chain), std::move(*view), std::move(*fence)));
	}

private:
	Result<std::unique_ptr<Buffer>> wrap(Result<Bo> bo) const
	{
		if (!bo)
			return bo.error();
		return std::unique_ptr<Buffer>(new PanfrostBuffer(device_.fd(), std::move(*bo)));
	}

	Device device_;
};

Result<std::unique_ptr<Context>> open_panfrost()
{
	auto device = Device::open("panfrost");
	if (!device)
		return device.error();
	return std::unique_ptr<Context>(new PanfrostContext(std::move(*device)));
}

/* panfrost_job_timedout; the "unexpectedly high interrupt latency" of the same function ends no job. */
constexpr LogRule kLogRules[] = {
	{"gpu sched timeout", LogSign::job_timeout},
};

/*
 * Errors that panfrost_job.c, and the scheduler for it, put on fences:
 * -ECANCELED: the guilty job of a timeout and every later job of its context (drm_sched_resubmit_jobs), but also a job
 *             that was hard-stopped because its client closed the device; hence the role from the log, not the errno.
 * -EINVAL:    any fault of the GPU, an unanswered page fault among them (panfrost_job_handle_err).
 * A job that times out while the GPU reports a fault of it may carry either.
 */
constexpr OutcomeRule kOutcomeRules[] = {
	{0, TimeoutRole::culprit, Fate::timed_out, false, 0, "driver's job timeout"},
	{ECANCELED, TimeoutRole::victim, Fate::failed, false, kVictim,
	 "cancelled by the reset after another job's timeout"},
	{ECANCELED, TimeoutRole::none, Fate::failed, false, 0, "cancelled without a timeout of the driver"},
	{EINVAL, TimeoutRole::victim, Fate::failed, true, 0, "GPU fault"},
	{EINVAL, TimeoutRole::none, Fate::failed, true, 0, "GPU fault"},
	{0, TimeoutRole::none, Fate::failed, false, 0, "fence error"},
};

} // namespace

extern const Driver kPanfrost;
const Driver kPanfrost = {
	.name = "panfrost",
	.module = "panfrost",
	.log_rules = kLogRules,
	.outcome_rules = kOutcomeRules,
	.open = open_panfrost,
};

} // namespace drmsqueeze
