/* SPDX-License-Identifier: MIT */
/* What the memcg injector is asked for, and when a limit is what: apart so that it can be tested. */
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/json_reader.h"

namespace drmsqueeze
{

inline constexpr uint64_t kNoLimit = UINT64_MAX;

/** memory.max, memory.high and memory.swap.max, in this order wherever there are three. */
inline constexpr size_t kLimits = 3;

/** At @at_ns after the first job the limits that are named begin to go, evenly, to a new value, in bytes. */
struct LimitStep {
	int64_t at_ns = 0;
	int64_t over_ns = 0; /* 0: at once */
	std::array<std::optional<uint64_t>, kLimits> to;
};

/** A write to memory.reclaim every so often. */
struct Reclaim {
	bool root; /* of the root; else of the clients' cgroup */
	int64_t every_ns;
	uint64_t bytes;
};

inline constexpr size_t kMaxReclaims = 4;

struct MemcgOptions {
	std::vector<LimitStep> steps; /* the first at 0 */
	std::vector<Reclaim> reclaims;

	/** Is the limit number @which ever set? */
	bool names(size_t which) const;
	/** For a report. */
	nlohmann::json describe() const;
};

/** Throws ScenarioError. */
MemcgOptions parse_memcg_options(JsonReader reader);

/**
 * The limit number @which at @t_ns, by @steps in the order of their times. A step that comes before the last one has
 * ended goes on from where that one was. A way down from no limit begins at @used, the most that was used till now.
 */
uint64_t limit_at(std::span<const LimitStep> steps, size_t which, int64_t t_ns, uint64_t used);

/** @limit at @intensity: none at 0, itself at 1, and evenly from @used down to it between. */
uint64_t weakened(uint64_t limit, double intensity, uint64_t used);

/** As the kernel's file takes it and shows it: whole pages, or "max". */
std::string limit_text(uint64_t limit);

} // namespace drmsqueeze
