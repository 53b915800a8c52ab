/* SPDX-License-Identifier: MIT */
#include "agent/job_table.h"

#include <algorithm>
#include <cerrno>
#include <new>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

/* Messages remembered; a message's place is its sequence number modulo this. */
constexpr uint32_t kClaims = 256;

/* The judge knows this sentence: results/drmsqueeze_results/fates.py. */
constexpr std::string_view kLostWakeup = "its fence has signalled, and who waits for it was not woken";
static_assert(kLostWakeup.size() < sizeof(Record::text), "it would be cut");

} // namespace

Result<JobTable> JobTable::create(uint32_t slots, Control *control, Recorder recorder)
{
	void *entries = shared_memory(slots * sizeof(JobEntry));
	void *claims = shared_memory(kClaims * sizeof(std::atomic<uint64_t>));
	if (!entries || !claims)
		return Error{ENOMEM, "no shared memory for the job table"};
	return JobTable(new (entries) JobEntry[slots](), new (claims) std::atomic<uint64_t>[kClaims](), slots, control,
			recorder);
}

uint64_t JobTable::begin(uint32_t slot, const JobIntent &intent)
{
	JobEntry &entry = entries_[slot];
	entry.client = intent.client;
	entry.queue = intent.queue;
	entry.job = control_->next_job.fetch_add(1) + 1;
	entry.intent_ns = now_ns();
	entry.deadline_ns = entry.intent_ns + intent.deadline_ns;
	entry.order.store(0);
	entry.seen_signalled.store(false);
	recorder_.put({.kind = Kind::intent,
		       .client = intent.client,
		       .job = entry.job,
		       .a = intent.context,
		       .b = intent.thread,
		       .c = static_cast<int64_t>(intent.bytes),
		       .text = intent.stressor,
		       .t_ns = entry.intent_ns});
	entry.state.store(JobEntry::in_flight, std::memory_order_release);
	return entry.job;
}

void JobTable::submitted(uint32_t slot, int64_t ioctl_ns)
{
	JobEntry &entry = entries_[slot];
	entry.order.store(control_->submits.fetch_add(1) + 1);
	recorder_.put({.kind = Kind::submit, .client = entry.client, .job = entry.job, .a = ioctl_ns});
}

void JobTable::signalled(uint32_t slot)
{
	uint32_t expected = JobEntry::in_flight;
	entries_[slot].state.compare_exchange_strong(expected, JobEntry::signalled);
}

bool JobTable::refused(uint32_t slot, int error, uint32_t attempt)
{
	const JobEntry &entry = entries_[slot];
	recorder_.put({.kind = Kind::refused, .client = entry.client, .job = entry.job, .a = error, .b = attempt});
	return resumed(slot);
}

void JobTable::remedied(uint32_t slot, Remedy end, int64_t took_ns)
{
	const JobEntry &entry = entries_[slot];
	recorder_.put({.kind = Kind::remedied,
		       .code = static_cast<uint16_t>(end),
		       .client = entry.client,
		       .job = entry.job,
		       .a = took_ns});
}

bool JobTable::resumed(uint32_t slot)
{
	JobEntry &entry = entries_[slot];
	entry.order.store(0);
	entry.seen_signalled.store(false);
	uint32_t state = JobEntry::signalled;
	return entry.state.compare_exchange_strong(state, JobEntry::in_flight) || state == JobEntry::in_flight;
}

bool JobTable::end(uint32_t slot, const JobEnd &end)
{
	JobEntry &entry = entries_[slot];
	uint32_t client = entry.client;
	uint64_t job = entry.job;
	int64_t intent_ns = entry.intent_ns;
	int64_t deadline_ns = entry.deadline_ns;
	bool forgotten = end.fate == Fate::hung && entry.seen_signalled.load();
	if (entry.state.exchange(JobEntry::free, std::memory_order_acq_rel) == JobEntry::free)
		return false;
	int64_t seen_ns = end.seen_ns ? end.seen_ns : now_ns();
	bool late = seen_ns > deadline_ns;
	Release release = control_->release.load();
	bool released = release == Release::restored || release == Release::not_restored;
	Fate fate = late && end.fate == Fate::completed ? Fate::stalled : end.fate;
	recorder_.put({.kind = Kind::end,
		       .code = static_cast<uint16_t>(fate),
		       .client = client,
		       .job = job,
		       .a = end.error,
		       .b = seen_ns - intent_ns,
		       .c = end.flags | (late ? int64_t{kLate} : 0) | (released ? int64_t{kAfterRelease} : 0),
		       .text = forgotten ? kLostWakeup : end.reason});
	control_->jobs_ended.fetch_add(1);
	return true;
}

uint32_t JobTable::in_flight() const
{
	uint32_t count = 0;
	for (uint32_t slot = 0; slot < slots_; slot++)
		count += entries_[slot].state.load(std::memory_order_acquire) != JobEntry::free;
	return count;
}

std::optional<uint64_t> JobTable::first_past(JobEntry::State state, int64_t then_ns) const
{
	const JobEntry *first = nullptr;
	for (uint32_t slot = 0; slot < slots_; slot++) {
		const JobEntry &entry = entries_[slot];
		if (entry.state.load(std::memory_order_acquire) == state && entry.deadline_ns < then_ns &&
		    (!first || entry.deadline_ns < first->deadline_ns))
			first = &entry;
	}
	return first ? std::optional(first->job) : std::nullopt;
}

std::optional<uint64_t> JobTable::first_late(int64_t now) const
{
	return first_past(JobEntry::in_flight, now);
}

std::optional<uint64_t> JobTable::first_stuck(int64_t now, int64_t patience_ns) const
{
	return first_past(JobEntry::signalled, now - patience_ns);
}

uint32_t JobTable::end_all(uint32_t client, const JobEnd &how, std::initializer_list<JobEntry::State> states)
{
	uint32_t count = 0;
	for (uint32_t slot = 0; slot < slots_; slot++) {
		JobEntry::State now{entries_[slot].state.load(std::memory_order_acquire)};
		if ((client == kNoClient || entries_[slot].client == client) &&
		    std::find(states.begin(), states.end(), now) != states.end())
			count += end(slot, how);
	}
	return count;
}

bool JobTable::claim_timeout(uint32_t slot, uint64_t log_seq)
{
	const JobEntry &mine = entries_[slot];
	for (uint32_t other = 0; other < slots_; other++) {
		const JobEntry &entry = entries_[other];
		uint64_t order = entry.order.load();
		if (entry.client == mine.client && entry.queue == mine.queue && order != 0 &&
		    order < mine.order.load() && entry.state.load(std::memory_order_acquire) != JobEntry::free)
			return false;
	}
	uint64_t claim = log_seq + 1; /* 0 is nobody's */
	return claims_[log_seq % kClaims].exchange(claim) != claim;
}

} // namespace drmsqueeze
