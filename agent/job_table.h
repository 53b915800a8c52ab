/* SPDX-License-Identifier: MIT */
/*
 * The jobs in flight, in shared memory: clients enter them, the supervisor watches their deadlines, and whoever first
 * takes a job out of flight writes its one end record. Nothing here allocates after create().
 */
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "agent/control.h"
#include "agent/recorder.h"

namespace drmsqueeze
{

/** Written by the job's client only, before `state` says in_flight. */
struct JobEntry {
	enum State : uint32_t { free, in_flight, signalled };

	std::atomic<uint32_t> state;
	/* The submit's place among all submits; 0 when it was not submitted yet, or its fence carries no error. */
	std::atomic<uint64_t> order;
	/* Somebody else than the one who waits for it saw the job's fence signalled. */
	std::atomic<bool> seen_signalled;
	uint32_t client;
	uint32_t queue;
	uint64_t job;
	int64_t intent_ns;
	int64_t deadline_ns;
};

struct JobIntent {
	uint32_t client;
	uint32_t context;
	uint32_t thread;
	uint64_t bytes;
	std::string_view stressor;
	int64_t deadline_ns; /* from intent */
	uint32_t queue = 0;  /* of those of the client's that a driver's timeout hits one by one */
};

struct JobEnd {
	Fate fate;
	int error = 0; /* positive errno */
	int64_t flags = 0;
	std::string_view reason = {};
	int64_t seen_ns = 0; /* when the signal was seen; 0 = now */
};

class JobTable
{
public:
	/** A table of @slots in shared memory that is never freed; slots never move. */
	static Result<JobTable> create(uint32_t slots, Control *control, Recorder recorder);

	/* A client's calls, in this order, each slot by one thread. */
	uint64_t begin(uint32_t slot, const JobIntent &intent);
	void submitted(uint32_t slot, int64_t ioctl_ns);
	/** The fence is through: from here on the job cannot miss its deadline, only its verdict is missing. */
	void signalled(uint32_t slot);
	/**
	 * Attempt number @attempt of the job was refused memory, and something is done about it: its deadline stays,
	 * and it may be submitted again. False when somebody else has ended the job.
	 */
	bool refused(uint32_t slot, int error, uint32_t attempt);
	/** What was done has come out so, after @took_ns. */
	void remedied(uint32_t slot, Remedy end, int64_t took_ns);
	/** Another part of it follows, in a submit of its own. False when somebody else has ended the job. */
	bool resumed(uint32_t slot);
	/** The fence has signalled, says another thread than the slot's own: who still waits was forgotten. */
	void seen_signalled(uint32_t slot) { entries_[slot].seen_signalled.store(true); }
	/** The fence carries no error: no timeout can have been meant for this job. */
	void passed(uint32_t slot) { entries_[slot].order.store(0); }
	/**
	 * Writes the end record unless somebody else has ended the job. What of the end follows from the clock is
	 * decided here: a job that completed after its deadline has stalled.
	 */
	bool end(uint32_t slot, const JobEnd &end);

	const JobEntry &entry(uint32_t slot) const { return entries_[slot]; }
	uint32_t slots() const { return slots_; }
	uint32_t in_flight() const;

	/** The job longest past its deadline at @now_ns, without its fence. */
	std::optional<uint64_t> first_late(int64_t now_ns) const;

	/** A job whose fence is through and whose memory has not been read back @patience_ns after its deadline. */
	std::optional<uint64_t> first_stuck(int64_t now_ns, int64_t patience_ns) const;

	/** Ends every job of @client (kNoClient: of all) that is in one of @states; how many. */
	uint32_t end_all(uint32_t client, const JobEnd &end,
			 std::initializer_list<JobEntry::State> states = {JobEntry::in_flight, JobEntry::signalled});

	/**
	 * Whose job did a driver's timeout hit? The scheduler always takes the oldest of a queue's jobs, so of those
	 * that may carry an error the one submitted first claims the message, and the others of its queue that the
	 * reset cancelled are victims.
	 * @log_seq names the message; true for the one culprit.
	 */
	bool claim_timeout(uint32_t slot, uint64_t log_seq);

private:
	std::optional<uint64_t> first_past(JobEntry::State state, int64_t then_ns) const;

	JobTable(JobEntry *entries, std::atomic<uint64_t> *claims, uint32_t slots, Control *control, Recorder recorder)
		: entries_(entries), claims_(claims), slots_(slots), control_(control), recorder_(recorder)
	{
	}

	JobEntry *entries_;
	std::atomic<uint64_t> *claims_;
	uint32_t slots_;
	Control *control_;
	Recorder recorder_;
};

} // namespace drmsqueeze
