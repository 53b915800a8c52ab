/* SPDX-License-Identifier: MIT */
/*
 * The memory that agent and harness share: a header page, the request, and a ring of fixed records. It outlives the
 * machine. Little endian; every offset is part of the interface with the harness.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace drmsqueeze
{

inline constexpr char kRingMagic[8] = {'D', 'R', 'M', 'S', 'Q', 'Z', 'R', '1'};
inline constexpr uint32_t kRingVersion = 1;
inline constexpr uint32_t kNoClient = 0xffffffff;

enum class Kind : uint16_t {
	hello = 1,
	intent = 2,
	submit = 3,
	end = 4,
	sample = 5,
	witness = 6,
	release = 7,
	beat = 8,
	bye = 9,
	file = 10,
	phase = 11,    /* a: its number in the scenario; text: its kind */
	refused = 12,  /* memory for an attempt of a job, which lives on; a: errno, b: which attempt it was */
	remedied = 13, /* what was done about that; code: Remedy, a: ns that it took */
};

/** The fate of a job: code of an end record. */
enum class Fate : uint16_t { completed, corrupted, failed, timed_out, stalled, hung, lost };

/** How it came out what a client did about a refused attempt: only with the first another one follows. */
enum class Remedy : uint16_t {
	applied,
	used_up,  /* there were as many attempts as there may be */
	ran_out,  /* it waited as long as it may, and nobody freed anything */
	nothing,  /* nobody had anything to free, or the job cannot be split */
	circle,   /* all who have something to free wait as well */
	too_late, /* half of the job's time is over, or the run */
};
inline constexpr uint16_t kRemedies = 6;

/** Bits of an end record's c. */
enum EndFlag : int64_t {
	kLate = 1,         /* signalled after its deadline */
	kAfterRelease = 2, /* ended once everything was being given back */
	kVictim = 4,       /* taken down by the reset of another job */
	kSubmitFailed = 8, /* never reached the GPU */
};

/** Codes of a release record. */
inline constexpr uint16_t kReleaseBegin = 0;
inline constexpr uint16_t kReleaseDone = 1;

struct RingHeader {
	char magic[8];
	uint32_t version;
	uint32_t record_size;
	uint64_t records_offset;
	uint64_t capacity; /* in records */
	uint64_t request_offset;
	uint64_t request_size;
	uint64_t claimed;  /* agent: the last sequence number handed to a writer */
	uint64_t consumed; /* host: the last sequence number it has read */
	uint32_t stop;     /* host: end the run */
};

struct Record {
	uint64_t seq; /* written last, with release; 0 = never published */
	uint64_t t_ns;
	uint16_t kind;
	uint16_t code;
	uint32_t client;
	uint64_t job;
	int64_t a;
	int64_t b;
	int64_t c;
	char text[72];
};

static_assert(sizeof(Record) == 128);
static_assert(offsetof(Record, t_ns) == 8 && offsetof(Record, kind) == 16 && offsetof(Record, code) == 18);
static_assert(offsetof(Record, client) == 20 && offsetof(Record, job) == 24 && offsetof(Record, a) == 32);
static_assert(offsetof(Record, b) == 40 && offsetof(Record, c) == 48 && offsetof(Record, text) == 56);
static_assert(offsetof(RingHeader, records_offset) == 16 && offsetof(RingHeader, capacity) == 24);
static_assert(offsetof(RingHeader, request_offset) == 32 && offsetof(RingHeader, request_size) == 40);
static_assert(offsetof(RingHeader, claimed) == 48 && offsetof(RingHeader, consumed) == 56);
static_assert(offsetof(RingHeader, stop) == 64);

} // namespace drmsqueeze
