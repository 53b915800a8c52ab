/* SPDX-License-Identifier: MIT */
/* What became of a GPU job: waits for its fence, and finds its fate in the fence, the kernel log and its memory. */
#pragma once

#include <functional>

#include "stressors/stressor.h"
#include "stressors/timeout_watch.h"

namespace drmsqueeze
{

/** As JobEnd, to be kept for a while. */
struct Verdict {
	Fate fate;
	int error = 0;
	int64_t flags = 0;
	std::string reason = {};
	int64_t seen_ns = 0;
	bool may_be_refusal = false; /* of memory that its heap was to have: a fence does not say that for sure */
};

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
	 * Of the job in @table_slot, whose fence is through. @first_wrong reads back what it was to write: the index of
	 * the first of @count values that is wrong, @count when all are right.
	 */
	Verdict verdict(JobSlot &slot, uint32_t table_slot, unsigned count,
			const std::function<Result<unsigned>()> &first_wrong);
	/** Writes the job's end record. */
	void end(uint32_t table_slot, const Verdict &verdict) const;
	/** Both. */
	void judge(JobSlot &slot, uint32_t table_slot, unsigned count,
		   const std::function<Result<unsigned>()> &first_wrong)
	{
		end(table_slot, verdict(slot, table_slot, count, first_wrong));
	}

private:
	Verdict failure(JobSlot &slot, uint32_t table_slot, unsigned count, int error, int64_t seen);

	const ClientSeat &seat_;
	TimeoutWatch timeouts_;
};

} // namespace drmsqueeze
