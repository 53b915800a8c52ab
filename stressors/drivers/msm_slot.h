/* SPDX-License-Identifier: MIT */
/* A job of msm: its stream of packets in a BO, its fence, and a queue of its own, which counts what hangcheck ended. */
#pragma once

#include "stressors/drivers/msm_bo.h"
#include "stressors/drm/sync.h"

namespace drmsqueeze
{

/** Owns a submit queue of an open device, which must outlive it. */
class MsmQueue
{
public:
	static Result<MsmQueue> create(int fd);

	MsmQueue(MsmQueue &&other) noexcept;
	MsmQueue &operator=(MsmQueue &&) = delete;
	MsmQueue(const MsmQueue &) = delete;
	MsmQueue &operator=(const MsmQueue &) = delete;
	~MsmQueue();

	uint32_t id() const { return id_; }
	/** How many of its jobs were ended because they hung. */
	Result<uint32_t> faults() const;

private:
	MsmQueue(int fd, uint32_t id) : fd_(fd), id_(id) {}

	int fd_;
	uint32_t id_;
};

/**
 * The fence of a job that hung signals without an error: recover_worker() only advances the seqno. So the error of such
 * a job is made here, ETIMEDOUT, from the count of its queue.
 */
class MsmSlot : public JobSlot
{
public:
	static Result<std::unique_ptr<JobSlot>> create(int fd, unsigned max_writes);

	void describe(std::span<const GpuWrite> writes) override;
	Status use_also(std::span<Buffer *const> buffers) override;
	int submit(const Memory &memory) override;
	int wait(int64_t until_ns) override { return fence_.wait(until_ns); }
	Result<int> fence_error() override;
	Result<UniqueFd> export_fence() override;
	unsigned writes_done() const override { return view_.load32(0); }

private:
	MsmSlot(int fd, MsmQueue queue, std::unique_ptr<MsmBuffer> memory, Mapping view, Syncobj fence)
		: fd_(fd), queue_(std::move(queue)), memory_(std::move(memory)), view_(std::move(view)),
		  fence_(std::move(fence))
	{
	}

	static constexpr uint64_t kStreamOffset = 64; /* in front of it: how many writes are done */

	int fd_;
	MsmQueue queue_;
	std::unique_ptr<MsmBuffer> memory_;
	Mapping view_;
	Syncobj fence_;
	/*
	 * Handles. Jobs that name more BOs have an address in their stream put in by the kernel besides, as user space
	 * has on these GPUs: for that the kernel maps the stream's BO, keeps it mapped, and does not evict it any more
	 * (submit_reloc(), is_unevictable()).
	 */
	std::vector<uint32_t> also_;
	uint32_t stream_bytes_ = 0;
	uint32_t faults_ = 0; /* of the queue, at the last submit */
};

} // namespace drmsqueeze
