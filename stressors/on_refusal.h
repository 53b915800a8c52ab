/* SPDX-License-Identifier: MIT */
/*
 * What a client does about a job that was refused memory: the growth of its heap, or its submit. After kbase, whose JIT
 * allocator lets an allocation that fails wait for others of its context to be freed if such frees are to come, and
 * fails it at once if none are (kbase_jit_allocate_process() in mali_kbase_softjobs.c).
 */
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "stressors/heap_peers.h"
#include "stressors/idle_cache.h"
#include "stressors/stressor.h"

namespace drmsqueeze
{

enum class OnRefusal { fail, retry, wait_for_peer, evict_cache, split_work };

struct RefusalOptions {
	OnRefusal policy = OnRefusal::fail;
	uint32_t tries = 3;       /* of one job after its first, at most */
	int64_t wait_ns = 0;      /* before time_scale */
	uint64_t cache_bytes = 0; /* of each context's IdleCache */

	/** Takes on_refusal, refusal_tries, refusal_wait_ms and cache_mib. Throws ScenarioError. */
	static RefusalOptions parse(JsonReader &reader);
};

/** Values of a job that have a heap for themselves. */
struct HeapPart {
	unsigned first;
	unsigned count;
};

/** In memory that all clients share. */
struct RefusalCounts {
	std::atomic<uint64_t> refused;                         /* attempts */
	std::atomic<uint64_t> repaired;                        /* jobs that completed after one */
	std::atomic<uint64_t> given_up;                        /* jobs that did not */
	std::array<std::atomic<uint64_t>, kRemedies> remedies; /* by how they came out */
	std::atomic<uint64_t> waited_ns;
	std::atomic<uint64_t> evicted_bytes;

	/** For `counts` of the stressor's report. */
	nlohmann::json report(OnRefusal policy) const;
};

struct RefusalShared {
	HeapPeers peers;
	RefusalCounts counts;
};

/** One for each submitting thread. Borrows everything. */
class RefusalPolicy
{
public:
	/** One job's share of it. */
	struct OfJob {
		uint32_t refusals = 0;
	};

	/** @shared nullptr: nothing is counted, and nothing repaired. @cache where the policy evicts. */
	RefusalPolicy(const RefusalOptions &options, const ClientSeat &seat, RefusalShared *shared, IdleCache *cache)
		: options_(options), seat_(seat), shared_(shared), cache_(cache),
		  peer_(shared ? &shared->peers : nullptr)
	{
	}

	/* In the course of a job. */
	void begins();
	void heap_made();
	void heap_freed();

	/**
	 * The job in @table_slot was refused memory, with @error; its heap has been given back. Does what the policy
	 * says, and whether the job is to be submitted again: then with the last of @parts, which the policy may
	 * change.
	 */
	bool again(uint32_t table_slot, OfJob &job, int error, std::vector<HeapPart> &parts);

	void ended(const OfJob &job, Fate fate);

private:
	Remedy remedy(const JobEntry &entry, const OfJob &job, std::vector<HeapPart> &parts);
	Remedy pause(int64_t until_ns, int64_t latest_ns) const;
	Remedy evict();
	int64_t scaled_wait_ns() const;
	bool over() const { return seat_.control.phase.load() != Phase::run; }

	const RefusalOptions &options_;
	const ClientSeat &seat_;
	RefusalShared *shared_;
	IdleCache *cache_;
	HeapPeer peer_;
};

} // namespace drmsqueeze
