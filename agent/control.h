/* SPDX-License-Identifier: MIT */
/*
 * What the agent's processes tell each other: shared memory made before the first fork, atomics only, because a
 * process that was killed or sleeps in the kernel must not leave a lock behind.
 */
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "agent/result.h"

namespace drmsqueeze
{

enum class Phase : uint32_t {
	setup, /* clients get ready */
	run,   /* clients submit */
	stop,  /* no new jobs: all is being given back, or has been */
	over,  /* nobody waits for anything any more */
};

enum class Arming : uint32_t { wanted_not, wanted, armed, failed };

/* Release: asked for by the supervisor, carried out by the guardian. */
enum class Release : uint32_t { not_wanted, wanted, restored, not_restored };

enum class ProbeState : uint32_t { idle, wanted, ok, failed };

struct Control {
	std::atomic<Phase> phase;
	std::atomic<Arming> arming;
	std::atomic<Release> release;
	std::atomic<ProbeState> probe;
	std::atomic<uint32_t> evidence_wanted;
	std::atomic<uint32_t> evidence_done;
	std::atomic<uint32_t> last_look_wanted; /* of those who look every so often: the run is through */
	std::atomic<uint32_t> last_looks;       /* how many of them have had it */
	std::atomic<uint32_t> finished;         /* the supervisor has nothing left to do */
	std::atomic<bool> stuck; /* a job hung, or a client cannot be killed: what they hold stays with them */

	/* The scenario's phases, which the guardian goes through while clients run. */
	std::atomic<bool> resting;
	std::atomic<bool> phases_over;

	std::atomic<uint64_t> next_job;
	std::atomic<uint64_t> submits;
	std::atomic<uint64_t> jobs_ended;
	std::atomic<uint64_t> next_file;
	std::atomic<uint32_t> clients_ready;

	std::atomic<int64_t> log_offset_ns; /* CLOCK_MONOTONIC minus the kernel log's clock */

	/* The first error of any process; the run's bye. */
	std::atomic<uint32_t> error_code;
	char error_reason[240];

	/** Keeps the first error only. */
	void fail(int code, std::string_view reason);
	void fail(const Error &error) { fail(error.code, error.reason); }
	bool failed() const { return error_code.load() != 0; }
};

static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<Phase>::is_always_lock_free);

/** What shared_memory() has made in this process and its ancestors: files of shmem, and their pages. */
struct SharedMemoryMade {
	int64_t count = 0;
	int64_t pages = 0;
};
const SharedMemoryMade &shared_memory_made();

/** Zeroed memory shared with every later child, faulted in at once; nullptr when there is none. */
void *shared_memory(uint64_t bytes);

/** Never freed: it serves until the last process ends. */
Control *make_control();

} // namespace drmsqueeze
