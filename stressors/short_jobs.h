/* SPDX-License-Identifier: MIT */
/* A client that asks nothing of anybody: small buffers, and short jobs that write to them. */
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "stressors/drivers/driver.h"

namespace drmsqueeze
{

/** Its buffer is its own: a buffer knows its last job, and that of one thread only. */
struct ShortJob {
	std::unique_ptr<Buffer> buffer;
	std::unique_ptr<JobSlot> slot;

	static Result<ShortJob> create(Context &context, uint32_t group);
	/** Anew for each job. */
	void describe() const;
};

class ShortJobs
{
public:
	/** An open file of its own, with as many groups. */
	static Result<ShortJobs> create(const Driver &driver, uint32_t groups);

	/** One job of @group, each of which belongs to one thread; waits for it as long as @patience_ns: 0 or errno. */
	int run(uint32_t group, int64_t patience_ns) const;

private:
	std::unique_ptr<Context> context_;
	std::vector<ShortJob> groups_;
};

/** What jobs have come to, of several threads. */
struct JobTally {
	std::atomic<uint64_t> jobs;
	std::atomic<uint64_t> errors;
	std::atomic<int> error; /* the last */
	std::atomic<int64_t> longest_ns;

	void add(int error_of_job, int64_t took_ns);
};

} // namespace drmsqueeze
