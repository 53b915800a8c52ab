/* SPDX-License-Identifier: MIT */
/* A job of msm as the sweep submits it: by the bare ioctl, in any form. */
#pragma once

#include <memory>
#include <span>
#include <vector>

#include <msm_drm.h>

#include "stressors/drivers/msm_bo.h"
#include "stressors/sweep/msm_bo.h"

namespace drmsqueeze
{

/** A job that writes to the buffer, with what tells whether it did. */
class OnMsmJob : public OnMsmBo
{
public:
	Status set_up() override;

protected:
	static constexpr uint64_t kPage = 4096;
	static constexpr uint32_t kStreamOffset = 64; /* in front of it: how many writes are done */

	/** The stream's words; MsmStream. */
	void describe(const std::vector<uint32_t> &words);
	/** GEM_SUBMIT: 0 or errno. @args has what is not the same for all jobs. */
	int submit(drm_msm_gem_submit &args, std::span<const drm_msm_gem_submit_reloc> relocs = {});
	int submit();
	/** WAIT_FENCE for the job submitted last: 0 or errno. */
	int wait_fence() const;
	/** It ends, and has done its write. */
	Status was_run() const;
	/** How many jobs of the queue have hung: 0 or errno. */
	int faults(uint32_t &count) const;

	uint32_t queue_ = 0; /* the file's own */
	std::unique_ptr<MsmBuffer> stream_;
	Mapping view_; /* of it */
	uint32_t bytes_ = 0;
	uint32_t seqno_ = 0;
};

} // namespace drmsqueeze
