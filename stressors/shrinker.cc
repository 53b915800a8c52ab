/* SPDX-License-Identifier: MIT */
/*
 * shrinker: many BOs that a shrinker may purge, and some that are busy, while others run shrinkers. A job on an idle BO
 * is its cycle as its owner sees it: taken back, its contents checked or the BO made anew where it was purged, filled,
 * and given up again. A job on a busy BO is a GPU job that writes to it, given up as soon as it is submitted: what a
 * shrinker may not touch before the fence is through.
 */
#include <new>
#include <sys/mman.h>

#include "agent/environment.h"
#include "stressors/gem_sampler.h"
#include "stressors/purge_worker.h"
#include "stressors/reclaim_watch.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kMaxBoKib = 256 << 10;

struct Shared {
	PurgeCounts purges;
	GemPeaks peaks;
	ReclaimWatch reclaim;
};

ShrinkerOptions parse_options(JsonReader reader)
{
	ShrinkerOptions options;
	options.bytes = reader.integer_or("bo_kib", 4, kMaxBoKib, 256) / 4 * 4 << 10;
	options.jobs = reader.integer_or("jobs", 1, 100 * 1000 * 1000, 200);
	options.buffers = static_cast<uint32_t>(reader.integer_or("buffers", 1, 65536, 32));
	options.busy = static_cast<uint32_t>(reader.integer_or("busy", 0, 64, 4));
	options.needed = static_cast<uint32_t>(reader.integer_or("needed", 0, 4096, 0));
	options.contexts = static_cast<uint32_t>(reader.integer_or("contexts", 1, 16, 1));
	options.threads = static_cast<uint32_t>(reader.integer_or("threads", 1, 16, 1));
	options.rate_hz = reader.number_or("rate_hz", 0, 1e6, 0);
	options.mapped = reader.boolean_or("mapped", true);
	reader.finish();
	return options;
}

/** Success, or why a context of @driver cannot do it. */
Status try_out(Context &context, bool jobs, bool many)
{
	constexpr uint64_t kTrialBytes = 4096;
	auto buffer = context.create_buffer(kTrialBytes);
	if (!buffer)
		return buffer.error();
	if (auto advised = (*buffer)->advise(true); !advised)
		return advised.error();
	if (!jobs)
		return {};
	auto slot = context.create_slot(1);
	if (!slot)
		return slot.error();
	return many ? (*slot)->use_also({}) : Status();
}

class Shrinker : public Stressor
{
public:
	explicit Shrinker(const ShrinkerOptions &options) : options_(options)
	{
		if (void *shared = shared_memory(sizeof(Shared)))
			shared_ = new (shared) Shared();
	}

	uint32_t clients() const override { return options_.contexts; }
	uint32_t slots_per_client() const override { return options_.threads * options_.slots(); }

	Status prepare(const Driver &driver) override
	{
		if (!shared_)
			return Error{ENOMEM, "shrinker: no shared memory"};
		shared_->reclaim.begin(Root(), driver);
		auto context = driver.open();
		return context ? try_out(**context, options_.busy > 0, options_.needed > 0) : Status(context.error());
	}

	Status run_client(const ClientSeat &seat) override
	{
		auto context = seat.driver.open();
		if (!context)
			return context.error();
		const PurgeableBo::Plan plan{options_.bytes, seat.request.seed, options_.mapped};
		GemSampler sampler(Root(), (*context)->fd(), seat.client, seat.context == 0, seat.recorder,
				   shared_->peaks);
		sampler.start();
		mlockall(MCL_CURRENT);
		run_in_threads(seat, options_.threads, [&](uint32_t thread) {
			PurgeWorker(options_, seat, thread, plan, **context, shared_->purges).run();
		});
		return {};
	}

	nlohmann::json report() const override
	{
		if (!shared_)
			return nullptr;
		const PurgeCounts &purges = shared_->purges;
		const GemPeaks &peaks = shared_->peaks;
		nlohmann::json counts = {{"given_up", purges.given_up.load()},
					 {"retained", purges.retained.load()},
					 {"purged", purges.purged.load()},
					 {"purged_kib", purges.purged_kib.load()},
					 {"purged_after_gpu", purges.purged_after_gpu.load()},
					 {"made", purges.made.load()},
					 {"verified", purges.verified.load()},
					 {"stale_mappings_refused", purges.stale_checked.load()},
					 {"gpu_jobs", purges.gpu_jobs.load()},
					 {"needed_verified", purges.needed_verified.load()},
					 {"fdinfo_samples", peaks.samples.load()},
					 {"most_total_kib", peaks.total_kib.load()},
					 {"most_active_kib", peaks.active_kib.load()},
					 {"most_resident_kib", peaks.resident_kib.load()},
					 {"most_purgeable_kib", peaks.purgeable_kib.load()}};
		for (const auto &[name, count] : shared_->reclaim.since(Root()))
			counts[name] = count;
		return {{"counts", counts}};
	}

private:
	ShrinkerOptions options_;
	Shared *shared_ = nullptr;
};

std::unique_ptr<Stressor> create(JsonReader options)
{
	return std::make_unique<Shrinker>(parse_options(std::move(options)));
}

std::string unsupported(const Driver &driver)
{
	auto context = driver.open();
	if (!context)
		return context.error().reason;
	Status status = try_out(**context, false, false);
	return status ? "" : status.error().reason;
}

/* Where a driver evicts (msm), it does so only while there is swap: can_swap() in msm_gem_shrinker.c. */
std::vector<std::string> limits(const Driver &driver)
{
	std::vector<std::string> limits;
	auto context = driver.open();
	if (!context)
		return limits;
	if (Status status = try_out(**context, true, false); !status)
		limits.push_back("busy: " + status.error().reason);
	if (Status status = try_out(**context, true, true); !status)
		limits.push_back("needed: " + status.error().reason);
	else if (meminfo_kib(Root(), "SwapFree") == 0)
		limits.emplace_back("eviction of needed: no swap");
	return limits;
}

} // namespace

extern const StressorDescriptor kShrinker;
const StressorDescriptor kShrinker = {
	.kind = PurgeWorker::kStressor,
	.create = create,
	.unsupported = unsupported,
	.limits = limits,
};

} // namespace drmsqueeze
