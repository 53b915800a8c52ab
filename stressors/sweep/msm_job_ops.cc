/* SPDX-License-Identifier: MIT */
/* Msm's jobs: their submit in its forms, the wait, and the work item of the scheduler that starts them (msm_job_run()).
 */
#include <cerrno>
#include <optional>

#include <msm_drm.h>

#include "agent/clock.h"
#include "stressors/drivers/msm_stream.h"
#include "stressors/drm/sync.h"
#include "stressors/sweep/buffers.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/msm_job.h"

namespace drmsqueeze
{

namespace
{

constexpr int64_t kWait = 20 * kNsPerS;
constexpr const char *kSubmitters = "kworker/u*"; /* the scheduler's own ordered queue, unbound */

/** What a submit is asked for beside its job. */
struct Form {
	uint32_t flags = 0;  /* MSM_SUBMIT_* */
	bool used = true;    /* the job's buffer has its pages already */
	bool relocs = false; /* the driver writes the addresses into the stream */
};

/** The step only queues the job. */
template <Form kForm>
class Submit : public OnMsmJob
{
public:
	Status set_up() override
	{
		if (Status status = OnMsmJob::set_up(); !status)
			return status;
		if (kForm.used)
			if (Status status = gpu_writes(*context_, *buffer_, buffer_->address(), kBufferBytes); !status)
				return status;
		if (kForm.relocs) {
			const GpuWrite anywhere{0, 1};
			describe(MsmStream::of_writes({&anywhere, 1}, 0));
		}
		return fences();
	}
	int act() override
	{
		const drm_msm_gem_submit_reloc relocs[] = {reloc(MsmStream::kAddressWord, 1),
							   reloc(MsmStream::kProgressWord, 0)};
		drm_msm_gem_submit_syncobj in{};
		drm_msm_gem_submit_syncobj out{};
		drm_msm_gem_submit args{};
		args.flags = kForm.flags;
		args.fence_fd = before_.fd();
		args.fence = kSeqno;
		args.syncobj_stride = sizeof(in);
		if (kForm.flags & MSM_SUBMIT_SYNCOBJ_IN) {
			in.handle = in_->handle();
			in.flags = MSM_SUBMIT_SYNCOBJ_RESET;
			args.in_syncobjs = reinterpret_cast<uintptr_t>(&in);
			args.nr_in_syncobjs = 1;
		}
		if (kForm.flags & MSM_SUBMIT_SYNCOBJ_OUT) {
			out.handle = out_->handle();
			args.out_syncobjs = reinterpret_cast<uintptr_t>(&out);
			args.nr_out_syncobjs = 1;
		}
		int error = kForm.relocs ? submit(args, relocs) : submit(args);
		if (!error && (kForm.flags & MSM_SUBMIT_FENCE_FD_OUT))
			out_file_ = SyncFile(UniqueFd(args.fence_fd));
		return error;
	}
	Status check() override
	{
		if (kForm.flags & MSM_SUBMIT_FENCE_FD_OUT)
			if (int error = out_file_.wait(now_ns() + kWait))
				return status_of(error, "the out-fence");
		if (kForm.flags & MSM_SUBMIT_SYNCOBJ_OUT)
			if (int error = out_->wait(now_ns() + kWait))
				return status_of(error, "the out-syncobj");
		if ((kForm.flags & MSM_SUBMIT_SYNCOBJ_IN) && in_->wait(0) != EINVAL)
			return Error{EIO, "the in-syncobj has not been reset"};
		if ((kForm.flags & MSM_SUBMIT_FENCE_SN_IN) && seqno_ != kSeqno)
			return Error{EIO, "the job has another sequence number"};
		if (Status status = was_run(); !status)
			return status;
		return OnMsmBo::check();
	}
	Status check_after_failure() override { return OnMsmBo::check(); }

private:
	static constexpr uint32_t kSeqno = 1000; /* of MSM_SUBMIT_FENCE_SN_IN */

	static drm_msm_gem_submit_reloc reloc(uint32_t word, uint32_t bo)
	{
		drm_msm_gem_submit_reloc one{};
		one.submit_offset = kStreamOffset + word * static_cast<uint32_t>(sizeof(uint32_t));
		one.reloc_idx = bo;
		return one;
	}

	/** That of a job before this one goes in; another file's, or the scheduler would need no entry for it. */
	Status fences()
	{
		auto other = find_driver(kMsmName)->open();
		if (!other)
			return other.error();
		auto buffer = (*other)->create_buffer(kBufferBytes);
		if (!buffer)
			return buffer.error();
		auto slot = (*other)->create_slot(1);
		if (!slot)
			return slot.error();
		const GpuWrite write{(*buffer)->address(), 1};
		(*slot)->describe({&write, 1});
		if (int error = (*slot)->run(**buffer, now_ns() + kWait))
			return status_of(error, "the job before");
		auto file = (*slot)->export_fence();
		if (!file)
			return file.error();
		before_ = SyncFile(std::move(*file));
		for (auto *syncobj : {&in_, &out_}) {
			auto made = Syncobj::create(fd());
			if (!made)
				return made.error();
			*syncobj = std::move(*made);
		}
		return in_->import_sync_file(before_);
	}

	SyncFile before_;
	SyncFile out_file_;
	std::optional<Syncobj> in_;
	std::optional<Syncobj> out_;
};

class WaitFence : public OnMsmJob
{
public:
	Status set_up() override
	{
		if (Status status = OnMsmJob::set_up(); !status)
			return status;
		return status_of(submit(), "GEM_SUBMIT");
	}
	int act() override { return wait_fence(); }
	Status check() override { return was_run(); }
};

/** The step waits for the job. */
class Run : public OnMsmJob
{
public:
	int act() override
	{
		int error = submit();
		return error ? error : wait_fence();
	}
	Status check() override
	{
		if (Status status = was_run(); !status)
			return status;
		return OnMsmBo::check();
	}
};

std::string unsupported()
{
	return driver_missing(kMsmName);
}

constexpr Form kFenceFiles = {.flags = MSM_SUBMIT_FENCE_FD_IN | MSM_SUBMIT_FENCE_FD_OUT};
constexpr Form kSyncobjs = {.flags = MSM_SUBMIT_SYNCOBJ_IN | MSM_SUBMIT_SYNCOBJ_OUT};
constexpr Form kSeqno = {.flags = MSM_SUBMIT_FENCE_SN_IN};
constexpr Form kRelocs = {.relocs = true};
constexpr Form kFirstUse = {.used = false};

constexpr OperationType kOperations[] = {
	{"msm/submit", make<Submit<Form{}>>, unsupported, msm_works},
	{"msm/submit-fence-files", make<Submit<kFenceFiles>>, unsupported, msm_works},
	{"msm/submit-syncobjs", make<Submit<kSyncobjs>>, unsupported, msm_works},
	{"msm/submit-seqno", make<Submit<kSeqno>>, unsupported, msm_works},
	{"msm/submit-relocs", make<Submit<kRelocs>>, unsupported, msm_works},
	{"msm/submit-first-use", make<Submit<kFirstUse>>, unsupported, msm_works},
	{"msm/wait-fence", make<WaitFence>, unsupported, msm_works},
	{"msm-job/run", make<Run>, unsupported, msm_works, ENOMEM, kSubmitters},
};

} // namespace

std::span<const OperationType> msm_job_operations()
{
	return kOperations;
}

} // namespace drmsqueeze
