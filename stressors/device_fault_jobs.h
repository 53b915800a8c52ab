/* SPDX-License-Identifier: MIT */
/* Who submits in device-fault: one client the compute jobs, another those behind them. */
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stressors/device_pager.h"
#include "stressors/job_judge.h"

namespace drmsqueeze
{

struct DeviceFaultOptions {
	PagerForm form = PagerForm::reclaim;
	GpuQueue queue = GpuQueue::fragment; /* of the jobs behind; the compute job's is geometry */
	uint32_t jobs = 0;                   /* compute jobs, a round for each */
	uint32_t behind = 0;                 /* jobs behind each of them */
	uint64_t fault_bytes = 0;
};

/** A client that submits. Borrows everything. */
class FaultJobs
{
public:
	static constexpr const char *kStressor = "device-fault";

	FaultJobs(const DeviceFaultOptions &options, const ClientSeat &seat, FaultState &state)
		: options_(options), seat_(seat), state_(state), judge_(seat)
	{
	}

	/** @count jobs in flight in @queue. */
	Status set_up(uint32_t count, GpuQueue queue);

	/** All rounds, or those until the run's phase changes; of the compute jobs, and of those behind. */
	void run_compute();
	void run_behind();

private:
	/** A job that writes values to a buffer of its own. */
	struct Lane {
		std::unique_ptr<Buffer> buffer;
		std::unique_ptr<JobSlot> slot;
		uint64_t job = 0;
		bool flies = false;
	};

	/** @round is 0 for jobs that touch no shared memory. */
	void submit(uint32_t lane, uint32_t round = 0);
	void finish(uint32_t lane, uint32_t round = 0);
	/** False when nobody waits any more. */
	template <typename Condition>
	bool wait_until(Condition condition) const;

	const DeviceFaultOptions &options_;
	const ClientSeat &seat_;
	FaultState &state_;
	JobJudge judge_;
	std::unique_ptr<Context> context_; /* outlives the lanes */
	std::vector<Lane> lanes_;
	std::vector<GpuWrite> writes_;
};

} // namespace drmsqueeze
