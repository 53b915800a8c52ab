/* SPDX-License-Identifier: MIT */
/* Reads new records of the kernel log from /dev/kmsg; after open() it neither allocates nor blocks. */
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/result.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

/** One record (Documentation/ABI/testing/dev-kmsg: "level,seq,usec,flags;text"). */
struct LogRecord {
	uint64_t seq;
	int64_t t_ns; /* the log's own clock, which drifts away from CLOCK_MONOTONIC */
	std::string_view text;
};

/** False when @line is no record. @text points into @line. */
bool parse_log_record(std::string_view line, LogRecord &record);

class KernelLog
{
public:
	/** From the next record on. */
	static Result<KernelLog> open(const char *file = "/dev/kmsg");

	/**
	 * Writes a line of ours to the log and reads it back: CLOCK_MONOTONIC minus the log's clock. Also a mark in
	 * the console log at which a run begins. @line ends in a newline: without it the log keeps the record open.
	 */
	Result<int64_t> mark_and_measure_offset(std::string_view line);

	/** Hands every new record to @visit. Records that were overwritten before we came are skipped. */
	template <typename Visit>
	void drain(Visit visit)
	{
		LogRecord record{};
		while (next(record))
			visit(record);
	}

private:
	explicit KernelLog(UniqueFd fd) : fd_(std::move(fd)) {}
	bool next(LogRecord &record);

	UniqueFd fd_;
	char buffer_[8192] = {}; /* PRINTK_MESSAGE_MAX is 2048; escapes may quadruple it */
};

} // namespace drmsqueeze
