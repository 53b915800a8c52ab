/* SPDX-License-Identifier: MIT */
#include "agent/record_sender.h"

#include <array>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/process.h"
#include "agent/ring_host.h"

namespace drmsqueeze
{

namespace
{

constexpr int kExitError = 3;
constexpr int kPollMs = 20;
constexpr size_t kBatch = 128;
/* What the agent leaves behind may still put things back, and write of it. */
constexpr int64_t kAfterAgentNs = 5 * kNsPerS;

bool write_all(int out, const char *from, size_t bytes)
{
	while (bytes) {
		ssize_t wrote = write(out, from, bytes);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return false;
		from += wrote;
		bytes -= static_cast<size_t>(wrote);
	}
	return true;
}

/** What the harness has acknowledged, as it comes in. */
class Acknowledgements
{
public:
	explicit Acknowledgements(int in) : in_(in) { fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK); }

	/** Waits at most @limit_ms; false at the end of the input. */
	bool read(RingHost &ring, int limit_ms)
	{
		pollfd ready{in_, POLLIN, 0};
		if (poll(&ready, 1, limit_ms) <= 0)
			return true;
		for (;;) {
			ssize_t got = ::read(in_, reinterpret_cast<char *>(&number_) + have_, sizeof(number_) - have_);
			if (got < 0)
				return errno == EAGAIN || errno == EINTR;
			if (got == 0)
				return false;
			have_ += static_cast<size_t>(got);
			if (have_ < sizeof(number_))
				continue;
			have_ = 0;
			if (number_ == kStopWanted)
				ring.ask_to_stop();
			else
				ring.consume(number_);
		}
	}

private:
	int in_;
	uint64_t number_ = 0;
	size_t have_ = 0;
};

} // namespace

int send_records(const std::string &file, uint64_t from, pid_t agent, int in, int out)
{
	set_oom_score_adj(kNeverOomKilled);
	auto ring = RingHost::open(file);
	if (!ring) {
		fmt::print(stderr, "drmsqueeze-agent: {}\n", ring.error().reason);
		return kExitError;
	}
	ring->go_to(from);
	static std::array<Record, kBatch> batch;
	Acknowledgements acknowledgements(in);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	for (int64_t heard_ns = now_ns();;) {
		size_t count = 0;
		while (count < batch.size() && ring->take(batch[count]))
			count++;
		if (count && !write_all(out, reinterpret_cast<const char *>(batch.data()), count * sizeof(Record)))
			return kExitError;
		if (count)
			heard_ns = now_ns();
		else if (now_ns() - heard_ns > kAfterAgentNs && !is_alive(agent))
			return 0;
		if (!acknowledgements.read(*ring, count == batch.size() ? 0 : kPollMs))
			return 0;
	}
}

} // namespace drmsqueeze
