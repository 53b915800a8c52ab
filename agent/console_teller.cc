/* SPDX-License-Identifier: MIT */
#include "agent/console_teller.h"

#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/mman.h>
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
constexpr std::string_view kBefore = "\ndrmsqueeze-record: ";
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static_assert(kBefore.size() + (sizeof(Record) + 2) / 3 * 4 + 2 <= sizeof(ToldRecord));

size_t without_zeros(const unsigned char *bytes, size_t count)
{
	while (count && bytes[count - 1] == 0)
		count--;
	return count;
}

} // namespace

ToldRecord told(const Record &record)
{
	ToldRecord line{};
	char *to = line.data();
	memcpy(to, kBefore.data(), kBefore.size());
	to += kBefore.size();
	unsigned char bytes[sizeof(Record) + 2] = {};
	memcpy(bytes, &record, sizeof(record));
	size_t count = without_zeros(bytes, sizeof(record));
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
	UniqueFd out(open(console.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
	if (!ring || !out.valid())
		return kExitError;
	mlockall(MCL_CURRENT | MCL_FUTURE);
	uint64_t taken = ring->consumed();
	int64_t since_ns = now_ns();
	for (;; sleep_ns(kPoll)) {
		bool over = !is_alive(agent);
		if (over && ring->consumed() >= ring->claimed())
			return 0;
		if (ring->consumed() != taken ||
		    taken >= ring->claimed()) { /* the harness takes them, or there are none */
			taken = ring->consumed();
			since_ns = now_ns();
			continue;
		}
		if (now_ns() - since_ns < patience_ns)
			continue;
		ring->go_to(taken + 1);
		Record record;
		while (ring->take(record)) {
			ToldRecord line = told(record);
			if (write(out.get(), line.data(), strlen(line.data())) < 0)
				return kExitError;
			taken = record.seq;
			ring->consume(taken);
		}
		if (over) /* records that nobody will publish any more are all that is left */
			return 0;
	}
}

} // namespace drmsqueeze
