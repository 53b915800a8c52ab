/* SPDX-License-Identifier: MIT */
#include "stressors/timeout_watch.h"

namespace drmsqueeze
{

void TimeoutWatch::open()
{
	auto log = KernelLog::open();
	if (log)
		log_.emplace(std::move(*log));
}

/**
 * From the driver's messages within the job's life. A message is logged before the fence signals, so what has
 * been logged by now is all that can concern this job.
 */
TimeoutRole TimeoutWatch::role_of(const ClientSeat &seat, uint32_t slot)
{
	if (!log_)
		return TimeoutRole::none;
	int64_t offset = seat.control.log_offset_ns.load();
	log_->drain([&](const LogRecord &record) {
		if (sign_of(seat.driver, record.text) == LogSign::job_timeout)
			last_ = {record.seq, record.t_ns + offset};
	});
	if (!last_ || last_->t_ns < seat.table.entry(slot).intent_ns)
		return TimeoutRole::none;
	return seat.table.claim_timeout(slot, last_->seq) ? TimeoutRole::culprit : TimeoutRole::victim;
}

} // namespace drmsqueeze
