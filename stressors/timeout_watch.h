/* SPDX-License-Identifier: MIT */
/* Whom a driver's job timeout was meant for, from the driver's messages in the kernel log. */
#pragma once

#include <optional>

#include "agent/kernel_log.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

/** One for each submitting thread. Without a kernel log a timeout is only a failed job. */
class TimeoutWatch
{
public:
	/** Messages from now on. */
	void open();

	/** For the job in @slot of the table, whose fence carries an error. */
	TimeoutRole role_of(const ClientSeat &seat, uint32_t slot);

private:
	struct Timeout {
		uint64_t seq;
		int64_t t_ns;
	};

	std::optional<KernelLog> log_;
	std::optional<Timeout> last_;
};

} // namespace drmsqueeze
