/* SPDX-License-Identifier: MIT */
#pragma once

#include <string>

#include "agent/result.h"
#include "agent/ring_layout.h"

namespace drmsqueeze
{

/** How one step of a job went; the job goes on as long as it is `completed`. */
struct StepVerdict {
	Fate fate = Fate::completed;
	int error = 0; /* positive errno */
	int64_t flags = 0;
	std::string reason = {};
	bool good() const { return fate == Fate::completed; }
};

inline StepVerdict failed(const Error &error, int64_t flags = 0)
{
	return {Fate::failed, error.code, flags, error.reason};
}

} // namespace drmsqueeze
