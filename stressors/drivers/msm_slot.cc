/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/msm_slot.h"

#include <cerrno>
#include <cstring>
#include <utility>
#include <xf86drm.h>

#include <msm_drm.h>

#include "stressors/drivers/msm_stream.h"

namespace drmsqueeze
{

Result<MsmQueue> MsmQueue::create(int fd)
{
	drm_msm_submitqueue args{};
	if (drmIoctl(fd, DRM_IOCTL_MSM_SUBMITQUEUE_NEW, &args) != 0)
		return error_of("MSM_SUBMITQUEUE_NEW");
	return MsmQueue(fd, args.id);
}

MsmQueue::MsmQueue(MsmQueue &&other) noexcept : fd_(std::exchange(other.fd_, -1)), id_(other.id_) {}

MsmQueue::~MsmQueue()
{
	if (fd_ >= 0)
		drmIoctl(fd_, DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, &id_);
}

Result<uint32_t> MsmQueue::faults() const
{
	uint32_t faults = 0;
	drm_msm_submitqueue_query args{};
	args.data = reinterpret_cast<uintptr_t>(&faults);
	args.id = id_;
	args.param = MSM_SUBMITQUEUE_PARAM_FAULTS;
	args.len = sizeof(faults);
	if (drmIoctl(fd_, DRM_IOCTL_MSM_SUBMITQUEUE_QUERY, &args) != 0)
		return error_of("MSM_SUBMITQUEUE_QUERY");
	return faults;
}

Result<std::unique_ptr<JobSlot>> MsmSlot::create(int fd, unsigned max_writes)
{
	constexpr uint64_t kPage = 4096;
	const uint64_t bytes = kStreamOffset + MsmStream::words_for(max_writes) * sizeof(uint32_t);
	auto memory = MsmBuffer::create(fd, (bytes + kPage - 1) / kPage * kPage);
	if (!memory)
		return memory.error();
	auto view = (*memory)->map();
	if (!view)
		return view.error();
	auto queue = MsmQueue::create(fd);
	if (!queue)
		return queue.error();
	auto fence = Syncobj::create(fd);
	if (!fence)
		return fence.error();
	return std::unique_ptr<JobSlot>(
		new MsmSlot(fd, std::move(*queue), std::move(*memory), std::move(*view), std::move(*fence)));
}

void MsmSlot::describe(std::span<const GpuWrite> writes)
{
	auto words = MsmStream::of_writes(writes, memory_->address());
	stream_bytes_ = static_cast<uint32_t>(words.size() * sizeof(uint32_t));
	memset(view_.data(), 0, kStreamOffset);
	memcpy(view_.data() + kStreamOffset, words.data(), stream_bytes_);
}

Status MsmSlot::use_also(std::span<Buffer *const> buffers)
{
	also_.clear();
	for (const Buffer *buffer : buffers)
		also_.push_back(buffer->handle());
	return {};
}

int MsmSlot::submit(const Memory &memory)
{
	if (auto faults = queue_.faults())
		faults_ = *faults;
	else
		return faults.error().code;
	const uint32_t use = MSM_SUBMIT_BO_READ | MSM_SUBMIT_BO_WRITE;
	std::vector<drm_msm_gem_submit_bo> bos = {{use, memory_->handle(), 0}, {use, memory.buffer()->handle(), 0}};
	for (uint32_t handle : also_)
		bos.push_back({MSM_SUBMIT_BO_READ, handle, 0});
	/* The word of the stream's first packet that says where progress goes is put in once more by the kernel. */
	drm_msm_gem_submit_reloc progress{};
	progress.submit_offset = kStreamOffset + MsmStream::kProgressWord * sizeof(uint32_t);
	drm_msm_gem_submit_cmd command{};
	command.nr_relocs = also_.empty() ? 0 : 1;
	command.relocs = reinterpret_cast<uintptr_t>(&progress);
	command.type = MSM_SUBMIT_CMD_BUF;
	command.submit_offset = kStreamOffset;
	command.size = stream_bytes_;
	drm_msm_gem_submit_syncobj out{};
	out.handle = fence_.handle();
	drm_msm_gem_submit args{};
	args.flags = MSM_PIPE_3D0 | MSM_SUBMIT_SYNCOBJ_OUT;
	args.nr_bos = static_cast<uint32_t>(bos.size());
	args.bos = reinterpret_cast<uintptr_t>(bos.data());
	args.nr_cmds = 1;
	args.cmds = reinterpret_cast<uintptr_t>(&command);
	args.queueid = queue_.id();
	args.nr_out_syncobjs = 1;
	args.out_syncobjs = reinterpret_cast<uintptr_t>(&out);
	args.syncobj_stride = sizeof(out);
	return drmIoctl(fd_, DRM_IOCTL_MSM_GEM_SUBMIT, &args) == 0 ? 0 : errno;
}

Result<int> MsmSlot::fence_error()
{
	auto error = fence_.fence_error();
	if (!error || *error)
		return error;
	auto faults = queue_.faults();
	if (!faults)
		return faults.error();
	return *faults == faults_ ? 0 : ETIMEDOUT;
}

Result<UniqueFd> MsmSlot::export_fence()
{
	auto file = fence_.export_sync_file();
	if (!file)
		return file.error();
	return file->release();
}

} // namespace drmsqueeze
