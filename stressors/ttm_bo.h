/* SPDX-License-Identifier: MIT */
/*
 * One BO of the ttm stressor: mapped for all its life, and it must hold what was last written however often it moves.
 */
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "stressors/drivers/driver.h"
#include "stressors/heap_pattern.h"

namespace drmsqueeze
{

/** How a step of a job went. */
struct TtmVerdict {
	Fate fate = Fate::completed;
	int error = 0; /* positive errno */
	std::string reason = {};
	bool good() const { return fate == Fate::completed; }
};

class TtmBo
{
public:
	/** @buffer is mapped here; that and what follows can fail, and then the BO is of no use. */
	static Result<TtmBo> create(std::unique_ptr<Buffer> buffer);

	/** Writes what @writer (a job's number) leaves behind; failed where the driver answers with SIGBUS. */
	TtmVerdict write(uint64_t seed, uint64_t writer);

	/** Reads back what was last written; nothing is wrong with a BO that nobody has written to. */
	TtmVerdict verify(uint64_t seed) const;

private:
	TtmBo(std::unique_ptr<Buffer> buffer, Mapping view) : buffer_(std::move(buffer)), view_(std::move(view)) {}

	/* Memory moves by pages: eight values in each. */
	static constexpr uint64_t kStep = 512;
	HeapPattern pattern() const { return {view_.bytes(), kStep}; }

	std::unique_ptr<Buffer> buffer_;
	Mapping view_;
	std::optional<uint64_t> writer_;
};

} // namespace drmsqueeze
