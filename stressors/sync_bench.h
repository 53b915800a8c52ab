/* SPDX-License-Identifier: MIT */
/*
 * The bench on which sync-file tries out one rule of dma-bufs and sync files: a buffer that is new for each case,
 * fences that user space signals, and a model of which of them the buffer's reservation must hold. The first thing that
 * goes wrong is kept, and from then on every call does nothing, so that a case is a straight line without error
 * handling.
 */
#pragma once

#include <cerrno>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/result.h"
#include "stressors/drm/dma_buf.h"
#include "stressors/drm/sw_sync.h"
#include "stressors/drm/vgem_fence.h"
#include "stressors/sync_devices.h"

namespace drmsqueeze
{

class SyncBench
{
public:
	/** A fence by its number on this bench. */
	using Fence = size_t;

	/** @may_wait turns false when nobody waits any more. With @mutated each case takes one step wrongly. */
	SyncBench(const SyncDevices &devices, const Exporter &exporter, bool mutated, std::function<bool()> may_wait);

	const SyncDevices &devices() const { return devices_; }
	const Exporter &exporter() const { return exporter_; }
	const DmaBuf &buffer() const { return exported_.dmabuf; }
	/** Of the driver that exported it; null after an error. */
	Buffer *bo() const { return exported_.bo.get(); }
	bool mutated() const { return mutated_; }
	bool stopped() const { return problem_.has_value(); }

	/** A fence of sw_sync that is the first on a timeline of its own. */
	Fence fence();
	/** A fence behind @other on the same timeline. */
	Fence fence_after(Fence other);
	/** A fence that vgem attaches to the buffer, whose exporter it is. */
	Fence attach(Access access);
	/**
	 * What a job has put into the reservation; it signals once @after has. Null where the file of its fence could
	 * not be had: then nothing can be said of the reservation at the end.
	 */
	void adopt(const SyncFile *file, Access access, Fence after);
	const SyncFile &file(Fence fence) const { return fences_[fence].file; }
	/** Those of one timeline in their order. */
	void signal(Fence fence);
	/** Ends its timeline, and so signals it with ENOENT. */
	void abandon(Fence fence);

	/** The fence becomes one of a reader or writer of the buffer. */
	void import(Fence fence, Access access) { import(file(fence), {fence}, access); }
	/** The same for a file that carries several. */
	void import(const SyncFile &file, std::initializer_list<Fence> fences, Access access);
	/** DMA_BUF_IOCTL_EXPORT_SYNC_FILE. */
	SyncFile snapshot(Access access);
	SyncFile merge(const SyncFile &one, const SyncFile &other);
	std::vector<FenceInfo> fences_of(const SyncFile &file);
	/** CLOCK_MONOTONIC of the signal of its first fence; 0 before, -1 after an error. */
	int64_t signalled_at(const SyncFile &file);

	/** Until signalled, or until nobody waits any more. */
	void wait(const SyncFile &file);

	/** @rule is what a report says when it is broken: few words. */
	void expect(bool kept, const char *rule);
	/** @file waits for so many fences. */
	void expect_pending(const SyncFile &file, size_t pending, const char *rule);
	/** 1, 0, or a negative errno. */
	void expect_status(const SyncFile &file, int status, const char *rule);
	/**
	 * Counts it when @file, one of whose fences carries an error, says that all is well: docs/stressors.md.
	 */
	void look_for_hidden_error(const SyncFile &file);
	bool hidden_error() const { return hidden_error_; }
	/** @what must have been refused with @code; ENOMEM is no answer, and an error. */
	template <typename T>
	void expect_refusal(const T &what, int code, const char *rule)
	{
		bool refused = !what;
		if (refused && code != ENOMEM && what.error().code == ENOMEM)
			require(what.error());
		expect(refused && what.error().code == code, rule);
	}

	/** An error of the kernel that the case cannot do without; it ends the case. */
	void require(const Status &status);
	template <typename T>
	std::optional<T> take(Result<T> result)
	{
		if (result)
			return std::move(*result);
		require(result.error());
		return std::nullopt;
	}

	/** How a case ended. */
	struct Verdict {
		enum { kept, violated, failed } what = kept;
		int error = 0;           /* of failed: a positive errno */
		std::string reason = {}; /* the rule, or what the kernel did not do */
		bool unverified = false; /* after an error the reservation could not be looked at */
	};

	/**
	 * At the end, whatever happened: the reservation must hold just what was put into it and has not signalled;
	 * after an error too, for an error leaves it as it was.
	 */
	Verdict finish();

private:
	struct Entry {
		std::shared_ptr<SwSyncTimeline> timeline; /* null: of vgem, or a job's */
		std::optional<VgemFence> vgem;
		SyncFile file;
		uint32_t value = 0;
		size_t on = 0;    /* the first fence of its timeline */
		size_t after = 0; /* of a job: what it waits for */
		bool pending = true;
		Access access = Access::none; /* in the reservation */
	};

	/** How many fences an export for @access must wait for. */
	size_t modelled(Access access) const;
	/** What an export for @access waits for; asked again as long as memory lacks. */
	Result<size_t> found(Access access) const;
	/** Jobs whose fence to wait for has signalled will end by themselves: then they are pending no more. */
	void await_jobs();
	void violated(const char *rule);

	const SyncDevices &devices_;
	const Exporter &exporter_;
	bool mutated_;
	std::function<bool()> may_wait_;
	Exporter::Exported exported_;
	std::deque<Entry> fences_; /* the first is an empty one: what calls return after an error */
	std::optional<Verdict> problem_;
	bool verifiable_ = true;
	bool hidden_error_ = false;
};

} // namespace drmsqueeze
