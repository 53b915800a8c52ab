/* SPDX-License-Identifier: MIT */
/* A client that asks nothing of anybody: a small buffer, and short jobs that write to it. */
#pragma once

#include <memory>
#include <vector>

#include "stressors/drivers/driver.h"

namespace drmsqueeze
{

class ShortJobs
{
public:
	/** An open file of its own, with as many groups. */
	static Result<ShortJobs> create(const Driver &driver, uint32_t groups);

	/** One job of @group, each of which belongs to one thread; waits for it as long as @patience_ns: 0 or errno. */
	int run(uint32_t group, int64_t patience_ns) const;

private:
	std::unique_ptr<Context> context_;
	std::unique_ptr<Buffer> buffer_;
	std::vector<std::unique_ptr<JobSlot>> slots_;
};

} // namespace drmsqueeze
