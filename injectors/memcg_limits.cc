/* SPDX-License-Identifier: MIT */
#include "injectors/memcg_limits.h"

#include <algorithm>
#include <fmt/format.h>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kMaxMib = 1024UL * 1024;
constexpr uint64_t kMaxMs = 24UL * 3600 * 1000;
constexpr std::array<const char *, kLimits> kNames = {"max_mib", "high_mib", "swap_max_mib"};

uint64_t limit_of(JsonReader &reader, const char *key)
{
	return reader.is_null(key) ? kNoLimit : reader.integer(key, 0, kMaxMib) << 20;
}

LimitStep parse_step(JsonReader &reader)
{
	LimitStep step;
	for (size_t i = 0; i < kLimits; i++)
		if (reader.has(kNames[i]))
			step.to[i] = limit_of(reader, kNames[i]);
	return step;
}

uint64_t between(uint64_t from, uint64_t to, double share)
{
	if (from == kNoLimit || to == kNoLimit)
		return share > 0 ? to : from;
	auto begin = static_cast<double>(from);
	return static_cast<uint64_t>(begin + (static_cast<double>(to) - begin) * share);
}

} // namespace

MemcgOptions parse_memcg_options(JsonReader reader)
{
	MemcgOptions options;
	options.steps.push_back(parse_step(reader));
	for (JsonReader &entry : reader.objects("schedule")) {
		LimitStep step = parse_step(entry);
		step.at_ns = static_cast<int64_t>(entry.integer("at_ms", 0, kMaxMs)) * kNsPerMs;
		step.over_ns = static_cast<int64_t>(entry.integer_or("over_ms", 0, kMaxMs, 0)) * kNsPerMs;
		entry.finish();
		if (step.at_ns < options.steps.back().at_ns)
			entry.fail("at_ms", "steps in the order of their times");
		options.steps.push_back(step);
	}
	for (JsonReader &entry : reader.objects("reclaim")) {
		Reclaim reclaim{};
		reclaim.root = entry.one_of_or("of", {"clients", "root"}, "clients") == "root";
		reclaim.every_ns = static_cast<int64_t>(entry.integer("every_ms", 1, kMaxMs)) * kNsPerMs;
		reclaim.bytes = entry.integer("mib", 1, kMaxMib) << 20;
		entry.finish();
		options.reclaims.push_back(reclaim);
	}
	reader.finish();
	if (options.reclaims.size() > kMaxReclaims)
		reader.fail("reclaim", fmt::format("at most {}", kMaxReclaims));
	return options;
}

bool MemcgOptions::names(size_t which) const
{
	return std::any_of(steps.begin(), steps.end(),
			   [&](const LimitStep &step) { return step.to[which].has_value(); });
}

nlohmann::json MemcgOptions::describe() const
{
	auto limits = nlohmann::json::array();
	for (const LimitStep &step : steps) {
		nlohmann::json entry = {{"at_ms", step.at_ns / kNsPerMs}, {"over_ms", step.over_ns / kNsPerMs}};
		for (size_t i = 0; i < kLimits; i++)
			if (step.to[i])
				entry[kNames[i]] =
					*step.to[i] == kNoLimit ? nlohmann::json() : nlohmann::json(*step.to[i] >> 20);
		limits.push_back(std::move(entry));
	}
	auto writes = nlohmann::json::array();
	for (const Reclaim &reclaim : reclaims)
		writes.push_back({{"of", reclaim.root ? "root" : "clients"},
				  {"every_ms", reclaim.every_ns / kNsPerMs},
				  {"mib", reclaim.bytes >> 20}});
	return {{"steps", limits}, {"reclaim", writes}};
}

uint64_t limit_at(std::span<const LimitStep> steps, size_t which, int64_t t_ns, uint64_t used)
{
	uint64_t limit = kNoLimit;
	for (size_t i = 0; i < steps.size() && steps[i].at_ns <= t_ns; i++) {
		const auto &to = steps[i].to[which];
		if (!to)
			continue;
		/* Up to now, or to where a later step cut it short. */
		int64_t until = t_ns;
		for (size_t later = i + 1; later < steps.size() && steps[later].at_ns <= t_ns; later++)
			if (steps[later].to[which]) {
				until = steps[later].at_ns;
				break;
			}
		uint64_t from = limit == kNoLimit ? std::max(used, *to) : limit;
		double share = steps[i].over_ns == 0 ? 1.0
						     : static_cast<double>(until - steps[i].at_ns) /
							       static_cast<double>(steps[i].over_ns);
		limit = share >= 1 ? *to : between(from, *to, share);
	}
	return limit;
}

uint64_t weakened(uint64_t limit, double intensity, uint64_t used)
{
	if (intensity <= 0 || limit == kNoLimit)
		return kNoLimit;
	return between(std::max(used, limit), limit, std::min(1.0, intensity));
}

std::string limit_text(uint64_t limit)
{
	constexpr uint64_t kPage = 4096; /* a kernel with larger ones rounds down further, and counts in them */
	return limit == kNoLimit ? "max" : std::to_string(limit / kPage * kPage);
}

} // namespace drmsqueeze
