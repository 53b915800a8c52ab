/* SPDX-License-Identifier: MIT */
/*
 * A tiler heap of panthor. The kernel makes its first chunks when it is created, and one more each time the firmware
 * says that the tiler is out of memory (panthor_heap_grow()).
 */
#pragma once

#include <map>
#include <mutex>

#include "stressors/drivers/panthor_bo.h"

namespace drmsqueeze
{

class PanthorHeap : public Memory
{
public:
	static Result<std::unique_ptr<PanthorHeap>> create(PanthorVm &vm, const HeapShape &shape);
	~PanthorHeap() override;

	uint64_t bytes() const override { return shape_.bytes; }
	uint64_t context() const { return context_; }
	bool incremental() const { return shape_.incremental; }
	/**
	 * Where the tiler's descriptor of the heap lies for jobs of a group; what is left of a chunk goes to the
	 * group's next job. The first group to ask begins with the chunks that were made with the heap, the others with
	 * none.
	 */
	uint64_t descriptor(uint32_t group);
	Status destroy();

private:
	PanthorHeap(PanthorVm &vm, const HeapShape &shape, uint32_t handle, uint64_t context, uint64_t first_chunk)
		: vm_(vm), shape_(shape), handle_(handle), context_(context), first_chunk_(first_chunk)
	{
	}

	static constexpr uint32_t kDescriptors = 64;
	static constexpr uint64_t kDescriptorBytes = 64;

	PanthorVm &vm_;
	HeapShape shape_;
	uint32_t handle_;
	uint64_t context_;
	uint64_t first_chunk_;
	std::unique_ptr<PanthorBuffer> descriptors_;
	Mapping view_;
	std::mutex lock_; /* of places_ and destroyed_ */
	std::map<uint32_t, uint32_t> places_;
	bool destroyed_ = false;
};

} // namespace drmsqueeze
