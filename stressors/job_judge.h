/* SPDX-License-Identifier: MIT */
/* What became of a GPU job: waits for its fence, and finds its fate in the fence, the kernel log and its memory. */
#pragma once

#include <functional>

#include "stressors/stressor.h"
#include "stressors/timeout_watch.h"

namespace drmsqueeze
{

/** One for each submitting thread. Borrows the seat. */
class JobJudge
{
public:
	explicit JobJudge(const ClientSeat &seat) : seat_(seat) {}

	/** Before the first job: what is logged from here on counts. */
	void set_up();

	/** Returns with the fence signalled: true; or when nobody waits any more: then the supervisor ends the job. */
	bool wait(JobSlot &slot) const;

	/**
	 * Writes the end record of the job in @table_slot, whose fence is through. @first_wrong reads back what it was
	 * to write: the index of the first of @count values that is wrong, @count when all are right.
	 */
	void judge(JobSlot &slot, uint32_t table_slot, unsigned count,
		   const std::function<Result<unsigned>()> &first_wrong);

private:
	void judge_failure(JobSlot &slot, uint32_t table_slot, unsigned count, int error, int64_t seen);

	const ClientSeat &seat_;
	TimeoutWatch timeouts_;
};

} // namespace drmsqueeze
