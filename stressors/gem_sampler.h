/* SPDX-License-Identifier: MIT */
/*
 * The memory of a client's GEM objects by state, over time: from its descriptor's fdinfo, and for one client of each
 * stressor from debugfs as well. In a thread of the client, because both take locks of the driver.
 */
#pragma once

#include <atomic>
#include <thread>

#include "agent/gem_formats.h"
#include "agent/recorder.h"
#include "agent/root.h"

namespace drmsqueeze
{

/** The most that was seen of each, in shared memory; KiB. */
struct GemPeaks {
	std::atomic<uint64_t> total_kib;
	std::atomic<uint64_t> active_kib;
	std::atomic<uint64_t> resident_kib;
	std::atomic<uint64_t> purgeable_kib;
	std::atomic<uint64_t> samples;
};

class GemSampler
{
public:
	/** @fd: an open DRM device of this process; @client: for the samples' names; @debugfs: those too. */
	GemSampler(const Root &root, int fd, uint32_t client, bool debugfs, const Recorder &recorder, GemPeaks &peaks);
	~GemSampler();
	GemSampler(const GemSampler &) = delete;
	GemSampler &operator=(const GemSampler &) = delete;

	/** Records what there is now. Names: gem_total_kib.CLIENT, ...; shrinkable_pages, ttm_pool_pages, ... */
	void sample();

	/** Every 100 ms from now until the end of its life. */
	void start();

private:
	void put(int64_t when, const std::string &name, uint64_t value) const;
	void put_state(int64_t when, const GemState &state, const std::string &suffix) const;
	void sample_debugfs(int64_t when) const;

	Root root_;
	std::string fdinfo_;
	uint32_t client_;
	Recorder recorder_;
	GemPeaks &peaks_;
	std::vector<std::string> counts_; /* shrinker/drm-NAME/count */
	std::vector<std::string> msm_;
	std::vector<std::string> i915_;
	std::vector<std::string> pool_;
	std::atomic<bool> over_ = false;
	std::thread thread_;
};

} // namespace drmsqueeze
