/* SPDX-License-Identifier: MIT */
#include "stressors/short_jobs.h"

#include "agent/clock.h"

namespace drmsqueeze
{

Result<ShortJobs> ShortJobs::create(const Driver &driver, uint32_t groups)
{
	constexpr uint64_t kBytes = 16 * 1024;
	auto context = driver.open();
	if (!context)
		return context.error();
	auto buffer = (*context)->create_buffer(kBytes);
	if (!buffer)
		return buffer.error();
	ShortJobs jobs;
	jobs.context_ = std::move(*context);
	jobs.buffer_ = std::move(*buffer);
	for (uint32_t i = 0; i < groups; i++) {
		auto slot = jobs.context_->create_slot(1, i);
		if (!slot)
			return slot.error();
		jobs.slots_.push_back(std::move(*slot));
	}
	return jobs;
}

int ShortJobs::run(uint32_t group, int64_t patience_ns) const
{
	JobSlot &slot = *slots_[group];
	const GpuWrite write{buffer_->address(), 1};
	slot.describe({&write, 1});
	if (int error = slot.submit(*buffer_))
		return error;
	if (int error = slot.wait(now_ns() + patience_ns))
		return error;
	auto error = slot.fence_error();
	return error ? *error : error.error().code;
}

} // namespace drmsqueeze
