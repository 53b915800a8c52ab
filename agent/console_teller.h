/* SPDX-License-Identifier: MIT */
/*
 * The second way for records off a board: where nobody has taken any for a while, for the network is gone, they are
 * told on the machine's console, a line each. What the kernel prints into such a line spoils it: so each has a
 * checksum, and is told again while there is nothing new to tell. The ring keeps what was told for as long as it has
 * room: who takes records by another way later finds them there.
 */
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <sys/types.h>

#include "agent/ring_layout.h"

namespace drmsqueeze
{

/**
 * "\ndrmsqueeze-record: ", base64 of the record without the zeros at its end, and of a CRC-32; "\n", NUL. The CRC is
 * that of the agent's process number, as four bytes, and of the record: no run takes the records of another.
 */
using ToldRecord = std::array<char, 256>;

/** The line for @record of @agent, in place. */
ToldRecord told(const Record &record, int32_t agent);

/**
 * Tells the records of the ring in @file on @console whenever some have waited for @patience_ns, until process @agent
 * is gone and everything was taken, or told often enough, or the file was removed. A record that was claimed and never
 * written is told as one of kind 0. A process's exit status.
 */
int tell_records(const std::string &file, const std::string &console, int64_t patience_ns, pid_t agent);

} // namespace drmsqueeze
