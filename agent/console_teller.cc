/* SPDX-License-Identifier: MIT */
#include "agent/console_teller.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/process.h"
#include "agent/ring_host.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

namespace
{

constexpr int kExitError = 3;
constexpr int64_t kPoll = 50 * kNsPerMs;
/* Records in a row: a new one waits for no longer than so many old ones take. */
constexpr uint64_t kBlock = 32;
/* How often they are told again, once they were told twice: while the agent lives, and after it. */
constexpr int kRounds = 3;
constexpr int kLastRounds = 20;
constexpr std::string_view kBefore = "\ndrmsqueeze-record: ";
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static_assert(kBefore.size() + (sizeof(Record) + sizeof(uint32_t) + 2) / 3 * 4 + 2 <= sizeof(ToldRecord));

size_t without_zeros(const unsigned char *bytes, size_t count)
{
	while (count && bytes[count - 1] == 0)
		count--;
	return count;
}

/** As in IEEE 802.3, and Python's zlib.crc32(); @crc is that of what stands before. */
uint32_t crc32(const void *what, size_t count, uint32_t crc = 0)
{
	constexpr uint32_t kPolynomial = 0xedb88320;
	const auto *bytes = static_cast<const unsigned char *>(what);
	crc = ~crc;
	for (size_t i = 0; i < count; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
	}
	return ~crc;
}

/** Records from a ring to a console, in order. */
class Telling
{
public:
	Telling(RingHost ring, int out, int32_t agent)
		: ring_(ring), out_(out), agent_(agent), next_(ring.consumed() + 1)
	{
	}

	uint64_t next() const { return next_; }
	void go_to(uint64_t seq)
	{
		next_ = std::max(seq, ring_.consumed() + 1);
		ring_.go_to(next_);
	}

	/** Tells those that are there, at most @most and none from @end on; false where the console takes nothing. */
	bool tell(uint64_t most, uint64_t end)
	{
		Record record;
		for (; most && next_ < end && ring_.take(record); most--) {
			for (; next_ < record.seq; next_++) {
				Record never_written{};
				never_written.seq = next_;
				if (!write_line(never_written))
					return false;
			}
			if (!write_line(record))
				return false;
			next_ = record.seq + 1;
		}
		return true;
	}

private:
	bool write_line(const Record &record) const
	{
		ToldRecord line = told(record, agent_);
		size_t length = strlen(line.data());
		return write(out_, line.data(), length) == static_cast<ssize_t>(length);
	}

	RingHost ring_;
	int out_;
	int32_t agent_;
	uint64_t next_;
};

/** What was told, told again a few times: a window of it after the other. */
class Repetition
{
public:
	explicit Repetition(Telling telling) : telling_(telling) {}

	/** All from @begin on, so many times. */
	void start(uint64_t begin, int rounds)
	{
		begin_ = end_ = begin;
		rounds_ = rounds;
		round_ = 0;
	}

	bool done(uint64_t told) const { return begin_ == end_ && told <= end_; }

	/** A few of those before @told. */
	bool tell(uint64_t told)
	{
		if (begin_ == end_) {
			end_ = told;
			round_ = 0;
			telling_.go_to(begin_);
		}
		if (!telling_.tell(kBlock, end_))
			return false;
		if (telling_.next() < end_)
			return true;
		if (++round_ == rounds_)
			begin_ = end_;
		else
			telling_.go_to(begin_);
		return true;
	}

private:
	Telling telling_;
	uint64_t begin_ = 1;
	uint64_t end_ = 1;
	int rounds_ = kRounds;
	int round_ = 0;
};

bool is_removed(int fd)
{
	struct stat info {
	};
	return fstat(fd, &info) != 0 || info.st_nlink == 0;
}

} // namespace

ToldRecord told(const Record &record, int32_t agent)
{
	ToldRecord line{};
	char *to = line.data();
	memcpy(to, kBefore.data(), kBefore.size());
	to += kBefore.size();
	unsigned char bytes[sizeof(Record) + sizeof(uint32_t) + 2] = {};
	memcpy(bytes, &record, sizeof(record));
	size_t count = without_zeros(bytes, sizeof(record));
	uint32_t of_run = crc32(&agent, sizeof(agent));
	uint32_t sum = crc32(bytes, count, of_run);
	memcpy(bytes + count, &sum, sizeof(sum));
	count += sizeof(sum);
	for (size_t i = 0; i < count; i += 3) {
		uint32_t three =
			static_cast<uint32_t>(bytes[i]) << 16 | static_cast<uint32_t>(bytes[i + 1]) << 8 | bytes[i + 2];
		for (int shift = 18; shift >= 0; shift -= 6)
			*to++ = kDigits[three >> shift & 63];
	}
	*to = '\n';
	return line;
}

int tell_records(const std::string &file, const std::string &console, int64_t patience_ns, pid_t agent)
{
	auto ring = RingHost::open(file);
	UniqueFd place(open(file.c_str(), O_RDONLY | O_CLOEXEC));
	UniqueFd out(open(console.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
	if (!ring || !place.valid() || !out.valid())
		return kExitError;
	mlockall(MCL_CURRENT | MCL_FUTURE);
	Telling news(*ring, out.get(), agent);
	Repetition again(news);
	uint64_t taken = ring->consumed();
	int64_t since_ns = now_ns();
	bool telling = false;
	bool over = false;
	for (;;) {
		if (!over && !is_alive(agent)) {
			over = true;
			again.start(ring->consumed() + 1, kLastRounds);
		}
		uint64_t consumed = ring->consumed();
		if (is_removed(place.get()) || (over && consumed >= ring->claimed()))
			return 0;
		if (consumed != taken || consumed >= ring->claimed()) { /* the harness takes them, or there are none */
			taken = consumed;
			since_ns = now_ns();
			telling = false;
		}
		if (!telling) {
			if (now_ns() - since_ns < patience_ns) {
				sleep_ns(kPoll);
				continue;
			}
			telling = true;
			news.go_to(taken + 1);
			again.start(taken + 1, over ? kLastRounds : kRounds);
		}
		uint64_t before = news.next();
		if (!news.tell(kBlock, UINT64_MAX))
			return kExitError;
		uint64_t told = news.next();
		if (told != before) { /* twice at once: what waits for room may have no later time */
			news.go_to(before);
			if (!news.tell(told - before, told))
				return kExitError;
			news.go_to(told);
			/* Half of the ring is for those who take records later. */
			if (told - taken > ring->capacity() / 2) {
				ring->consume(told - ring->capacity() / 2);
				taken = ring->consumed();
			}
		} else if (!again.done(told)) {
			if (!again.tell(told))
				return kExitError;
		} else if (over) { /* records that nobody will publish any more are all that is left */
			return 0;
		} else {
			sleep_ns(kPoll);
		}
	}
}

} // namespace drmsqueeze
