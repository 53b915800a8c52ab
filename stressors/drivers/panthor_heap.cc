/* SPDX-License-Identifier: MIT */
#include "stressors/drivers/panthor_heap.h"

#include <cerrno>
#include <utility>
#include <xf86drm.h>

#include <panthor_drm.h>

#include "agent/clock.h"
#include "lab/models/mali_csf_instr.h"

namespace drmsqueeze
{

namespace
{

/* As Mesa: nobody counts render passes for us. More of them in flight than this, and the kernel refuses chunks. */
constexpr uint32_t kTargetInFlight = 65535;

} // namespace

Result<std::unique_ptr<PanthorHeap>> PanthorHeap::create(PanthorVm &vm, const HeapShape &shape)
{
	uint64_t needed = (shape.bytes + shape.chunk_bytes - 1) / shape.chunk_bytes + 1;
	drm_panthor_tiler_heap_create args{};
	args.vm_id = vm.id();
	args.initial_chunk_count = shape.initial_chunks;
	args.chunk_size = static_cast<uint32_t>(shape.chunk_bytes);
	args.max_chunks = shape.max_chunks ? shape.max_chunks : static_cast<uint32_t>(needed + shape.initial_chunks);
	args.target_in_flight = kTargetInFlight;
	if (drmIoctl(vm.fd(), DRM_IOCTL_PANTHOR_TILER_HEAP_CREATE, &args) != 0)
		return error_of("PANTHOR_TILER_HEAP_CREATE");
	std::unique_ptr<PanthorHeap> heap(
		new PanthorHeap(vm, shape, args.handle, args.tiler_heap_ctx_gpu_va, args.first_heap_chunk_gpu_va));
	auto descriptors = PanthorBuffer::create(vm, kDescriptors * kDescriptorBytes);
	if (!descriptors)
		return descriptors.error();
	auto view = (*descriptors)->map();
	if (!view)
		return view.error();
	heap->descriptors_ = std::move(*descriptors);
	heap->view_ = std::move(*view);
	if (Status status = heap->descriptors_->wait_bound(now_ns() + kNsPerS); !status)
		return status.error();
	return heap;
}

PanthorHeap::~PanthorHeap()
{
	if (!vm_.left_to_file())
		static_cast<void>(destroy());
}

Status PanthorHeap::destroy()
{
	std::lock_guard guard(lock_);
	if (std::exchange(destroyed_, true))
		return {};
	drm_panthor_tiler_heap_destroy args{};
	args.handle = handle_;
	return drmIoctl(vm_.fd(), DRM_IOCTL_PANTHOR_TILER_HEAP_DESTROY, &args) == 0
		       ? Status()
		       : error_of("PANTHOR_TILER_HEAP_DESTROY");
}

uint64_t PanthorHeap::descriptor(uint32_t group)
{
	std::lock_guard guard(lock_);
	auto [place, is_new] = places_.try_emplace(group, static_cast<uint32_t>(places_.size()) % kDescriptors);
	uint64_t offset = place->second * kDescriptorBytes;
	if (is_new && place->second == 0) {
		view_.store64(offset, shape_.chunk_bytes << 32); /* the size, behind the descriptor's type */
		view_.store64(offset + MALI_CSF_HEAP_DESC_BASE, first_chunk_);
		view_.store64(offset + MALI_CSF_HEAP_DESC_BOTTOM, first_chunk_ + MALI_CSF_CHUNK_HEADER);
		view_.store64(offset + MALI_CSF_HEAP_DESC_TOP, first_chunk_ + shape_.chunk_bytes);
	} else if (is_new) {
		view_.store64(offset, shape_.chunk_bytes << 32);
	}
	return descriptors_->address() + offset;
}

static_assert(MALI_CSF_HEAP_DESC_SIZE == 4);

} // namespace drmsqueeze
