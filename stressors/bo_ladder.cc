/* SPDX-License-Identifier: MIT */
#include "stressors/bo_ladder.h"

#include <algorithm>
#include <bit>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

constexpr Rung kNone[] = {Rung::allocate};
constexpr Rung kFailAfterAllocate[] = {Rung::take, Rung::allocate};
constexpr Rung kFailAfterEvict[] = {Rung::take, Rung::allocate, Rung::evict};
constexpr Rung kFull[] = {Rung::take, Rung::allocate, Rung::evict, Rung::wait};
/* Mesa's own order: it waits for a busy BO before it gives up its cache. */
constexpr Rung kMesa[] = {Rung::take, Rung::allocate, Rung::wait, Rung::evict};

constexpr LadderPolicy kPolicies[] = {
	{"none", kNone},
	{"fail-after-allocate", kFailAfterAllocate},
	{"fail-after-evict", kFailAfterEvict},
	{"full", kFull},
	{"mesa", kMesa},
};

constexpr const char *kRungNames[kRungs] = {"take from cache", "allocate", "evict and allocate", "wait for busy"};

} // namespace

bool LadderPolicy::has(Rung rung) const
{
	return std::find(rungs.begin(), rungs.end(), rung) != rungs.end();
}

const LadderPolicy *find_ladder_policy(std::string_view name)
{
	for (const LadderPolicy &policy : kPolicies)
		if (policy.name == name)
			return &policy;
	return nullptr;
}

nlohmann::json LadderCounts::report(const LadderPolicy &policy) const
{
	auto rows = nlohmann::json::array();
	for (Rung rung : policy.rungs) {
		auto index = static_cast<size_t>(rung);
		uint64_t tried_here = rungs[index].tried.load();
		uint64_t served_here = rungs[index].served.load();
		rows.push_back({kRungNames[index], tried_here, served_here, tried_here - served_here,
				rungs[index].ns.load() / kNsPerMs});
	}
	return {{"counts",
		 {{"requests", requests.load()},
		  {"requests_failed", failed.load()},
		  {"retained", retained.load()},
		  {"purged", purged.load()},
		  {"found_busy", found_busy.load()},
		  {"wait_timeouts", wait_timeouts.load()},
		  {"wait_errors", wait_errors.load()},
		  {"advise_errors", advise_errors.load()},
		  {"evicted", evicted.load()},
		  {"stale", stale.load()},
		  {"freed_busy", freed_busy.load()}}},
		{"tables",
		 {{{"title", "Rungs of the policy " + std::string(policy.name) + ", in the order they are tried"},
		   {"columns", {"rung", "tried", "served", "failed", "time_ms"}},
		   {"rows", rows}}}}};
}

Result<ChurnBo> BoLadder::request(uint64_t bytes)
{
	counts_.requests++;
	Error last{ENOMEM, "no rung of the ladder could serve it"};
	for (Rung rung : policy_.rungs) {
		LadderCounts::OfRung &count = counts_.rungs[static_cast<size_t>(rung)];
		count.tried++;
		int64_t begin = now_ns();
		auto bo = climb(rung, bytes, last);
		count.ns += now_ns() - begin;
		if (!bo)
			continue;
		count.served++;
		return std::move(*bo);
	}
	counts_.failed++;
	return last;
}

std::optional<ChurnBo> BoLadder::climb(Rung rung, uint64_t bytes, Error &last)
{
	switch (rung) {
	case Rung::take:
		return from_cache(bytes, false);
	case Rung::allocate:
		return allocate(bytes, last);
	case Rung::evict:
		evict();
		return allocate(bytes, last);
	case Rung::wait:
		return from_cache(bytes, true);
	}
	return std::nullopt;
}

std::optional<ChurnBo> BoLadder::allocate(uint64_t bytes, Error &last)
{
	auto buffer = context_.create_buffer(bytes);
	if (buffer)
		return ChurnBo{.buffer = std::move(*buffer)};
	last = buffer.error();
	return std::nullopt;
}

/** Where the oldest that fits is busy, so likely is all that is newer: no more are tried. */
std::optional<ChurnBo> BoLadder::from_cache(uint64_t bytes, bool may_wait)
{
	std::scoped_lock guard(lock_);
	Bucket &bucket = bucket_of(bytes);
	for (auto it = bucket.begin(); it != bucket.end();) {
		if (it->buffer->bytes() < bytes) {
			++it;
			continue;
		}
		if (!wait(*it, may_wait))
			return std::nullopt;
		ChurnBo bo = std::move(*it);
		it = bucket.erase(it);
		if (revive(bo))
			return bo;
	}
	return std::nullopt;
}

/** True when no GPU job uses @bo any more. */
bool BoLadder::wait(ChurnBo &bo, bool may_wait)
{
	if (!bo.busy)
		return true;
	Status status = bo.buffer->wait_idle(may_wait ? now_ns() + limits_.wait_ns : 0);
	bo.busy = !status;
	if (status)
		return true;
	if (status.error().code == EBUSY)
		counts_.found_busy++;
	else if (status.error().code == ETIMEDOUT)
		counts_.wait_timeouts++;
	else
		counts_.wait_errors++;
	return false;
}

bool BoLadder::idle(ChurnBo &bo)
{
	return wait(bo, false);
}

bool BoLadder::revive(ChurnBo &bo)
{
	auto kept = bo.buffer->advise(true);
	if (!kept)
		counts_.advise_errors++;
	else if (*kept)
		counts_.retained++;
	else
		counts_.purged++;
	return kept && *kept;
}

void BoLadder::give_back(ChurnBo bo)
{
	if (!policy_.caches()) {
		counts_.freed_busy += !wait(bo, false);
		return;
	}
	if (!bo.buffer->advise(false)) {
		counts_.advise_errors++;
		return;
	}
	std::scoped_lock guard(lock_);
	bo.cached_ns = now_ns();
	int64_t now = bo.cached_ns;
	Bucket &bucket = bucket_of(bo.buffer->bytes());
	bucket.push_back(std::move(bo));
	evict_stale(now);
}

/*
 * Busy ones stay: the memory of those comes back only when their job has ended, and then they can be taken. Mesa frees
 * them as well, and has nothing left to wait for.
 */
void BoLadder::evict()
{
	std::scoped_lock guard(lock_);
	for (Bucket &bucket : buckets_)
		counts_.evicted += bucket.remove_if([this](ChurnBo &bo) { return wait(bo, false); });
}

void BoLadder::evict_stale(int64_t now)
{
	for (Bucket &bucket : buckets_)
		counts_.stale +=
			bucket.remove_if([&](const ChurnBo &bo) { return now - bo.cached_ns > limits_.stale_ns; });
}

BoLadder::Bucket &BoLadder::bucket_of(uint64_t bytes)
{
	auto index = static_cast<unsigned>(std::bit_width(bytes)) - 1;
	return buckets_[std::clamp(index, kMinBucket, kMaxBucket) - kMinBucket];
}

} // namespace drmsqueeze
