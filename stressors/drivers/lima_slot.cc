/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/lima_slot.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <xf86drm.h>

#include <lima_drm.h>

#include "agent/root.h"

namespace drmsqueeze
{

LimaSlot::LimaSlot(int fd, uint32_t context, unsigned pps, unsigned max_writes, std::unique_ptr<LimaBuffer> memory,
		   Mapping view, Syncobj fence)
	: fd_(fd), context_(context), pps_(pps), max_writes_((max_writes + 1) / 2 * 2), memory_(std::move(memory)),
	  view_(std::move(view)), fence_(std::move(fence))
{
}

Result<std::unique_ptr<JobSlot>> LimaSlot::create(int fd, uint32_t context, unsigned pps, unsigned max_writes)
{
	if (!Root().exists(kUtgardModel))
		return Error{EOPNOTSUPP,
			     "jobs of a Mali-400 take shaders and polygon lists; without them they are lists that "
			     "only the GPU model mali-utgard has"};
	constexpr uint64_t kPage = 4096;
	const uint64_t bytes =
		(max_writes + 1) * sizeof(uint64_t) + LimaList::commands_for(max_writes) * sizeof(LimaCommand);
	auto memory = LimaBuffer::create(fd, (bytes + kPage - 1) / kPage * kPage, LimaBuffer::Kind::plain);
	if (!memory)
		return memory.error();
	auto view = (*memory)->map();
	if (!view)
		return view.error();
	auto fence = Syncobj::create(fd);
	if (!fence)
		return fence.error();
	return std::unique_ptr<JobSlot>(new LimaSlot(fd, context, std::min(pps, LimaList::kMaxPps), max_writes,
						     std::move(*memory), std::move(*view), std::move(*fence)));
}

Status LimaSlot::choose_queue(GpuQueue queue)
{
	queue_ = queue;
	return {};
}

uint32_t LimaSlot::address_of(unsigned index) const
{
	return static_cast<uint32_t>(memory_->address() + lists_offset() + index * sizeof(LimaCommand));
}

void LimaSlot::put(unsigned at, std::span<const LimaCommand> list)
{
	memcpy(view_.data() + lists_offset() + at * sizeof(LimaCommand), list.data(), list.size_bytes());
	commands_ = at + static_cast<unsigned>(list.size());
}

void LimaSlot::describe(std::span<const GpuWrite> writes)
{
	tiles_ = false;
	writes_ = static_cast<unsigned>(writes.size());
	pp_lists_.clear();
	if (queue_ == GpuQueue::geometry)
		return put(0, LimaList::of_writes(writes));
	commands_ = 0;
	for (unsigned pp = 0; pp < pps_; pp++) {
		pp_lists_.push_back(commands_);
		put(commands_, LimaList::of_pp(writes, pp, pps_));
	}
}

Status LimaSlot::describe_heap(Memory &heap, std::span<const GpuWrite> writes, uint64_t bytes)
{
	if (queue_ != GpuQueue::geometry)
		return Error{EOPNOTSUPP, "only the GP has a heap"};
	memset(view_.data(), 0, writes.size() * sizeof(uint64_t));
	auto list = LimaList::of_heap(heap.address(), writes, bytes, memory_->address());
	if (!list)
		return list.error();
	tiles_ = true;
	heap_ = heap.address();
	writes_ = static_cast<unsigned>(writes.size());
	put(0, *list);
	return {};
}

int LimaSlot::submit(const Memory &memory)
{
	return queue_ == GpuQueue::geometry ? submit_gp(memory) : submit_pp(memory);
}

/* The driver puts the end of the heap as it is now into its register (lima_gp_task_run()). */
int LimaSlot::submit_gp(const Memory &memory) const
{
	drm_lima_gp_frame frame{};
	const auto heap = static_cast<uint32_t>(tiles_ ? heap_ : 0);
	const uint32_t registers[LIMA_GP_FRAME_REG_NUM] = {address_of(0),         address_of(0), address_of(0),
							   address_of(commands_), heap,          heap};
	std::ranges::copy(registers, std::begin(frame.frame));
	return submit_frame(memory, LIMA_PIPE_GP, &frame, sizeof(frame));
}

int LimaSlot::submit_pp(const Memory &memory) const
{
	drm_lima_m400_pp_frame frame{};
	frame.num_pp = pps_;
	for (unsigned pp = 0; pp < pps_; pp++)
		frame.plbu_array_address[pp] = address_of(pp_lists_[pp]);
	return submit_frame(memory, LIMA_PIPE_PP, &frame, sizeof(frame));
}

int LimaSlot::submit_frame(const Memory &memory, uint32_t pipe, const void *frame, uint32_t bytes) const
{
	const drm_lima_gem_submit_bo bos[] = {{memory.buffer()->handle(), LIMA_SUBMIT_BO_WRITE},
					      {memory_->handle(), LIMA_SUBMIT_BO_WRITE}};
	drm_lima_gem_submit args{};
	args.ctx = context_;
	args.pipe = pipe;
	args.nr_bos = std::size(bos);
	args.bos = reinterpret_cast<uintptr_t>(bos);
	args.frame = reinterpret_cast<uintptr_t>(frame);
	args.frame_size = bytes;
	args.out_sync = fence_.handle();
	return drmIoctl(fd_, DRM_IOCTL_LIMA_GEM_SUBMIT, &args) == 0 ? 0 : errno;
}

Result<UniqueFd> LimaSlot::export_fence()
{
	auto file = fence_.export_sync_file();
	if (!file)
		return file.error();
	return file->release();
}

/* Of a heap job the writes are the commands before the copies, one without a write before them aside. */
unsigned LimaSlot::writes_done() const
{
	const unsigned extra = tiles_ && commands_ > 2 * writes_ ? 1 : 0;
	const unsigned all = tiles_ ? extra + writes_ : commands_;
	unsigned done = 0;
	for (unsigned i = 0; i < all; i++)
		done += (view_.load32(lists_offset() + i * sizeof(LimaCommand)) & UTGARD_LIST_DONE) != 0;
	return done > extra ? done - extra : 0;
}

/* A heap has no CPU view: the job itself has copied what it found there. */
Result<unsigned> LimaSlot::first_wrong(Memory &heap, std::span<const GpuWrite> writes)
{
	if (!tiles_)
		return JobSlot::first_wrong(heap, writes);
	unsigned index = 0;
	for (const GpuWrite &write : writes) {
		if (view_.load64(index * sizeof(uint64_t)) != write.value)
			break;
		index++;
	}
	return index;
}

} // namespace drmsqueeze
