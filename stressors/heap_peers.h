/* SPDX-License-Identifier: MIT */
/*
 * Who of all submitting threads of a stressor has heaps, and who waits for another's heap to be freed. A client that
 * is killed with a heap counts as one that may free it still: who waits for that one waits as long as it would.
 */
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "agent/ring_layout.h"

namespace drmsqueeze
{

/** In shared memory, atomics only. Lives as long as the run. */
struct HeapPeers {
	std::atomic<uint64_t> freed;    /* heaps, ever */
	std::atomic<uint32_t> heaps;    /* that there are */
	std::atomic<uint32_t> may_free; /* threads that have heaps and do not wait */
	std::atomic<uint64_t> yielded;  /* `freed` + 1 when a thread last yielded to end a circle */
};

/** One thread among them. */
class HeapPeer
{
public:
	explicit HeapPeer(HeapPeers *peers) : peers_(peers) {}

	void made();
	void freed();
	/** What others free from here on is worth another try. */
	void look() { seen_ = freed_by_others(); }

	/**
	 * Until another thread has freed a heap since look() (Remedy::applied), at most until CLOCK_MONOTONIC @until_ns
	 * (ran_out) or @over (too_late). Ends at once where nobody could free one: no other has any (nothing), or all
	 * who have any wait as well (circle): then one of them, which has some, is told so, and the others wait on for
	 * what it frees.
	 */
	Remedy wait(int64_t until_ns, const std::function<bool()> &over);

private:
	uint64_t freed_by_others() const { return peers_->freed.load() - freed_; }
	/** Nothing while somebody may free a heap, or another than this thread is to yield. */
	Remedy hopeless();

	HeapPeers *peers_;
	uint32_t held_ = 0;
	uint64_t freed_ = 0;
	uint64_t seen_ = 0;
	uint64_t yielded_ = 0; /* as HeapPeers::yielded, when it was this thread */
};

} // namespace drmsqueeze
