/* SPDX-License-Identifier: MIT */
/* The ways in which user space waits for a fence, each behind the same three calls. */
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "agent/result.h"
#include "stressors/drm/dma_buf.h"
#include "stressors/drm/sync.h"
#include "stressors/sync_devices.h"

namespace drmsqueeze
{

/** What a wait is for: a fence that is not signalled, and a buffer that holds it as a writer's. */
struct WaitTarget {
	const SyncFile *fence;
	const SyncFile *other; /* a second fence, for waits that are for both */
	const DmaBuf *buffer;
};

class FenceWaiter
{
public:
	virtual ~FenceWaiter() = default;
	/** Made ready for one fence; before the fence may signal. */
	virtual Status prepare(const WaitTarget &target) = 0;
	/** Once it waits: gives it the fence, if it waits for that too. In another thread. */
	virtual Status submit(const WaitTarget & /*target*/) { return {}; }
	/** 0 when signalled, ETIME at CLOCK_MONOTONIC @until_ns, EINTR after a signal, or another errno. */
	virtual int wait(int64_t until_ns) = 0;
};

/** Until somebody signals: what CLOCK_MONOTONIC reaches in a hundred years, and no interface takes for an overflow. */
inline constexpr int64_t kForever = int64_t{3155760000} * 1000 * 1000 * 1000;

struct WaitKind {
	const char *name;
	/** ENODEV where the machine lacks what it needs. */
	Result<std::unique_ptr<FenceWaiter>> (*create)(const SyncDevices &devices);
	bool both = false; /* waits for the second fence as well */
	bool timed = true; /* can be given a time to return at */
};

std::span<const WaitKind> all_wait_kinds();

/** From signal to wake-up, in powers of two of a nanosecond. Lives in shared memory. */
class WakeHistogram
{
public:
	void add(int64_t ns);
	uint64_t count() const;
	/** No more than @share of all took longer than this; 0 when there are none. Within a factor of two. */
	int64_t quantile(double share) const;
	int64_t max() const { return max_.load(); }

private:
	static constexpr int kBuckets = 48;
	std::atomic<uint64_t> buckets_[kBuckets];
	std::atomic<int64_t> max_;
};

} // namespace drmsqueeze
