/* SPDX-License-Identifier: MIT */
#include "stressors/purgeable_bo.h"

#include <cerrno>
#include <fmt/format.h>

#include "stressors/drm/bus_guard.h"

namespace drmsqueeze
{

/* One value in each page; the GPU writes to fewer places, so that its job's descriptors stay small. */
HeapPattern PurgeableBo::values() const
{
	uint64_t pages = plan_.bytes / kPage;
	return {plan_.bytes, by_gpu_ ? (pages + kMaxGpuWrites - 1) / kMaxGpuWrites * kPage : kPage};
}

StepVerdict PurgeableBo::take_back()
{
	if (!buffer_)
		return make();
	if (!given_up_)
		return {};
	auto retained = buffer_->advise(true);
	if (!retained)
		return failed(retained.error());
	given_up_ = false;
	if (*retained) {
		counts_.retained++;
		return verify();
	}
	counts_.purged++;
	counts_.purged_kib += plan_.bytes >> 10;
	if (by_gpu_ && job_)
		counts_.purged_after_gpu++;
	StepVerdict verdict = look_into_purged();
	view_ = Mapping();
	buffer_.reset();
	StepVerdict made = make();
	return verdict.good() ? made : verdict;
}

StepVerdict PurgeableBo::make()
{
	job_ = 0;
	auto buffer = context_.create_buffer(plan_.bytes);
	if (!buffer)
		return failed(buffer.error(), kSubmitFailed);
	buffer_ = std::move(*buffer);
	counts_.made++;
	given_up_ = false;
	return {};
}

/*
 * The pages of a purged BO belong to somebody else by now: drm_gem_shmem_purge takes them out of every mapping
 * (drm_vma_node_unmap), and drm_gem_shmem_fault refuses to put any back.
 */
StepVerdict PurgeableBo::look_into_purged() const
{
	if (!view_.valid())
		return {};
	if (survives_sigbus([this] { view_.load64(0); }))
		return {Fate::corrupted, 0, 0, "purged, and its old mapping still shows memory"};
	counts_.stale_checked++;
	return {};
}

StepVerdict PurgeableBo::map()
{
	if (view_.valid())
		return {};
	auto view = buffer_->map();
	if (!view)
		return failed(view.error());
	view_ = std::move(*view);
	return {};
}

StepVerdict PurgeableBo::verify()
{
	if (job_ == 0)
		return {};
	if (StepVerdict mapped = map(); !mapped.good())
		return mapped;
	const HeapPattern pattern = values();
	unsigned wrong = 0;
	if (!survives_sigbus([&] { wrong = pattern.first_wrong(view_, kLane, plan_.seed, job_); }))
		return {Fate::corrupted, EFAULT, 0, "retained, and its mapping answers SIGBUS"};
	counts_.verified++;
	if (wrong < pattern.count())
		return {Fate::corrupted, 0, 0,
			fmt::format("retained, and {} value {} of {} of job {} is wrong", by_gpu_ ? "GPU" : "CPU",
				    wrong + 1, pattern.count(), job_)};
	return {};
}

StepVerdict PurgeableBo::fill(uint64_t job)
{
	if (StepVerdict mapped = map(); !mapped.good())
		return mapped;
	by_gpu_ = false;
	job_ = 0;
	const HeapPattern pattern = values();
	if (!survives_sigbus([&] { pattern.write(view_, kLane, plan_.seed, job); }))
		return {Fate::failed, EFAULT, 0, "touch: SIGBUS"};
	job_ = job;
	return {};
}

StepVerdict PurgeableBo::submit(uint64_t job)
{
	by_gpu_ = true;
	job_ = 0;
	if (!gpu_) {
		auto slot = context_.create_slot(kMaxGpuWrites);
		if (!slot)
			return failed(slot.error(), kSubmitFailed);
		if (!also_.empty())
			if (Status status = (*slot)->use_also(also_); !status)
				return failed(status.error(), kSubmitFailed);
		gpu_ = std::move(*slot);
	}
	values().fill(writes_, buffer_->address(), kLane, plan_.seed, job);
	gpu_->describe(writes_);
	if (int error = gpu_->submit(*buffer_))
		return {Fate::failed, error, kSubmitFailed, "submit"};
	counts_.gpu_jobs++;
	job_ = job;
	return {};
}

StepVerdict PurgeableBo::give_up()
{
	if (!plan_.mapped)
		view_ = Mapping();
	auto retained = buffer_->advise(false);
	if (!retained)
		return failed(retained.error());
	given_up_ = true;
	counts_.given_up++;
	if (!*retained)
		return {Fate::corrupted, 0, 0, "purged while it was needed"};
	return {};
}

} // namespace drmsqueeze
