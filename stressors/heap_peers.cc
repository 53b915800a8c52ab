/* SPDX-License-Identifier: MIT */
#include "stressors/heap_peers.h"

#include "agent/clock.h"

namespace drmsqueeze
{

void HeapPeer::made()
{
	peers_->heaps++;
	if (held_++ == 0)
		peers_->may_free++;
}

void HeapPeer::freed()
{
	if (--held_ == 0)
		peers_->may_free--;
	peers_->heaps--;
	freed_++;
	peers_->freed++; /* last: who sees it finds the rest */
}

/*
 * Looks again and again: a process that is killed leaves no lock and no sleeper behind, and a wake-up cannot be lost.
 */
Remedy HeapPeer::wait(int64_t until_ns, const std::function<bool()> &over)
{
	if (held_)
		peers_->may_free--;
	Remedy end = Remedy::ran_out;
	do {
		end = freed_by_others() != seen_ ? Remedy::applied : over() ? Remedy::too_late : hopeless();
		if (end == Remedy::ran_out)
			sleep_ns(kNsPerMs);
	} while (end == Remedy::ran_out && now_ns() < until_ns);
	if (held_)
		peers_->may_free++;
	return end;
}

Remedy HeapPeer::hopeless()
{
	const uint64_t freed = peers_->freed.load();
	if (peers_->may_free.load() || freed - freed_ != seen_)
		return Remedy::ran_out;
	if (peers_->heaps.load() == held_)
		return Remedy::nothing;
	/* Who yielded may come again before it has freed anything: then it is in the way still. */
	uint64_t yielded = peers_->yielded.load();
	const bool mine = yielded_ == freed + 1;
	if (!held_ || (yielded > freed && !mine))
		return Remedy::ran_out;
	if (!mine && !peers_->yielded.compare_exchange_strong(yielded, freed + 1))
		return Remedy::ran_out;
	yielded_ = freed + 1;
	return Remedy::circle;
}

} // namespace drmsqueeze
