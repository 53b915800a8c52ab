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
	ShortJobs jobs;
	jobs.context_ = std::move(*context);
	for (uint32_t i = 0; i < groups; i++) {
		auto buffer = jobs.context_->create_buffer(kBytes);
		if (!buffer)
			return buffer.error();
		auto slot = jobs.context_->create_slot(1, i);
		if (!slot)
			return slot.error();
		jobs.groups_.push_back({std::move(*buffer), std::move(*slot)});
	}
	return jobs;
}

int ShortJobs::run(uint32_t group, int64_t patience_ns) const
{
	const auto &[buffer, slot] = groups_[group];
	const GpuWrite write{buffer->address(), 1};
	slot->describe({&write, 1});
	return slot->run(*buffer, now_ns() + patience_ns);
}

void JobTally::add(int error_of_job, int64_t took_ns)
{
	jobs++;
	int64_t longest = longest_ns.load();
	while (took_ns > longest && !longest_ns.compare_exchange_weak(longest, took_ns))
		;
	if (!error_of_job)
		return;
	errors++;
	error = error_of_job;
}

} // namespace drmsqueeze
