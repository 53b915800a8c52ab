/* SPDX-License-Identifier: MIT */
/*
 * How a user-space driver gets its BOs: rungs that are tried one after the other. Modelled on Mesa's panfrost
 * (src/panfrost/lib/pan_bo.c), which keeps BOs that it no longer needs in a cache, marked purgeable, and asks the
 * kernel for new ones only when the cache has none that fits.
 */
#pragma once

#include <array>
#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>

#include "stressors/drivers/driver.h"

namespace drmsqueeze
{

enum class Rung : uint32_t {
	take,     /* a BO of the cache that fits, is idle, and has not been purged */
	allocate, /* a new one */
	evict,    /* free what is idle in the cache, then a new one */
	wait,     /* for a BO of the cache that fits and is busy */
};

inline constexpr size_t kRungs = 4;

struct LadderPolicy {
	std::string_view name;
	std::span<const Rung> rungs;

	bool has(Rung rung) const;
	/** Whether BOs that are given back are kept. */
	bool caches() const { return has(Rung::take); }
};

/** nullptr when there is none of this name. */
const LadderPolicy *find_ladder_policy(std::string_view name);

/** A BO, and what it should hold. */
struct ChurnBo {
	std::unique_ptr<Buffer> buffer;
	std::unique_ptr<JobSlot> gpu = nullptr; /* of the GPU job that last wrote to it */
	uint64_t job = 0;                       /* whose values it holds; 0: nobody's, or they are gone */
	bool gpu_wrote = false;                 /* `job` wrote values by the GPU as well */
	bool busy = false;                      /* a GPU job may use it still */
	int64_t cached_ns = 0;
};

/** In memory that all clients share. */
struct LadderCounts {
	struct OfRung {
		std::atomic<uint64_t> tried;
		std::atomic<uint64_t> served;
		std::atomic<uint64_t> ns;
	};
	std::array<OfRung, kRungs> rungs;
	std::atomic<uint64_t> requests;
	std::atomic<uint64_t> failed;        /* requests that no rung served */
	std::atomic<uint64_t> retained;      /* WILLNEED: contents still there */
	std::atomic<uint64_t> purged;        /* WILLNEED: contents gone */
	std::atomic<uint64_t> found_busy;    /* WAIT_BO without a timeout: EBUSY */
	std::atomic<uint64_t> wait_timeouts; /* WAIT_BO with one: ETIMEDOUT */
	std::atomic<uint64_t> wait_errors;
	std::atomic<uint64_t> advise_errors;
	std::atomic<uint64_t> evicted; /* by the rung `evict` */
	std::atomic<uint64_t> stale;   /* too long in the cache */
	std::atomic<uint64_t> freed_busy;

	/** Members `counts` and `tables` of a stressor's report. */
	nlohmann::json report(const LadderPolicy &policy) const;
};

/** The cache of one context, shared by its threads under one lock, which is held while a thread waits: as in Mesa. */
class BoLadder
{
public:
	struct Limits {
		int64_t wait_ns;  /* how long the rung `wait` waits for one BO */
		int64_t stale_ns; /* a BO that was not asked for in this time is freed; seen when another is cached */
	};

	/** Borrows everything. */
	BoLadder(Context &context, const LadderPolicy &policy, Limits limits, LadderCounts &counts)
		: context_(context), policy_(policy), limits_(limits), counts_(counts)
	{
	}

	/** At least @bytes; where every rung fails, the error of the last allocation. */
	Result<ChurnBo> request(uint64_t bytes);

	/** Not needed any more: into the cache, or freed where the policy has none. */
	void give_back(ChurnBo bo);

	/** Says that @bo is needed again; false when its contents are gone, or cannot be known to be there. */
	bool revive(ChurnBo &bo);

	/** Whether no GPU job uses @bo any more, without waiting. */
	bool idle(ChurnBo &bo);

private:
	/* Mesa's: from 4 KiB to 4 MiB, and all that is larger in the last one. */
	static constexpr unsigned kMinBucket = 12;
	static constexpr unsigned kMaxBucket = 22;
	using Bucket = std::list<ChurnBo>; /* the one cached longest ago first */

	std::optional<ChurnBo> climb(Rung rung, uint64_t bytes, Error &last);
	std::optional<ChurnBo> allocate(uint64_t bytes, Error &last);
	std::optional<ChurnBo> from_cache(uint64_t bytes, bool may_wait);
	void evict();
	void evict_stale(int64_t now);
	bool wait(ChurnBo &bo, bool may_wait);
	Bucket &bucket_of(uint64_t bytes);

	Context &context_;
	const LadderPolicy &policy_;
	Limits limits_;
	LadderCounts &counts_;
	std::mutex lock_;
	std::array<Bucket, kMaxBucket - kMinBucket + 1> buckets_; /* protected by lock_ */
};

} // namespace drmsqueeze
