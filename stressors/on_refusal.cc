/* SPDX-License-Identifier: MIT */
#include "stressors/on_refusal.h"

#include <algorithm>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kMaxTries = 100;
constexpr uint64_t kMaxWaitMs = 3600 * 1000;
constexpr uint64_t kMaxCacheMib = 1024;

constexpr const char *kNames[] = {"fail", "retry", "wait_for_peer", "evict_cache", "split_work"}; /* of OnRefusal */

/* What remedies are called that came to nothing, by Remedy; known to results/drmsqueeze_results/exposure.py are none.
 */
constexpr const char *kRemedyNames[kRemedies] = {
	"remedies applied",       "tries used up",     "waits that ran out",
	"remedies without means", "waits in a circle", "remedies too late",
};

/** The last part, in two halves. */
Remedy split(std::vector<HeapPart> &parts)
{
	auto [first, count] = parts.back();
	if (count < 2)
		return Remedy::nothing;
	unsigned half = count / 2;
	parts.back() = {first + half, count - half};
	parts.push_back({first, half});
	return Remedy::applied;
}

} // namespace

RefusalOptions RefusalOptions::parse(JsonReader &reader)
{
	RefusalOptions options;
	std::string policy =
		reader.one_of_or("on_refusal", {kNames[0], kNames[1], kNames[2], kNames[3], kNames[4]}, kNames[0]);
	options.policy = OnRefusal(std::ranges::find(kNames, policy) - kNames);
	options.tries = static_cast<uint32_t>(reader.integer_or("refusal_tries", 1, kMaxTries, 3));
	options.wait_ns = static_cast<int64_t>(reader.integer_or("refusal_wait_ms", 1, kMaxWaitMs, 100)) * kNsPerMs;
	options.cache_bytes = reader.integer_or("cache_mib", 0, kMaxCacheMib, 0) << 20;
	if (options.policy == OnRefusal::evict_cache && options.cache_bytes < IdleCache::kBoBytes)
		reader.fail("cache_mib", "at least 2 where on_refusal is evict_cache");
	return options;
}

nlohmann::json RefusalCounts::report(OnRefusal policy) const
{
	nlohmann::json counts = {{"attempts refused", refused.load()}};
	if (policy == OnRefusal::fail)
		return counts;
	counts["jobs repaired"] = repaired.load();
	counts["jobs given up"] = given_up.load();
	for (size_t i = 0; i < kRemedies; i++)
		counts[kRemedyNames[i]] = remedies[i].load();
	counts["ms waited"] = waited_ns.load() / kNsPerMs;
	if (policy == OnRefusal::evict_cache)
		counts["KiB evicted"] = evicted_bytes.load() >> 10;
	return counts;
}

void RefusalPolicy::begins()
{
	if (shared_)
		peer_.look();
}

void RefusalPolicy::heap_made()
{
	if (shared_)
		peer_.made();
}

void RefusalPolicy::heap_freed()
{
	if (shared_)
		peer_.freed();
}

bool RefusalPolicy::again(uint32_t table_slot, OfJob &job, int error, std::vector<HeapPart> &parts)
{
	if (!shared_)
		return false;
	job.refusals++;
	shared_->counts.refused++;
	if (options_.policy == OnRefusal::fail || !seat_.table.refused(table_slot, error, job.refusals))
		return false;
	int64_t begin = now_ns();
	Remedy end = remedy(seat_.table.entry(table_slot), job, parts);
	int64_t took = now_ns() - begin;
	shared_->counts.remedies[static_cast<size_t>(end)]++;
	shared_->counts.waited_ns += took;
	seat_.table.remedied(table_slot, end, took);
	return end == Remedy::applied;
}

/* No attempt begins in the second half of a job's time: what follows is to have as much as what was. */
Remedy RefusalPolicy::remedy(const JobEntry &entry, const OfJob &job, std::vector<HeapPart> &parts)
{
	const int64_t latest = entry.intent_ns + (entry.deadline_ns - entry.intent_ns) / 2;
	if (job.refusals > options_.tries)
		return Remedy::used_up;
	if (over() || now_ns() >= latest)
		return Remedy::too_late;
	const int64_t wait = scaled_wait_ns();
	switch (options_.policy) {
	case OnRefusal::fail:
		break;
	case OnRefusal::retry: {
		const unsigned doubled = std::min(job.refusals - 1, 20U); /* a million times: past any deadline */
		return pause(now_ns() + (wait << doubled), latest);
	}
	case OnRefusal::wait_for_peer:
		return peer_.wait(std::min(now_ns() + wait, latest), [this] { return over(); });
	case OnRefusal::evict_cache:
		return evict();
	case OnRefusal::split_work:
		return split(parts);
	}
	return Remedy::nothing;
}

Remedy RefusalPolicy::pause(int64_t until_ns, int64_t latest_ns) const
{
	constexpr int64_t kSlice = 10 * kNsPerMs;
	if (until_ns > latest_ns)
		return Remedy::too_late;
	while (now_ns() < until_ns && !over())
		sleep_ns(std::min(kSlice, until_ns - now_ns()));
	return over() ? Remedy::too_late : Remedy::applied;
}

Remedy RefusalPolicy::evict()
{
	uint64_t bytes = cache_ ? cache_->evict() : 0;
	shared_->counts.evicted_bytes += bytes;
	return bytes ? Remedy::applied : Remedy::nothing;
}

int64_t RefusalPolicy::scaled_wait_ns() const
{
	return static_cast<int64_t>(static_cast<double>(options_.wait_ns) * seat_.request.time_scale);
}

void RefusalPolicy::ended(const OfJob &job, Fate fate)
{
	if (!shared_)
		return;
	if (job.refusals)
		(fate == Fate::completed ? shared_->counts.repaired : shared_->counts.given_up)++;
	if (cache_)
		cache_->add();
}

} // namespace drmsqueeze
