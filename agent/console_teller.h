/* SPDX-License-Identifier: MIT */
/*
 * The second way for records off a board: where nobody has taken any for a while, for the network is gone, they are
 * told on the machine's console, a line each. What the kernel prints into such a line spoils it, and its record is
 * lost.
 */
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <sys/types.h>

#include "agent/ring_layout.h"

namespace drmsqueeze
{

/** "\ndrmsqueeze-record: ", base64 of the record without the zeros at its end, "\n", NUL. */
using ToldRecord = std::array<char, 256>;

/** The line for @record, in place. */
ToldRecord told(const Record &record);

/**
 * Tells the records of the ring in @file on @console whenever some have waited for @patience_ns, until process @agent
 * is gone and everything was taken or told, or nobody has taken anything for @patience_ns since. A process's exit
 * status.
 */
int tell_records(const std::string &file, const std::string &console, int64_t patience_ns, pid_t agent);

} // namespace drmsqueeze
