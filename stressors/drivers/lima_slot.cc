/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/lima_slot.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <xf86drm.h>

#include <lima_drm.h>

#include "agent/clock.h"
#include "agent/root.h"

namespace drmsqueeze
{

LimaSlot::LimaSlot(LimaClient &client, uint32_t group, unsigned pps, unsigned max_writes,
		   std::unique_ptr<LimaBuffer> memory, Mapping view, Syncobj tiled, Syncobj fence)
	: client_(client), group_(group), pps_(pps), max_writes_((max_writes + 1) / 2 * 2), memory_(std::move(memory)),
	  view_(std::move(view)), tiled_(std::move(tiled)), fence_(std::move(fence))
{
}

Result<std::unique_ptr<JobSlot>> LimaSlot::create(LimaClient &client, uint32_t group, unsigned pps, unsigned max_writes)
{
	if (!Root().exists(kUtgardModel))
		return Error{EOPNOTSUPP,
			     "jobs of a Mali-400 take shaders and polygon lists; without them they are lists that "
			     "only the GPU model mali-utgard has"};
	if (auto made = client.context(group); !made)
		return made.error();
	constexpr uint64_t kPage = 4096;
	const uint64_t bytes =
		(max_writes + 1) * sizeof(uint64_t) + LimaList::commands_for(max_writes) * sizeof(LimaCommand);
	auto memory = LimaBuffer::create(client, (bytes + kPage - 1) / kPage * kPage, LimaBuffer::Kind::plain);
	if (!memory)
		return memory.error();
	auto view = (*memory)->map();
	if (!view)
		return view.error();
	auto tiled = Syncobj::create(client.fd());
	if (!tiled)
		return tiled.error();
	auto fence = Syncobj::create(client.fd());
	if (!fence)
		return fence.error();
	return std::unique_ptr<JobSlot>(new LimaSlot(client, group, std::min(pps, LimaList::kMaxPps), max_writes,
						     std::move(*memory), std::move(*view), std::move(*tiled),
						     std::move(*fence)));
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

void LimaSlot::put_pp_lists(std::span<const LimaCommand> list)
{
	for (unsigned pp = 0; pp < pps_; pp++) {
		pp_lists_.push_back(commands_);
		put(commands_, LimaList::of_pp(list, pp, pps_));
	}
}

void LimaSlot::describe(std::span<const GpuWrite> writes)
{
	tiles_ = false;
	writes_ = static_cast<unsigned>(writes.size());
	pp_lists_.clear();
	commands_ = 0;
	if (queue_ == GpuQueue::geometry)
		put(0, LimaList::of_writes(writes));
	else
		put_pp_lists(LimaList::of_writes(writes));
	gp_end_ = commands_;
}

Status LimaSlot::describe_heap(Memory &heap, std::span<const GpuWrite> writes, uint64_t bytes)
{
	memset(view_.data(), 0, writes.size() * sizeof(uint64_t));
	auto takes = LimaList::of_heap(heap.address(), writes, bytes);
	if (!takes)
		return takes.error();
	tiles_ = true;
	heap_ = heap.address();
	writes_ = static_cast<unsigned>(writes.size());
	takes_ = static_cast<unsigned>(takes->size());
	pp_lists_.clear();
	put(0, *takes);
	const auto copies = LimaList::of_copies(writes, memory_->address());
	if (!renders())
		put(commands_, copies);
	gp_end_ = commands_;
	if (renders())
		put_pp_lists(copies);
	return {};
}

int LimaSlot::submit(const Memory &memory)
{
	constexpr int64_t kPatience = 60 * kNsPerS; /* lima ends it before, by its timeout */
	if (!renders())
		return queue_ == GpuQueue::geometry ? submit_gp(memory, fence_) : submit_pp(memory);
	if (int error = submit_gp(memory, tiled_))
		return error;
	int error = submit_pp(memory);
	if (error) /* the list is not to be written anew while the GP executes it */
		tiled_.wait(now_ns() + kPatience);
	return error;
}

/* The driver puts the end of the heap as it is now into its register (lima_gp_task_run()). */
int LimaSlot::submit_gp(const Memory &memory, const Syncobj &end) const
{
	drm_lima_gp_frame frame{};
	const auto heap = static_cast<uint32_t>(tiles_ ? heap_ : 0);
	const uint32_t registers[LIMA_GP_FRAME_REG_NUM] = {address_of(0),       address_of(0), address_of(0),
							   address_of(gp_end_), heap,          heap};
	std::ranges::copy(registers, std::begin(frame.frame));
	return submit_frame(memory, LIMA_PIPE_GP, std::as_bytes(std::span(&frame, 1)), nullptr, end);
}

int LimaSlot::submit_pp(const Memory &memory) const
{
	drm_lima_m400_pp_frame frame{};
	frame.num_pp = pps_;
	for (unsigned pp = 0; pp < pps_; pp++)
		frame.plbu_array_address[pp] = address_of(pp_lists_[pp]);
	return submit_frame(memory, LIMA_PIPE_PP, std::as_bytes(std::span(&frame, 1)), renders() ? &tiled_ : nullptr,
			    fence_);
}

int LimaSlot::submit_frame(const Memory &memory, uint32_t pipe, std::span<const std::byte> frame, const Syncobj *after,
			   const Syncobj &end) const
{
	auto context = client_.context(group_);
	if (!context)
		return context.error().code;
	const drm_lima_gem_submit_bo bos[] = {{memory.buffer()->handle(), LIMA_SUBMIT_BO_WRITE},
					      {memory_->handle(), LIMA_SUBMIT_BO_WRITE}};
	drm_lima_gem_submit args{};
	args.ctx = *context;
	args.pipe = pipe;
	args.nr_bos = std::size(bos);
	args.bos = reinterpret_cast<uintptr_t>(bos);
	args.frame = reinterpret_cast<uintptr_t>(frame.data());
	args.frame_size = static_cast<uint32_t>(frame.size());
	args.in_sync[0] = after ? after->handle() : 0;
	args.out_sync = end.handle();
	return drmIoctl(client_.fd(), DRM_IOCTL_LIMA_GEM_SUBMIT, &args) == 0 ? 0 : errno;
}

/* What the PPs look at is worth nothing where the GP has failed; the scheduler runs them all the same. */
Result<int> LimaSlot::fence_error()
{
	if (renders())
		if (auto tiled = tiled_.fence_error(); !tiled || *tiled)
			return tiled;
	return fence_.fence_error();
}

Result<UniqueFd> LimaSlot::export_fence()
{
	auto file = fence_.export_sync_file();
	if (!file)
		return file.error();
	return file->release();
}

/* Of a heap job the writes are the commands that take memory, one without a write before them aside. */
unsigned LimaSlot::writes_done() const
{
	const unsigned extra = tiles_ && takes_ > writes_ ? 1 : 0;
	const unsigned all = tiles_ ? takes_ : commands_;
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
