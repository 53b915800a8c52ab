/* SPDX-License-Identifier: MIT */
#include "stressors/job_judge.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

#include "agent/clock.h"
#include "stressors/patience.h"

namespace drmsqueeze
{

void JobJudge::set_up()
{
	timeouts_.open();
}

bool JobJudge::wait(JobSlot &slot) const
{
	constexpr int64_t kSlice = 100 * kNsPerMs;
	constexpr int64_t kPause = 10 * kNsPerMs;
	while (seat_.control.phase.load() != Phase::over) {
		int error = slot.wait(now_ns() + kSlice);
		if (error == 0)
			return seat_.control.phase.load() != Phase::over;
		/* Under pressure the wait itself may lack memory (drm_syncobj_array_find). */
		if (error != ETIME)
			sleep_ns(kPause);
	}
	return false;
}

Verdict JobJudge::verdict(JobSlot &slot, uint32_t table_slot, unsigned count,
			  const std::function<Result<unsigned>()> &first_wrong)
{
	int64_t seen = now_ns();
	seat_.table.signalled(table_slot);
	/* Late may be we, not the job: a client that waits for memory looks late at a fence that signalled in time. */
	if (seen > seat_.table.entry(table_slot).deadline_ns)
		if (auto stamp = slot.signalled_ns(); stamp && *stamp > seat_.table.entry(table_slot).intent_ns)
			seen = std::min(seen, *stamp);
	auto error = patiently<int>([&] { return slot.fence_error(); });
	if (!error)
		return {Fate::lost, error.error().code, 0, error.error().reason, seen};
	if (*error)
		return failure(slot, table_slot, count, *error, seen);
	seat_.table.passed(table_slot);
	auto wrong = patiently<unsigned>(first_wrong);
	if (!wrong)
		return {Fate::lost, wrong.error().code, 0, wrong.error().reason, seen};
	if (*wrong < count)
		return {Fate::corrupted, 0, 0, fmt::format("value {} of {} is wrong", *wrong + 1, count), seen};
	return {.fate = Fate::completed, .seen_ns = seen};
}

Verdict JobJudge::failure(JobSlot &slot, uint32_t table_slot, unsigned count, int error, int64_t seen)
{
	TimeoutRole role = TimeoutRole::none;
	if (slot.bystander())
		role = TimeoutRole::victim;
	else if (may_be_timeout(seat_.driver, error))
		role = timeouts_.role_of(seat_, table_slot);
	const OutcomeRule &rule = outcome_of(seat_.driver, error, role);
	const unsigned done = slot.writes_done();
	return {rule.fate,  error,
		rule.flags, fmt::format("{} after {} of {} writes", rule.reason, done, count),
		seen,       rule.may_be_refusal && done < count};
}

void JobJudge::end(uint32_t table_slot, const Verdict &verdict) const
{
	seat_.table.end(table_slot, {verdict.fate, verdict.error, verdict.flags, verdict.reason, verdict.seen_ns});
}

} // namespace drmsqueeze
