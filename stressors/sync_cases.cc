/* SPDX-License-Identifier: MIT */
#include "stressors/sync_cases.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

using Fence = SyncBench::Fence;

/* dma-buf.h: "it takes a snapshot of the current fences". */
void try_snapshot(SyncBench &b)
{
	Fence first = b.fence();
	Fence later = b.fence();
	b.import(first, Access::write);
	if (b.mutated())
		b.import(later, Access::write);
	SyncFile taken = b.snapshot(Access::read);
	if (!b.mutated())
		b.import(later, Access::write);
	b.expect_pending(taken, 1, "a later fence is in the snapshot");
	b.signal(first);
	b.expect_status(taken, 1, "a later fence holds the snapshot up");
}

void try_no_early_signal(SyncBench &b)
{
	Fence first = b.fence();
	Fence second = b.fence();
	b.import(first, Access::write);
	b.import(second, Access::write);
	SyncFile taken = b.snapshot(Access::write);
	b.signal(first);
	if (b.mutated())
		b.signal(second);
	b.expect_status(taken, 0, "signals before all of its fences have");
	b.expect_pending(taken, 1, "does not tell which fences are pending");
	if (!b.mutated())
		b.signal(second);
	b.wait(taken);
	b.expect_status(taken, 1, "all fences signalled, and it has not");
}

/* dma-buf.h: "All subsequent implicitly synchronized access to this dma-buf will wait on this fence". */
void try_write_import(SyncBench &b)
{
	Fence writer = b.fence();
	b.import(writer, b.mutated() ? Access::read : Access::write);
	b.expect_pending(b.snapshot(Access::write), 1, "a WRITE export misses a writer");
	b.expect_pending(b.snapshot(Access::read), 1, "a READ export misses a writer");
}

/* dma-buf.h: "writes to this dma-buf will wait on this fence but reads will not". */
void try_read_import(SyncBench &b)
{
	Fence reader = b.fence();
	b.import(reader, b.mutated() ? Access::write : Access::read);
	b.expect_pending(b.snapshot(Access::write), 1, "a WRITE export misses a reader");
	b.expect_pending(b.snapshot(Access::read), 0, "a READ export waits for a reader");
}

/* dma-buf.h: "If both ... are set, this is equivalent to just DMA_BUF_SYNC_WRITE". */
void try_both_flags(SyncBench &b)
{
	Fence reader = b.fence();
	Fence writer = b.fence();
	b.import(reader, b.mutated() ? Access::both : Access::read);
	b.import(writer, Access::both);
	b.expect_pending(b.snapshot(Access::both), 2, "READ|WRITE export is not WRITE export");
	b.expect_pending(b.snapshot(Access::read), 1, "READ|WRITE import is not WRITE import");
}

/* The list of a reservation begins with 4 places and doubles: dma_resv_reserve_fences(). */
void try_none_lost(SyncBench &b)
{
	constexpr size_t kFences = 12;
	std::array<Fence, kFences> fences{};
	for (size_t i = 0; i < kFences; i++) {
		fences[i] = b.fence();
		if (!b.mutated() || i != kFences / 2)
			b.import(fences[i], i % 2 ? Access::write : Access::read);
	}
	SyncFile all = b.snapshot(Access::write);
	b.expect_pending(all, kFences, "a fence is lost");
	b.expect_pending(b.snapshot(Access::read), kFences / 2, "a writer's fence is lost");
	for (size_t i = 0; i < kFences; i++) {
		b.expect_status(all, 0, "signals before all of its fences have");
		b.signal(fences[i]);
		b.expect_pending(b.snapshot(Access::write), kFences - 1 - i, "a pending fence is lost");
	}
	b.wait(all);
}

/* dma_buf_export_sync_file(): no fence gives one that has signalled. */
void try_idle(SyncBench &b)
{
	b.expect_status(b.snapshot(Access::read), 1, "an idle buffer makes readers wait");
	b.expect_status(b.snapshot(Access::write), 1, "an idle buffer makes writers wait");
	Fence fence = b.fence();
	b.import(fence, Access::write);
	if (!b.mutated())
		b.signal(fence);
	b.expect_status(b.snapshot(Access::write), 1, "a signalled fence makes writers wait");
}

void try_timestamps(SyncBench &b)
{
	Fence one = b.fence();
	Fence two = b.fence();
	int64_t begin = now_ns();
	b.signal(b.mutated() ? two : one);
	int64_t between = now_ns();
	b.signal(b.mutated() ? one : two);
	int64_t end = now_ns();
	int64_t first = b.signalled_at(b.file(one));
	int64_t second = b.signalled_at(b.file(two));
	b.expect(begin <= first && first <= between, "a time that is not that of the signal");
	b.expect(between <= second && second <= end, "times that are not in order");
}

/* dma_buf_import_sync_file() takes containers apart: each fence stands in the reservation by itself. */
void try_import_merged(SyncBench &b)
{
	Fence one = b.fence();
	Fence two = b.fence();
	SyncFile merged = b.merge(b.file(one), b.file(b.mutated() ? one : two));
	b.import(merged, {one, two}, Access::write);
	b.expect_pending(b.snapshot(Access::read), 2, "a fence of an imported merged file is lost");
	b.signal(one);
	b.expect_pending(b.snapshot(Access::read), 1, "a signalled fence of a merged file remains");
}

/* dma-buf.h and sync_file.c: what is refused, and that it changes nothing. */
void try_refusals(SyncBench &b)
{
	constexpr Access kUnknown{4};
	Fence fence = b.fence();
	Fence pending = b.fence();
	b.import(pending, Access::read);
	if (b.stopped())
		return;
	const DmaBuf &buffer = b.buffer();
	b.expect_refusal(buffer.import_sync_file(b.file(fence), b.mutated() ? Access::read : Access::none), EINVAL,
			 "an import with no flag is not EINVAL");
	b.expect_refusal(buffer.import_sync_file(b.file(fence), kUnknown), EINVAL,
			 "an import with a wrong flag is not EINVAL");
	b.expect_refusal(buffer.export_sync_file(Access::none), EINVAL, "an export with no flag is not EINVAL");
	SyncFile no_sync_file(UniqueFd(dup(buffer.fd())));
	b.expect_refusal(buffer.import_sync_file(no_sync_file, Access::write), EINVAL,
			 "an import of what is no sync file is not EINVAL");
	b.expect_refusal(b.file(fence).merge(no_sync_file), ENOENT, "a merge with what is no sync file is not ENOENT");
	b.expect(buffer.begin_access(Access::none) == EINVAL, "SYNC with no flag is not EINVAL");
}

/* dma-buf.h: waiting for an export is "equivalent to poll() with POLLIN" (READ) or POLLOUT (WRITE). */
void try_poll(SyncBench &b)
{
	Fence reader = b.fence();
	Fence writer = b.fence();
	b.import(reader, Access::read);
	auto ready = [&b](Access access) { return !b.stopped() && b.buffer().wait(access, now_ns()) == 0; };
	b.expect(ready(Access::read), "POLLIN waits for a reader");
	b.expect(!ready(Access::write), "POLLOUT misses a reader");
	b.import(writer, b.mutated() ? Access::read : Access::write);
	b.expect(!ready(Access::read), "POLLIN misses a writer");
	b.signal(writer);
	b.expect(ready(Access::read), "POLLIN with no writer left");
	b.expect(!ready(Access::write), "POLLOUT misses a reader behind a writer");
	b.signal(reader);
	b.expect(ready(Access::write), "POLLOUT with no fence left");
}

/* dma_buf_begin_cpu_access(): waits for writers to read, and for all to write. */
void try_cpu_access(SyncBench &b)
{
	Fence reader = b.fence();
	b.import(reader, Access::read);
	auto access = [&b](Access how) {
		if (b.stopped())
			return false;
		int error = b.buffer().begin_access(how);
		if (error == ENOMEM) /* udmabuf makes its list of pages here */
			b.require(Error{error, "DMA_BUF_IOCTL_SYNC"});
		return error == 0 && b.buffer().end_access(how) == 0;
	};
	b.expect(access(Access::read), "the CPU may not read beside a reader");
	b.signal(reader);
	b.expect(access(b.mutated() ? Access::none : Access::both), "the CPU may not write an idle buffer");
	if (!b.stopped())
		b.require(b.buffer().set_name("drmsqueeze"));
}

/* vgem_fence.c: "if a conflicting fence is already on the dma-buf ... -EBUSY is reported". */
void try_vgem_writer(SyncBench &b)
{
	Fence writer = b.attach(b.mutated() ? Access::read : Access::write);
	b.expect_pending(b.snapshot(Access::read), 1, "a READ export misses vgem's writer");
	if (b.stopped())
		return;
	for (bool write : {false, true})
		b.expect_refusal(VgemFence::attach(b.exporter().context()->fd(), b.bo()->handle(), write), EBUSY,
				 "a fence beside vgem's writer is not EBUSY");
	b.signal(writer);
	b.expect_status(b.snapshot(Access::write), 1, "vgem's signal is lost");
}

void try_vgem_reader(SyncBench &b)
{
	Fence one = b.attach(b.mutated() ? Access::write : Access::read);
	b.expect_pending(b.snapshot(Access::read), 0, "a READ export waits for vgem's reader");
	b.attach(Access::read);
	b.expect_pending(b.snapshot(Access::write), 2, "a WRITE export misses vgem's reader");
	if (b.stopped())
		return;
	b.expect_refusal(VgemFence::attach(b.exporter().context()->fd(), b.bo()->handle(), true), EBUSY,
			 "a writer beside vgem's reader is not EBUSY");
	b.signal(one);
	b.expect_pending(b.snapshot(Access::write), 1, "vgem's signal takes the other reader away");
}

constexpr SyncCase kCases[] = {
	{"snapshot", CaseNeeds::any, try_snapshot},
	{"no-early-signal", CaseNeeds::any, try_no_early_signal},
	{"write-import", CaseNeeds::any, try_write_import},
	{"read-import", CaseNeeds::any, try_read_import},
	{"both-flags", CaseNeeds::any, try_both_flags},
	{"none-lost", CaseNeeds::any, try_none_lost},
	{"merge", CaseNeeds::any, try_merge},
	{"merge-timeline", CaseNeeds::any, try_merge_timeline},
	{"merge-signalled", CaseNeeds::any, try_merge_signalled},
	{"error", CaseNeeds::any, try_error},
	{"error-waited", CaseNeeds::any, try_error_waited},
	{"idle", CaseNeeds::any, try_idle},
	{"timestamps", CaseNeeds::any, try_timestamps},
	{"import-merged", CaseNeeds::any, try_import_merged},
	{"refusals", CaseNeeds::any, try_refusals},
	{"poll", CaseNeeds::any, try_poll},
	{"cpu-access", CaseNeeds::any, try_cpu_access},
	{"vgem-writer", CaseNeeds::vgem, try_vgem_writer},
	{"vgem-reader", CaseNeeds::vgem, try_vgem_reader},
	{"syncobj", CaseNeeds::syncobj, try_syncobj},
	{"syncobj-timeline", CaseNeeds::timeline, try_syncobj_timeline},
	{"syncobj-error", CaseNeeds::syncobj, try_syncobj_error},
	{"implicit-chain", CaseNeeds::chain, try_implicit_chain},
	{"shared-chain", CaseNeeds::chain, try_shared_chain},
};

} // namespace

std::span<const SyncCase> all_sync_cases()
{
	return kCases;
}

const SyncCase *find_sync_case(std::string_view name)
{
	for (const SyncCase &sync_case : kCases)
		if (name == sync_case.name)
			return &sync_case;
	return nullptr;
}

const char *missing_for(const SyncCase &sync_case, const SyncDevices &devices, const Exporter &exporter)
{
	bool vgem = exporter.name() == "vgem";
	switch (sync_case.needs) {
	case CaseNeeds::any:
		return "";
	case CaseNeeds::vgem:
		return vgem ? "" : "a buffer of vgem";
	case CaseNeeds::syncobj:
		return devices.syncobj_fd >= 0 ? "" : "a device with syncobjs";
	case CaseNeeds::timeline:
		return devices.timeline_fd >= 0 ? "" : "a device with timelines of syncobjs";
	case CaseNeeds::chain:
		return !vgem ? "a buffer of vgem" : devices.find("panfrost") ? "" : "panfrost";
	}
	return "";
}

} // namespace drmsqueeze
