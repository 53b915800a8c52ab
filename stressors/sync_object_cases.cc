/* SPDX-License-Identifier: MIT */
/* Cases of sync-file that need a second driver: one with syncobjs, or one whose jobs wait for fences. */
#include <cerrno>

#include "agent/clock.h"
#include "stressors/patience.h"
#include "stressors/sync_cases.h"

namespace drmsqueeze
{

namespace
{

using Fence = SyncBench::Fence;

constexpr uint64_t kGpuValue = 0x6368616978793132;
constexpr uint64_t kGpuBytes = 4096;

/** A job of panfrost that writes kGpuValue to the start of a buffer. */
class GpuJob
{
public:
	/** Hands it to the driver at once; it waits for what the reservation of @buffer holds. */
	GpuJob(SyncBench &bench, Context &gpu, Buffer &buffer)
	{
		auto slot = bench.stopped() ? std::nullopt : bench.take(gpu.create_slot(1));
		if (!slot)
			return;
		slot_ = std::move(*slot);
		GpuWrite write{buffer.address(), kGpuValue};
		slot_->describe({&write, 1});
		if (int error = slot_->submit(buffer)) {
			bench.require(Error{error, "submit"});
			return;
		}
		submitted_ = true;
		if (auto fd = bench.take(patiently<UniqueFd>([this] { return slot_->export_fence(); })))
			fence_ = SyncFile(std::move(*fd));
	}

	bool submitted() const { return submitted_; }
	const SyncFile &fence() const { return fence_; }

private:
	std::unique_ptr<JobSlot> slot_;
	SyncFile fence_;
	bool submitted_ = false;
};

/* A job that does not wait is through within this; the model needs some hundred microseconds. */
constexpr int64_t kHeadStart = 30 * kNsPerMs;

/** The job waited for the fence: it is pending until the signal comes, and its own signal is the later one. */
void expect_in_order(SyncBench &b, const GpuJob &job, const SyncFile &before, const std::function<void()> &signal)
{
	if (b.stopped())
		return;
	if (b.mutated()) {
		signal();
		b.wait(job.fence());
	}
	static_cast<void>(job.fence().wait(now_ns() + kHeadStart));
	b.expect_status(job.fence(), 0, "a job did not wait for the fence before it");
	if (!b.mutated())
		signal();
	b.wait(job.fence());
	b.expect_status(job.fence(), 1, "a job that had waited failed");
	b.expect(b.signalled_at(before) <= b.signalled_at(job.fence()),
		 "a job signalled before the fence that it waits for");
}

} // namespace

/* drm_syncobj.c: a syncobj holds one fence; a sync file made from it keeps that fence. */
void try_syncobj(SyncBench &b)
{
	Fence one = b.fence();
	Fence two = b.fence();
	auto syncobj = b.take(Syncobj::create(b.devices().syncobj_fd));
	if (!syncobj || b.stopped())
		return;
	b.require(syncobj->import_sync_file(b.file(one)));
	auto first = b.take(syncobj->export_sync_file());
	if (!b.mutated())
		b.require(syncobj->import_sync_file(b.file(two)));
	auto second = b.take(syncobj->export_sync_file());
	if (!first || !second)
		return;
	b.signal(one);
	b.expect_status(*first, 1, "a sync file follows its syncobj");
	b.expect_status(*second, 0, "a syncobj kept the fence before");
	b.signal(two);
	b.expect_status(*second, 1, "a signal is lost on its way through a syncobj");
}

/* drm_syncobj.c: a point has signalled when it and all points before it have. */
void try_syncobj_timeline(SyncBench &b)
{
	Fence one = b.fence();
	Fence two = b.fence();
	int device = b.devices().timeline_fd;
	auto binary = b.take(Syncobj::create(device));
	auto timeline = b.take(Syncobj::create(device));
	if (!binary || !timeline || b.stopped())
		return;
	b.require(binary->import_sync_file(b.file(b.mutated() ? two : one)));
	b.require(timeline->transfer(1, *binary, 0));
	b.require(binary->import_sync_file(b.file(b.mutated() ? one : two)));
	b.require(timeline->transfer(2, *binary, 0));
	auto reached = [&b, &timeline](uint64_t point) {
		int error = b.stopped() ? ETIME : timeline->wait_point(point, 0, now_ns());
		if (error && error != ETIME)
			b.require(Error{error, "SYNCOBJ_TIMELINE_WAIT"});
		return error == 0;
	};
	b.expect(!reached(1), "a point signals before its fence");
	b.signal(one);
	b.expect(reached(1), "a point does not signal with its fence");
	b.expect(!reached(2), "a point signals with the one before it");
	auto point = b.take(timeline->query());
	b.expect(point == 1U, "the timeline does not stand where its fences do");
	b.signal(two);
	b.expect(reached(2), "the last point does not signal");
	b.require(binary->transfer(0, *timeline, 2));
	if (auto file = b.take(binary->export_sync_file()))
		b.expect_status(*file, 1, "a point's signal is lost on its way to a sync file");
}

void try_syncobj_error(SyncBench &b)
{
	Fence failing = b.fence();
	auto syncobj = b.take(Syncobj::create(b.devices().syncobj_fd));
	if (!syncobj || b.stopped())
		return;
	b.require(syncobj->import_sync_file(b.file(failing)));
	if (b.mutated())
		b.signal(failing);
	else
		b.abandon(failing);
	if (auto file = b.take(syncobj->export_sync_file()))
		b.expect_status(*file, -ENOENT, "a syncobj loses a fence's error");
}

/*
 * Two buffers, joined by sync files: the fence of vgem's writer goes into the reservation of a BO of panfrost, whose
 * job therefore waits; the job's fence goes back into the reservation of vgem's buffer.
 */
void try_implicit_chain(SyncBench &b)
{
	Context &gpu = *b.devices().find("panfrost")->context();
	Fence writer = b.attach(Access::write);
	SyncFile written = b.snapshot(Access::read);
	auto bo = b.take(gpu.create_buffer(kGpuBytes));
	if (!bo || b.stopped())
		return;
	auto fd = b.take((*bo)->export_dmabuf());
	if (!fd)
		return;
	DmaBuf target(std::move(*fd));
	b.require(target.import_sync_file(written, Access::write));
	GpuJob job(b, gpu, **bo);
	if (b.stopped())
		return;
	b.require(b.buffer().import_sync_file(job.fence(), Access::read));
	if (!b.stopped())
		b.adopt(&job.fence(), Access::read, writer);
	b.expect_pending(b.snapshot(Access::write), 2, "a job's fence is lost in another driver's buffer");
	expect_in_order(b, job, written, [&] { b.signal(writer); });
	b.expect_status(b.snapshot(Access::write), 1, "a buffer stays busy behind the last fence of a chain");
	if (auto value = b.stopped() ? std::nullopt : b.take((*bo)->read64(0)))
		b.expect(*value == kGpuValue, "a job that waited wrote nothing");
}

/* One buffer in two drivers: both see one reservation. */
void try_shared_chain(SyncBench &b)
{
	Context &gpu = *b.devices().find("panfrost")->context();
	Fence writer = b.attach(Access::write);
	SyncFile written = b.snapshot(Access::read);
	if (b.stopped())
		return;
	auto bo = b.take(gpu.import_dmabuf(b.buffer().fd(), kGpuBytes));
	if (!bo)
		return;
	GpuJob job(b, gpu, **bo);
	if (job.submitted()) /* panfrost_attach_object_fences(): always as a writer */
		b.adopt(job.fence().fd() < 0 ? nullptr : &job.fence(), Access::write, writer);
	b.expect_pending(b.snapshot(Access::read), 2, "the exporter misses the importer's fence");
	expect_in_order(b, job, written, [&] { b.signal(writer); });
	if (auto value = b.stopped() ? std::nullopt : b.take(b.bo()->read64(0)))
		b.expect(*value == kGpuValue, "the exporter does not see what the importer wrote");
}

} // namespace drmsqueeze
