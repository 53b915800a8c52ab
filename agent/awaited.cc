/* SPDX-License-Identifier: MIT */
#include "agent/awaited.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/random.h>
#include <nlohmann/json.hpp>
#include <random>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/recorder.h"
#include "agent/ring_source.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

namespace
{

constexpr int kExitError = 3;
/* Short beside what a restored guest takes to start the agent, and long enough to leave the CPU idle. */
constexpr int64_t kPoll = 2 * kNsPerMs;

/*
 * A restored guest would go on with the random numbers of its snapshot for up to a minute (CRNG_RESEED_INTERVAL in
 * drivers/char/random.c). What is written to /dev/urandom goes into the input pool, and RNDRESEEDCRNG makes a new key
 * of that at once; what was drawn in batches before is then thrown away too. The kernel mixes the CPU's own random
 * numbers and its cycle counter in (extract_entropy()): one seed does not give the same bytes twice, after a boot
 * neither.
 */
Status reseed(uint64_t seed)
{
	auto bytes = seed_bytes(seed);
	UniqueFd fd(open("/dev/urandom", O_RDWR | O_CLOEXEC));
	if (!fd.valid() || write(fd.get(), bytes.data(), sizeof(bytes)) != sizeof(bytes))
		return Error{errno, std::string("/dev/urandom: ") + strerror(errno)};
	if (ioctl(fd.get(), RNDRESEEDCRNG) != 0)
		return Error{errno, std::string("RNDRESEEDCRNG: ") + strerror(errno)};
	return {};
}

} // namespace

bool laid_out(const RingHeader &header)
{
	uint64_t magic = 0;
	static_assert(sizeof(magic) == sizeof(kRingMagic));
	memcpy(&magic, kRingMagic, sizeof(magic));
	/* atomic_ref has no const */
	auto &there = *reinterpret_cast<uint64_t *>(const_cast<char *>(header.magic));
	return std::atomic_ref(there).load(std::memory_order_acquire) == magic;
}

std::array<uint32_t, 16> seed_bytes(uint64_t seed)
{
	std::seed_seq sequence{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
	std::array<uint32_t, 16> bytes{};
	sequence.generate(bytes.begin(), bytes.end());
	return bytes;
}

int await_request(const std::string &file)
{
	auto memory = open_ring_memory(file);
	if (!memory) {
		fmt::print(stderr, "drmsqueeze-agent: {}\n", memory.error().reason);
		return kExitError;
	}
	auto *header = static_cast<RingHeader *>(memory->base);
	if (!laid_out(*header)) {
		fmt::print("drmsqueeze-agent: waits for its request\n");
		fflush(stdout);
		while (!laid_out(*header))
			sleep_ns(kPoll);
	}
	auto recorder = Recorder::attach(memory->base, memory->bytes);
	if (!recorder) {
		fmt::print(stderr, "drmsqueeze-agent: {}\n", recorder.error().reason);
		return kExitError;
	}
	auto request = nlohmann::json::parse(recorder->request(), nullptr, false);
	if (!request.is_object() || !request.contains("seed") || !request["seed"].is_number_unsigned())
		return 0; /* the agent that follows says what is wrong with it */
	if (Status status = reseed(request["seed"].get<uint64_t>()); !status)
		fmt::print(stderr, "drmsqueeze-agent: the random numbers are not seeded: {}\n", status.error().reason);
	return 0;
}

} // namespace drmsqueeze
