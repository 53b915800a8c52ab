/* SPDX-License-Identifier: MIT */
#include "stressors/short_jobs.h"

#include "agent/clock.h"

namespace drmsqueeze
{

Result<ShortJob> ShortJob::create(Context &context, uint32_t group)
{
	constexpr uint64_t kBytes = 16 * 1024;
	auto buffer = context.create_buffer(kBytes);
	if (!buffer)
		return buffer.error();
	auto slot = context.create_slot(1, group);
	if (!slot)
		return slot.error();
	return ShortJob{std::move(*buffer), std::move(*slot)};
}

void ShortJob::describe() const
{
	const GpuWrite write{buffer->address(), 1};
	slot->describe({&write, 1});
}

Result<ShortJobs> ShortJobs::create(const Driver &driver, uint32_t groups)
{
	auto context = driver.open();
	if (!context)
		return context.error();
	ShortJobs jobs;
	jobs.context_ = std::move(*context);
	for (uint32_t i = 0; i < groups; i++) {
		auto job = ShortJob::create(*jobs.context_, i);
		if (!job)
			return job.error();
		jobs.groups_.push_back(std::move(*job));
	}
	return jobs;
}

int ShortJobs::run(uint32_t group, int64_t patience_ns) const
{
	const ShortJob &job = groups_[group];
	job.describe();
	return job.slot->run(*job.buffer, now_ns() + patience_ns);
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
