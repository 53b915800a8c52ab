/* SPDX-License-Identifier: MIT */
/* A run on a machine that is reached by ssh: it goes on whatever becomes of the connection that started it. */
#pragma once

#include <cstdint>
#include <string>

#include "agent/keeper.h"

namespace drmsqueeze
{

struct DetachedOptions {
	AgentOptions agent;
	std::string log;             /* takes the agent's standard output and error */
	std::string console;         /* where records are told that nobody takes; empty: nowhere */
	double console_after_s = 10; /* ... so long after they were written */
	uint32_t watchdog_s = 0;     /* the hardware watchdog bites so long after the last record; 0: not armed */
};

/**
 * Reads the request from standard input, lays out the ring and carries the run out in the background. What was done is
 * printed as one line of JSON: `pid`, `watchdog` (what it is, or null) and `watchdog_reason`. A process's
 * exit status.
 */
int start_detached(const DetachedOptions &options);

} // namespace drmsqueeze
