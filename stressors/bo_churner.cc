/* SPDX-License-Identifier: MIT */
#include "stressors/bo_churner.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fmt/format.h>

#include "agent/clock.h"
#include "stressors/drm/bus_guard.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kPage = 4096;

/* What else is drawn for a BO beside its size. */
enum Draw : unsigned { draw_size, draw_gpu };

} // namespace

uint64_t ChurnPattern::bytes(uint64_t stream, uint64_t number) const
{
	uint64_t sizes = (options_.max_bytes - options_.min_bytes) / kPage + 1;
	return options_.min_bytes + HeapPattern::value(seed_ + stream, number, draw_size) / 2 % sizes * kPage;
}

bool ChurnPattern::by_gpu(uint64_t stream, uint64_t number) const
{
	auto drawn = static_cast<double>(HeapPattern::value(seed_ + stream, number, draw_gpu));
	return drawn < options_.gpu * 0x1p64;
}

HeapPattern ChurnPattern::of_cpu(uint64_t bytes) const
{
	if (options_.touch <= 0)
		return {0, kPage};
	return {bytes, std::min(bytes, kPage * static_cast<uint64_t>(std::lround(1 / options_.touch)))};
}

HeapPattern ChurnPattern::of_gpu(uint64_t bytes)
{
	uint64_t pages = (bytes / kPage + kMaxGpuWrites - 1) / kMaxGpuWrites;
	return {bytes, pages * kPage};
}

BoChurner::Verdict BoChurner::cycle(uint64_t job, uint64_t number)
{
	if (held_.size() == options_.working_set)
		if (Verdict verdict = retire_oldest(); !verdict.good())
			return verdict;
	auto bo = ladder_.request(bytes(number));
	if (!bo)
		return failed(bo.error(), kSubmitFailed);
	if (Verdict verdict = await_bound(*bo); !verdict.good())
		return verdict;
	/* What a BO of the cache holds by the kernel's word must be what was left in it. */
	if (Verdict verdict = check(*bo); !verdict.good())
		return verdict;
	if (Verdict verdict = fill(*bo, job, pattern_.by_gpu(stream_, number)); !verdict.good())
		return verdict;
	counts_.created_kib += bo->buffer->bytes() >> 10;
	if (options_.purgeable)
		if (auto advised = bo->buffer->advise(false); !advised)
			return failed(advised.error());
	held_.push_back(std::move(*bo));
	return {};
}

/* Past the deadline the supervisor ends the job: then nobody reads our verdict. */
BoChurner::Verdict BoChurner::await_bound(const ChurnBo &bo)
{
	constexpr int64_t kForever = 3600 * kNsPerS;
	Status status = bo.buffer->wait_bound(now_ns() + kForever);
	return status ? Verdict() : failed(status.error(), kSubmitFailed);
}

BoChurner::Verdict BoChurner::retire_oldest()
{
	ChurnBo bo = std::move(held_.front());
	held_.pop_front();
	if (options_.purgeable && !ladder_.revive(bo))
		return {}; /* purged: that is what it was there for */
	Verdict verdict = check(bo);
	if (verdict.good())
		ladder_.give_back(std::move(bo));
	return verdict;
}

/** Map, touch, look at it once, and have the GPU write to it where that is its lot. */
BoChurner::Verdict BoChurner::fill(ChurnBo &bo, uint64_t job, bool by_gpu)
{
	bo.job = 0;
	bo.gpu_wrote = false;
	HeapPattern values = pattern_.of_cpu(bo.buffer->bytes());
	if (values.count() > 0) {
		auto view = bo.buffer->map();
		if (!view)
			return failed(view.error());
		if (!survives_sigbus([&] { values.write(*view, ChurnPattern::kCpuLane, pattern_.seed(), job); })) {
			counts_.sigbus++;
			return {Fate::failed, EFAULT, 0, "touch: SIGBUS"};
		}
		bo.job = job;
		if (Verdict verdict = read_back(bo, *view, false); !verdict.good())
			return verdict;
	}
	if (!by_gpu)
		return {};
	bo.job = job;
	return submit(bo);
}

BoChurner::Verdict BoChurner::submit(ChurnBo &bo)
{
	if (!bo.gpu) {
		auto slot = context_.create_slot(ChurnPattern::kMaxGpuWrites);
		if (!slot)
			return {Fate::failed, slot.error().code, kSubmitFailed, "GPU job: " + slot.error().reason};
		bo.gpu = std::move(*slot);
	}
	HeapPattern values = ChurnPattern::of_gpu(bo.buffer->bytes());
	values.fill(writes_, bo.buffer->address(), ChurnPattern::kGpuLane, pattern_.gpu_seed(), bo.job);
	bo.gpu->describe(writes_);
	if (int error = bo.gpu->submit(*bo.buffer))
		return {Fate::failed, error, kSubmitFailed, "GPU job: submit"};
	bo.busy = true;
	bo.gpu_wrote = true;
	counts_.gpu_jobs++;
	return {};
}

/** Whether @bo still holds what its job left in it; the GPU's values only when its job is through. */
BoChurner::Verdict BoChurner::check(ChurnBo &bo)
{
	if (bo.job == 0)
		return {}; /* nothing was left in it */
	bool gpu_values = bo.gpu_wrote && ladder_.idle(bo);
	if (gpu_values) {
		auto error = bo.gpu->fence_error();
		if (!error)
			return failed(error.error());
		if (*error) {
			counts_.gpu_jobs_failed++;
			const OutcomeRule &rule = outcome_of(driver_, *error, TimeoutRole::none);
			return {Fate::failed, *error, 0, fmt::format("GPU job of cycle {}: {}", bo.job, rule.reason)};
		}
	}
	auto view = bo.buffer->map();
	if (!view)
		return failed(view.error());
	counts_.verified++;
	return read_back(bo, *view, gpu_values);
}

BoChurner::Verdict BoChurner::read_back(const ChurnBo &bo, const Mapping &view, bool gpu_values)
{
	struct Part {
		const char *who;
		HeapPattern values;
		unsigned lane;
		uint64_t seed;
	};
	const Part parts[] = {
		{"CPU", pattern_.of_cpu(bo.buffer->bytes()), ChurnPattern::kCpuLane, pattern_.seed()},
		{"GPU", ChurnPattern::of_gpu(bo.buffer->bytes()), ChurnPattern::kGpuLane, pattern_.gpu_seed()},
	};
	for (const Part &part : std::span(parts).first(gpu_values ? 2 : 1)) {
		unsigned wrong = 0;
		if (!survives_sigbus([&] { wrong = part.values.first_wrong(view, part.lane, part.seed, bo.job); })) {
			counts_.sigbus++;
			return {Fate::failed, EFAULT, 0, "read back: SIGBUS"};
		}
		if (wrong < part.values.count())
			return {Fate::corrupted, 0, 0,
				fmt::format("{} value {} of {} of cycle {} is wrong", part.who, wrong + 1,
					    part.values.count(), bo.job)};
	}
	return {};
}

} // namespace drmsqueeze
