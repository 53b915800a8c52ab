/* SPDX-License-Identifier: MIT */
#pragma once

#include <cstdint>

namespace drmsqueeze
{

/**
 * The work of calibrate_ns() over and over on every CPU, for so many seconds: nanoseconds for one time, on the
 * average. What else the host of this machine has to do in that time shows in it, where the best of five keeps it out.
 */
int64_t pace_ns(double seconds);

} // namespace drmsqueeze
