/* SPDX-License-Identifier: MIT */
/* One case of heap-lifetime, and the table of all. */
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "stressors/heap_victim.h"
#include "stressors/short_jobs.h"

namespace drmsqueeze
{

/** In memory that the client and its victim share. */
struct HeapCase {
	Gone part;
	VictimFate fate;
	JobTally innocent; /* what the jobs of innocent clients saw meanwhile */
	int64_t gone_ns;   /* from taking_ns on; 0: it was not seen to end */
	int next_error;
	char counted[200]; /* by the GPU model */
};

/** A row for each of @cases, which @plan was for. */
nlohmann::json table_of(std::span<const HeapCase> cases, const VictimPlan &plan);

} // namespace drmsqueeze
