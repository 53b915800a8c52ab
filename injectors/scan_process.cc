/* SPDX-License-Identifier: MIT */
#include "injectors/scan_process.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

class ScanProcess
{
public:
	ScanProcess(const ScanOptions &options, const Root &root, double time_scale, ScanTally &tally)
		: options_(options), root_(root), tally_(tally),
		  every_ns_(static_cast<int64_t>(options.every_ms * time_scale * kNsPerMs)),
		  spell_ns_(static_cast<int64_t>(options.spell_ms * time_scale * kNsPerMs))
	{
	}

	[[noreturn]] void run()
	{
		constexpr int64_t kPoll = 2 * kNsPerMs;
		uint64_t most = *std::max_element(options_.threads.begin(), options_.threads.end());
		std::vector<std::thread> threads;
		for (uint64_t i = 0; i < most; i++)
			threads.emplace_back([this, i] { scan_forever(i); });
		/* Time in which nothing is wanted belongs to no step. */
		for (int64_t last = now_ns();; sleep_ns(kPoll)) {
			int64_t now = now_ns();
			int64_t passed = now - std::exchange(last, now);
			size_t step = tally_.step.load();
			if (tally_.active.load() > 0)
				tally_.steps[step].spell_ns.fetch_add(passed);
			in_step_ns_ += tally_.active.load() > 0 ? passed : 0;
			if (in_step_ns_ >= spell_ns_) {
				in_step_ns_ = 0;
				step = (step + 1) % options_.threads.size();
				tally_.step.store(static_cast<uint32_t>(step));
			}
			double share = tally_.intensity_percent.load() / 100.0;
			double wanted = std::ceil(share * static_cast<double>(options_.threads[step]));
			tally_.active.store(static_cast<uint32_t>(wanted));
		}
	}

private:
	[[noreturn]] void scan_forever(uint64_t thread)
	{
		constexpr int64_t kPoll = kNsPerMs;
		auto targets = options_.method->open(root_, options_.settings);
		for (;;) {
			if (thread >= tally_.active.load() || !targets) {
				if (!targets)
					tally_.first_error.store(targets.error().code);
				sleep_ns(kPoll);
				continue;
			}
			for (size_t i = 0; i < targets->size(); i++)
				scan_once(*(*targets)[i], i);
			if (every_ns_)
				sleep_ns(every_ns_);
		}
	}

	void scan_once(ShrinkTarget &target, size_t number)
	{
		ScanRow &step = tally_.steps[tally_.step.load()];
		ScanRow &own = tally_.targets[number];
		uint64_t claimed = tally_.claimed[number].load();
		auto scanned = target.scan();
		if (!scanned) {
			int none = 0;
			tally_.first_error.compare_exchange_strong(none, scanned.error().code);
			own.errors.fetch_add(1);
			step.errors.fetch_add(1);
			return;
		}
		uint64_t freed = scanned->freed;
		if (options_.method->counts) {
			freed = own_share(freed, tally_.claimed[number].load() - claimed);
			tally_.claimed[number].fetch_add(freed);
		}
		own.add(*scanned, freed);
		step.add(*scanned, freed);
	}

	const ScanOptions &options_;
	Root root_;
	ScanTally &tally_;
	int64_t every_ns_;
	int64_t spell_ns_;
	int64_t in_step_ns_ = 0;
};

} // namespace

int run_scans(const ScanOptions &options, const Root &root, double time_scale, ScanTally &tally)
{
	ScanProcess(options, root, time_scale, tally).run();
}

} // namespace drmsqueeze
