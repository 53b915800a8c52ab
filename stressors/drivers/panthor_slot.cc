/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/panthor_slot.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <panthor_drm.h>

#include "agent/clock.h"
#include "agent/root.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kTilerBytes = 192;

} // namespace

PanthorSlot::PanthorSlot(PanthorGroups &groups, uint32_t number, std::unique_ptr<PanthorBuffer> memory, Mapping view,
			 Syncobj fence, unsigned max_writes)
	: groups_(groups), number_(number), memory_(std::move(memory)), view_(std::move(view)),
	  fence_(std::make_shared<Syncobj>(std::move(fence))), max_writes_(max_writes),
	  on_model_(Root().exists(kCsfModel))
{
	const std::vector<uint64_t> handler = PanthorStream::of_handler();
	put(kHandler, handler);
	handler_bytes_ = static_cast<uint32_t>(std::span(handler).size_bytes());
}

Result<std::unique_ptr<JobSlot>> PanthorSlot::create(PanthorVm &vm, PanthorGroups &groups, uint32_t group,
						     unsigned max_writes)
{
	if (auto made = groups.get(group); !made)
		return made.error();
	constexpr uint64_t kPage = 4096;
	uint64_t bytes =
		kCopies + (max_writes + 8) * sizeof(uint64_t) + PanthorStream::words_for(max_writes) * sizeof(uint64_t);
	auto memory = PanthorBuffer::create(vm, (bytes + kPage - 1) / kPage * kPage);
	if (!memory)
		return memory.error();
	auto view = (*memory)->map();
	if (!view)
		return view.error();
	auto fence = Syncobj::create(vm.fd());
	if (!fence)
		return fence.error();
	if (Status status = (*memory)->wait_bound(now_ns() + kNsPerS); !status)
		return status.error();
	return std::unique_ptr<JobSlot>(
		new PanthorSlot(groups, group, std::move(*memory), std::move(*view), std::move(*fence), max_writes));
}

void PanthorSlot::put(uint64_t offset, std::span<const uint64_t> words) const
{
	memcpy(view_.data() + offset, words.data(), words.size_bytes());
}

void PanthorSlot::begin(std::span<const uint64_t> words, size_t writes)
{
	memset(view_.data(), 0, sizeof(PanthorStatus));
	put(stream_offset(), words);
	stream_bytes_ = static_cast<uint32_t>(words.size_bytes());
	writes_ = static_cast<uint32_t>(writes);
	bystander_ = false;
}

void PanthorSlot::describe(std::span<const GpuWrite> writes)
{
	begin(PanthorStream::of_writes(writes, address(0)), writes.size());
}

Status PanthorSlot::describe_heap(Memory &heap, std::span<const GpuWrite> writes, uint64_t bytes)
{
	auto *tiler_heap = dynamic_cast<PanthorHeap *>(&heap);
	if (!tiler_heap)
		return Error{EOPNOTSUPP, "not a tiler heap"};
	if (!on_model_)
		return Error{EOPNOTSUPP,
			     "tiling takes shaders; without them a heap grows by an instruction that only the GPU "
			     "model mali-csf has"};
	std::vector<uint64_t> offsets;
	for (const GpuWrite &write : writes)
		offsets.push_back(write.address / MALI_CSF_HEAP_BLOCK * MALI_CSF_HEAP_BLOCK);
	memset(view_.data() + kTiler, 0, kTilerBytes);
	view_.store64(kTiler + MALI_CSF_TILER_HEAP_DESC, tiler_heap->descriptor(number_));
	memset(view_.data() + kCopies, 0, offsets.size() * sizeof(uint64_t));
	const PanthorHeapPlan plan{.context = tiler_heap->context(),
				   .tiler = address(kTiler),
				   .status = address(0),
				   .copies = address(kCopies),
				   .handler = tiler_heap->incremental() ? address(kHandler) : 0,
				   .handler_bytes = tiler_heap->incremental() ? handler_bytes_ : 0,
				   .seed = writes.empty() ? kSeed : writes.front().value};
	begin(PanthorStream::of_heap(plan, offsets, bytes), writes.size());
	return {};
}

int PanthorSlot::submit(const Memory &memory)
{
	constexpr int kTries = 2; /* the second in a group that was made anew */
	int error = 0;
	for (int i = 0; i < kTries; i++) {
		auto group = groups_.get(number_);
		if (!group)
			return group.error().code;
		group_ = *group;
		error = submit_to(*group_, memory.buffer());
		if (error != EINVAL || !group_->lost())
			break;
		groups_.drop(number_, group_);
	}
	if (error)
		return error;
	memory_->used_until(fence_);
	if (const auto *buffer = dynamic_cast<const PanthorBuffer *>(memory.buffer()))
		buffer->used_until(fence_);
	return 0;
}

int PanthorSlot::submit_to(PanthorGroup &group, const Buffer *buffer) const
{
	drm_panthor_sync_op syncs[2] = {};
	uint32_t count = 0;
	const auto *bo = dynamic_cast<const PanthorBuffer *>(buffer);
	if (bo && bo->bound())
		syncs[count++].handle = bo->bound()->handle(); /* DRM_PANTHOR_SYNC_OP_WAIT is 0 */
	syncs[count].flags = static_cast<uint32_t>(DRM_PANTHOR_SYNC_OP_SIGNAL);
	syncs[count++].handle = fence_->handle();
	return group.submit(address(stream_offset()), stream_bytes_, std::span(syncs).first(count));
}

/* Whoever sees the first failure of a group sees that of the job which the driver blames; see the table of outcomes. */
Result<int> PanthorSlot::fence_error()
{
	auto error = fence_->fence_error();
	if (error && *error && group_) {
		bystander_ = group_->had_failed() && view_.load32(offsetof(PanthorStatus, begun)) == 0;
		if (group_->lost())
			groups_.drop(number_, group_);
	}
	return error;
}

Result<UniqueFd> PanthorSlot::export_fence()
{
	auto file = fence_->export_sync_file();
	if (!file)
		return file.error();
	return file->release();
}

unsigned PanthorSlot::writes_done() const
{
	return std::min(writes_, view_.load32(offsetof(PanthorStatus, writes_done)));
}

unsigned PanthorSlot::incremental_passes() const
{
	return view_.load32(offsetof(PanthorStatus, incremental_passes));
}

/*
 * The tiler writes values of its own into each 4 KiB block: the seed and the block's offset. What an incremental pass
 * has rendered is gone; the pass looked at all of it, and so did the last one.
 */
Result<unsigned> PanthorSlot::first_wrong(Memory &heap, std::span<const GpuWrite> writes)
{
	if (heap.buffer())
		return JobSlot::first_wrong(heap, writes);
	auto count = static_cast<unsigned>(writes.size());
	uint64_t seed = writes.empty() ? kSeed : writes.front().value;
	for (unsigned i = 0; i < count; i++) {
		uint64_t offset = writes[i].address / MALI_CSF_HEAP_BLOCK * MALI_CSF_HEAP_BLOCK;
		uint64_t found = view_.load64(kCopies + i * sizeof(uint64_t));
		if (found != seed + offset && !(found == MALI_CSF_HEAP_RENDERED && incremental_passes()))
			return i;
	}
	bool all_right = view_.load32(offsetof(PanthorStatus, heap) + offsetof(mali_csf_heap_status, wrong)) == 0;
	return all_right || count == 0 ? count : count - 1; /* a block between those that were copied */
}

} // namespace drmsqueeze
