/* SPDX-License-Identifier: MIT */
/* The request that the harness leaves in the ring: a scenario as resolved, one level, and final times. */
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/json_reader.h"

namespace drmsqueeze
{

/** One stressor or injector; `reader` stands on its object, and its options are its own business. */
struct Item {
	std::string kind;
	JsonReader reader;
};

/** A stretch of time, and what share of all pressure and injection is on at its end. */
struct ScenarioPhase {
	std::string kind; /* ramp, hold, release, rest */
	int64_t duration_ns = 0;
	double from = 0;
	double to = 0;
};

/** Times are final: the harness has multiplied them by time_scale. */
struct Request {
	std::shared_ptr<const nlohmann::json> document; /* what the readers stand on */
	std::string name;
	std::string driver;
	std::string model; /* empty: a real GPU */
	std::vector<Item> stressors;
	std::vector<Item> injectors;       /* model_faults and traps included, as kinds model-fault and trap */
	std::vector<ScenarioPhase> phases; /* none: everything is on from the first job to the last */
	double level = 1.0;                /* share of the idle MemAvailable that is left */
	uint64_t seed = 0;
	double time_scale = 1.0; /* how many times slower than a board this machine is */
	int64_t deadline_ns = 0; /* from intent */
	int64_t grace_ns = 0;    /* after the release */
	/* Limits of witnesses, staggered by the harness so that a late fence comes first (its limits.py). */
	int64_t no_progress_ns = INT64_MAX;          /* since a job last ended */
	int64_t d_state_ns = INT64_MAX;              /* that a task stays in one sleep */
	std::map<std::string, uint64_t> detectors_s; /* limits of the kernel's own (agent/detectors.h), by name */
};

/** Throws ScenarioError. */
Request parse_request(std::string_view text);

} // namespace drmsqueeze
