/* SPDX-License-Identifier: MIT */
/*
 * The host's side of a ring on a machine that shares no memory with its host: laid out here, and read by the processes
 * that carry its records away, by ssh (record_sender.h) and, where that is gone, by the console (console_teller.h).
 * Nothing here allocates once the ring is mapped.
 */
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/result.h"
#include "agent/ring_layout.h"

namespace drmsqueeze
{

class RingHost
{
public:
	/** Makes @file, which must not exist (EEXIST), with @request in it and room for @bytes in all. */
	static Status lay_out(const std::string &file, std::string_view request, uint64_t bytes);

	/** The ring in @file, from its first record that was not consumed. */
	static Result<RingHost> open(const std::string &file);

	/** The ring in @bytes of memory at @base, which must outlive it. */
	static Result<RingHost> attach(void *base, uint64_t bytes);

	/** Take record @seq, or the oldest that is still there, next. */
	void go_to(uint64_t seq) { next_ = seq ? seq : 1; }

	/**
	 * Copies the next record to @record: false when it is not there yet. One that was claimed and never published
	 * is passed over once others have been published behind it for 2 s: its writer was killed.
	 */
	bool take(Record &record);

	/** The last sequence number that was claimed by a writer. */
	uint64_t claimed() const;
	uint64_t consumed() const;
	/** In records. */
	uint64_t capacity() const { return header_->capacity; }
	/** Gives the room of all records up to @seq back to the writers. */
	void consume(uint64_t seq);
	void ask_to_stop();

private:
	RingHost(RingHeader *header, Record *records) : header_(header), records_(records) {}
	uint64_t published(uint64_t seq) const;
	bool is_hole();

	RingHeader *header_;
	Record *records_;
	uint64_t next_ = 1;
	int64_t hole_since_ns_ = 0;
};

} // namespace drmsqueeze
