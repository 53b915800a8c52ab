/* SPDX-License-Identifier: MIT */
/* Cases of sync-file about merging and about errors. */
#include <algorithm>
#include <cerrno>

#include "agent/clock.h"
#include "stressors/sync_cases.h"

namespace drmsqueeze
{

using Fence = SyncBench::Fence;

/* sync_file.h: "Creates a new fence containing copies of the sync_pts in both". */
void try_merge(SyncBench &b)
{
	Fence one = b.fence();
	Fence two = b.fence();
	Fence three = b.fence();
	SyncFile merged = b.merge(b.merge(b.file(one), b.file(two)), b.file(b.mutated() ? two : three));
	b.expect_pending(merged, 3, "a merged file misses a fence");
	b.signal(one);
	b.signal(three);
	b.expect_status(merged, 0, "a merged file signals before all fences");
	b.expect_pending(merged, 1, "a merged file does not tell what is pending");
	b.signal(two);
	b.wait(merged);
	b.expect_status(merged, 1, "a merged file does not signal");
}

/* __dma_fence_unwrap_merge(): "Only keep the most recent fence for each context". */
void try_merge_timeline(SyncBench &b)
{
	Fence first = b.fence();
	Fence second = b.fence_after(first);
	SyncFile merged = b.merge(b.file(first), b.file(b.mutated() ? first : second));
	b.expect_pending(merged, 1, "more than the latest fence of a timeline");
	b.signal(first);
	b.expect_status(merged, 0, "not the latest fence of a timeline");
	b.signal(second);
	b.expect_status(merged, 1, "a merged file does not signal");
}

/* What has signalled is left out, and the time of the last signal is kept. */
void try_merge_signalled(SyncBench &b)
{
	Fence one = b.fence();
	Fence two = b.fence();
	b.signal(one);
	SyncFile half = b.merge(b.file(one), b.file(two));
	b.expect_pending(half, 1, "a signalled fence makes another be lost");
	b.signal(two);
	SyncFile whole = b.merge(b.file(one), b.file(b.mutated() ? b.fence() : two));
	b.expect_status(whole, 1, "two signalled files merged are pending");
	b.expect(b.signalled_at(whole) == b.signalled_at(b.file(two)), "the time of the last signal is lost");
}

/* dma-fence.c: an error is set before the signal, and is the fence's status from then on. */
void try_error(SyncBench &b)
{
	Fence failing = b.fence();
	Fence other = b.fence();
	b.import(failing, Access::write);
	SyncFile taken = b.snapshot(Access::read);
	SyncFile merged = b.merge(b.file(failing), b.file(other));
	if (b.mutated())
		b.signal(failing);
	else
		b.abandon(failing);
	b.expect_status(b.file(failing), -ENOENT, "the error of a fence is lost");
	b.expect_status(taken, -ENOENT, "a snapshot loses a fence's error");
	b.signal(other);
	auto fences = b.fences_of(merged);
	b.expect(
		std::any_of(fences.begin(), fences.end(), [](const FenceInfo &info) { return info.status == -ENOENT; }),
		"a merged file loses a fence's error");
	b.look_for_hidden_error(merged);
}

/* With somebody waiting the merged fence itself takes the error: dma_fence_array_cb_func(). */
void try_error_waited(SyncBench &b)
{
	Fence failing = b.fence();
	Fence other = b.fence();
	SyncFile merged = b.merge(b.file(failing), b.file(other));
	if (!b.stopped())
		static_cast<void>(merged.wait(now_ns())); /* enables signalling, which stays on */
	if (b.mutated())
		b.signal(failing);
	else
		b.abandon(failing);
	b.signal(other);
	b.wait(merged);
	b.expect_status(merged, -ENOENT, "a merged file's status loses the error");
}

} // namespace drmsqueeze
