/* SPDX-License-Identifier: MIT */
#include "stressors/sweep/msm_job.h"

#include <cerrno>
#include <cstring>

#include "agent/clock.h"
#include "stressors/drivers/msm_stream.h"

namespace drmsqueeze
{

Status OnMsmJob::set_up()
{
	if (Status status = OnMsmBo::set_up(); !status)
		return status;
	auto stream = MsmBuffer::create(fd(), kPage);
	if (!stream)
		return stream.error();
	stream_ = std::move(*stream);
	auto view = stream_->map();
	if (!view)
		return view.error();
	view_ = std::move(*view);
	const GpuWrite write{buffer_->address(), 1};
	describe(MsmStream::of_writes({&write, 1}, stream_->address()));
	return {};
}

void OnMsmJob::describe(const std::vector<uint32_t> &words)
{
	bytes_ = static_cast<uint32_t>(words.size() * sizeof(uint32_t));
	memset(view_.data(), 0, kStreamOffset);
	memcpy(view_.data() + kStreamOffset, words.data(), bytes_);
}

int OnMsmJob::submit(drm_msm_gem_submit &args, std::span<const drm_msm_gem_submit_reloc> relocs)
{
	const uint32_t use = MSM_SUBMIT_BO_READ | MSM_SUBMIT_BO_WRITE;
	drm_msm_gem_submit_bo bos[] = {{use | MSM_SUBMIT_BO_DUMP, stream_->handle(), 0}, {use, buffer_->handle(), 0}};
	drm_msm_gem_submit_cmd command{};
	command.type = MSM_SUBMIT_CMD_BUF;
	command.submit_offset = kStreamOffset;
	command.size = bytes_;
	command.nr_relocs = static_cast<uint32_t>(relocs.size());
	command.relocs = reinterpret_cast<uintptr_t>(relocs.data());
	args.flags |= MSM_PIPE_3D0;
	args.nr_bos = std::size(bos);
	args.bos = reinterpret_cast<uintptr_t>(bos);
	args.nr_cmds = 1;
	args.cmds = reinterpret_cast<uintptr_t>(&command);
	args.queueid = queue_;
	int error = call(fd(), DRM_IOCTL_MSM_GEM_SUBMIT, &args);
	seqno_ = args.fence;
	return error;
}

int OnMsmJob::submit()
{
	drm_msm_gem_submit args{};
	return submit(args);
}

int OnMsmJob::wait_fence() const
{
	constexpr int64_t kWait = 20 * kNsPerS;
	int64_t until = now_ns() + kWait;
	drm_msm_wait_fence args{};
	args.fence = seqno_;
	args.timeout = {until / kNsPerS, until % kNsPerS};
	args.queueid = queue_;
	return call(fd(), DRM_IOCTL_MSM_WAIT_FENCE, &args);
}

Status OnMsmJob::was_run() const
{
	if (int error = wait_fence())
		return status_of(error, "WAIT_FENCE");
	return view_.load32(0) == 1 ? Status() : Error{EIO, "the fence signals, but the job was never run"};
}

int OnMsmJob::faults(uint32_t &count) const
{
	drm_msm_submitqueue_query args{};
	args.data = reinterpret_cast<uintptr_t>(&count);
	args.id = queue_;
	args.param = MSM_SUBMITQUEUE_PARAM_FAULTS;
	args.len = sizeof(count);
	return call(fd(), DRM_IOCTL_MSM_SUBMITQUEUE_QUERY, &args);
}

} // namespace drmsqueeze
