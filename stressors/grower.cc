/* SPDX-License-Identifier: MIT */
#include "stressors/grower.h"

namespace drmsqueeze
{

Result<Grower> Grower::create(Context &context, const HeapShape &shape, uint32_t group, unsigned max_writes)
{
	auto heap = context.create_heap(shape);
	if (!heap)
		return heap.error();
	auto slot = context.create_slot(max_writes, group);
	if (!slot)
		return slot.error();
	return Grower{std::move(*heap), std::move(*slot)};
}

Status Grower::describe() const
{
	const GpuWrite first{heap->address(), 1};
	return slot->describe_heap(*heap, {&first, 1}, heap->bytes());
}

} // namespace drmsqueeze
