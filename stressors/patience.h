/* SPDX-License-Identifier: MIT */
/* What we do to learn a fate needs memory too, and under pressure or injection it may fail for want of it. */
#pragma once

#include "agent/clock.h"
#include "agent/result.h"

namespace drmsqueeze
{

/** Calls again for two seconds, in which nothing is measured; the last error when it never works. */
template <typename T, typename Call>
Result<T> patiently(Call call)
{
	constexpr int kTries = 200;
	constexpr int64_t kPause = 10 * kNsPerMs;
	for (int i = 1;; i++) {
		Result<T> result = call();
		if (result || i == kTries)
			return result;
		sleep_ns(kPause);
	}
}

} // namespace drmsqueeze
