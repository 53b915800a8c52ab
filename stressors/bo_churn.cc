/* SPDX-License-Identifier: MIT */
/*
 * bo-churn: buffer objects that come and go. A job is one cycle: a BO of the working set is checked and let go, another
 * is created, mapped, written to, read back, and on drivers that have it advised about. Where a cache of BOs stands
 * between, as in a user-space driver, the policy says what is tried when memory is short: bo_ladder.h.
 */
#include <new>
#include <sys/mman.h>

#include "agent/clock.h"
#include "stressors/bo_churner.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kMaxBoKib = 256 << 10;
constexpr uint64_t kMaxMs = 3600 * 1000;
constexpr uint64_t kTrialBytes = 4096;

BoChurnOptions parse_options(JsonReader reader)
{
	BoChurnOptions options;
	options.min_bytes = reader.integer_or("min_kib", 4, kMaxBoKib, 64) / 4 * 4 << 10;
	options.max_bytes = reader.integer_or("max_kib", 4, kMaxBoKib, 1024) / 4 * 4 << 10;
	options.jobs = reader.integer_or("jobs", 1, 100 * 1000 * 1000, 200);
	options.working_set = static_cast<uint32_t>(reader.integer_or("working_set", 1, 65536, 8));
	options.contexts = static_cast<uint32_t>(reader.integer_or("contexts", 1, 64, 1));
	options.threads = static_cast<uint32_t>(reader.integer_or("threads", 1, 64, 1));
	options.rate_hz = reader.number_or("rate_hz", 0, 1e6, 0);
	options.touch = reader.number_or("touch", 0, 1, 1);
	options.gpu = reader.number_or("gpu", 0, 1, 0);
	options.purgeable = reader.boolean_or("purgeable", false);
	if (reader.has("binding"))
		options.binding = reader.one_of_or("binding", {"sync", "async"}, "sync") == "async" ? Binding::async
												    : Binding::sync;
	std::string policy =
		reader.one_of_or("policy", {"none", "fail-after-allocate", "fail-after-evict", "full", "mesa"}, "none");
	options.policy = find_ladder_policy(policy);
	options.wait_ns = static_cast<int64_t>(reader.integer_or("wait_ms", 1, kMaxMs, 100)) * kNsPerMs;
	options.stale_ns = static_cast<int64_t>(reader.integer_or("stale_ms", 1, kMaxMs, 1000)) * kNsPerMs;
	reader.finish();
	if (options.min_bytes > options.max_bytes)
		reader.fail("min_kib", "at most max_kib");
	return options;
}

/** Empty, or why a context of @driver cannot do what @options ask for. */
Status try_out(const BoChurnOptions &options, Context &context)
{
	if (options.binding)
		if (Status status = context.choose_binding(*options.binding); !status)
			return status;
	auto buffer = context.create_buffer(kTrialBytes);
	if (!buffer)
		return buffer.error();
	if (auto view = (*buffer)->map(); !view)
		return view.error();
	if (options.policy->caches() || options.purgeable)
		if (auto advised = (*buffer)->advise(true); !advised)
			return advised.error();
	if (options.policy->caches())
		if (Status status = (*buffer)->wait_idle(0); !status)
			return status;
	if (options.gpu > 0)
		if (auto slot = context.create_slot(1); !slot)
			return slot.error();
	return {};
}

class BoChurn : public Stressor
{
public:
	explicit BoChurn(const BoChurnOptions &options) : options_(options)
	{
		if (void *shared = shared_memory(sizeof(ChurnCounts)))
			counts_ = new (shared) ChurnCounts();
	}

	uint32_t clients() const override { return options_.contexts; }
	uint32_t slots_per_client() const override { return options_.threads; }

	Status prepare(const Driver &driver) override
	{
		if (!counts_)
			return Error{ENOMEM, "bo-churn: no shared memory"};
		auto context = driver.open();
		return context ? try_out(options_, **context) : Status(context.error());
	}

	Status run_client(const ClientSeat &seat) override
	{
		auto context = seat.driver.open();
		if (!context)
			return context.error();
		if (options_.binding)
			if (Status status = (*context)->choose_binding(*options_.binding); !status)
				return status;
		double scale = seat.request.time_scale;
		BoLadder ladder(**context, *options_.policy,
				{static_cast<int64_t>(static_cast<double>(options_.wait_ns) * scale),
				 static_cast<int64_t>(static_cast<double>(options_.stale_ns) * scale)},
				counts_->ladder);
		ChurnPattern pattern(options_, seat.request.seed);
		/* What is under test is the driver, not how fast our own pages come back from swap. */
		mlockall(MCL_CURRENT);
		run_in_threads(seat, options_.threads, [&](uint32_t thread) {
			uint64_t stream = uint64_t{seat.client} << 32 | thread;
			churn(seat, thread,
			      BoChurner(options_, pattern, stream, seat.driver, **context, ladder, *counts_));
		});
		return {};
	}

	nlohmann::json report() const override
	{
		if (!counts_)
			return nullptr;
		auto report = counts_->ladder.report(*options_.policy);
		report["counts"].update({{"kib_filled", counts_->created_kib.load()},
					 {"sigbus", counts_->sigbus.load()},
					 {"gpu_jobs", counts_->gpu_jobs.load()},
					 {"gpu_jobs_failed", counts_->gpu_jobs_failed.load()},
					 {"verified", counts_->verified.load()}});
		return report;
	}

private:
	void churn(const ClientSeat &seat, uint32_t thread, BoChurner churner) const
	{
		uint32_t slot = seat.first_slot + thread;
		Pace pace(options_.rate_hz);
		for (uint64_t number = 0; number < options_.jobs; number++) {
			pace.wait();
			if (!may_go_on(seat))
				return;
			uint64_t job = seat.table.begin(slot, {.client = seat.client,
							       .context = seat.context,
							       .thread = thread,
							       .bytes = churner.bytes(number),
							       .stressor = BoChurner::kStressor,
							       .deadline_ns = seat.request.deadline_ns});
			BoChurner::Verdict verdict = churner.cycle(job, number);
			seat.table.end(slot, {verdict.fate, verdict.error, verdict.flags, verdict.reason});
		}
	}

	BoChurnOptions options_;
	ChurnCounts *counts_ = nullptr;
};

std::unique_ptr<Stressor> create(JsonReader options)
{
	return std::make_unique<BoChurn>(parse_options(std::move(options)));
}

std::string unsupported(const Driver &driver)
{
	auto context = driver.open();
	if (!context)
		return context.error().reason;
	Status status = try_out({.policy = find_ladder_policy("none")}, **context);
	return status ? "" : status.error().reason;
}

std::vector<std::string> limits(const Driver &driver)
{
	const BoChurnOptions trials[] = {
		{.policy = find_ladder_policy("full")},
		{.purgeable = true, .policy = find_ladder_policy("none")},
		{.gpu = 1, .policy = find_ladder_policy("none")},
		{.binding = Binding::async, .policy = find_ladder_policy("none")},
	};
	constexpr const char *kNames[] = {"policy", "purgeable", "gpu", "binding"};
	std::vector<std::string> limits;
	auto context = driver.open();
	for (size_t i = 0; context && i < std::size(trials); i++)
		if (Status status = try_out(trials[i], **context); !status)
			limits.push_back(kNames[i] + (": " + status.error().reason));
	return limits;
}

} // namespace

extern const StressorDescriptor kBoChurn;
const StressorDescriptor kBoChurn = {
	.kind = BoChurner::kStressor,
	.create = create,
	.unsupported = unsupported,
	.limits = limits,
};

} // namespace drmsqueeze
