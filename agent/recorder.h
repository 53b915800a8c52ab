/* SPDX-License-Identifier: MIT */
/*
 * Writers of the shared ring. Any number of processes and threads write without locks; nothing here allocates, and
 * the only system call is a short sleep while the host is a whole ring behind.
 */
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/result.h"
#include "agent/ring_layout.h"

namespace drmsqueeze
{

/** One record as its writer thinks of it; seq is the recorder's. */
struct Entry {
	Kind kind;
	uint16_t code = 0;
	uint32_t client = kNoClient;
	uint64_t job = 0;
	int64_t a = 0;
	int64_t b = 0;
	int64_t c = 0;
	std::string_view text = {}; /* cut at 72 bytes, or 71 and a NUL where a reader expects text */
	int64_t t_ns = 0;           /* 0 = now */
};

class Recorder
{
public:
	/**
	 * A view of a ring that the host has laid out in @bytes of memory at @base, which must outlive it.
	 * EPROTO when the header does not hold what this version expects.
	 */
	static Result<Recorder> attach(void *base, uint64_t bytes);

	/** Blocks (in short sleeps) only while the host is a whole ring behind. */
	void put(const Entry &entry) const;

	/**
	 * Whether there is room for jobs yet to begin: a quarter of the ring is for what becomes of those that have.
	 * Where nobody takes records as fast as they come, jobs wait, and none is lost.
	 */
	bool has_room() const;

	/** The request as the host wrote it; empty when there is none. */
	std::string_view request() const;

	/** True once the host asks the run to end. */
	bool stop_wanted() const;

private:
	Recorder(RingHeader *header, Record *records) : header_(header), records_(records) {}

	RingHeader *header_;
	Record *records_;
};

} // namespace drmsqueeze
