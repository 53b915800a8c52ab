/* SPDX-License-Identifier: MIT */
/*
 * hog: a process that holds (1 - level) of the memory that was available while idle. It is protected from the OOM
 * killer, or it would be the first to go and take the pressure with it; if it dies all the same the run must know.
 */
#include "injectors/hog.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/control.h"
#include "agent/environment.h"
#include "agent/process.h"
#include "injectors/injector.h"

namespace drmsqueeze
{

uint64_t hog_bytes(double level, uint64_t idle_kib)
{
	double bytes = (1.0 - level) * static_cast<double>(idle_kib) * 1024;
	return bytes <= 0 ? 0 : static_cast<uint64_t>(bytes) / kHogPage * kHogPage;
}

bool hog_fits(uint64_t bytes, uint64_t available_kib, uint64_t swap_free_kib, uint64_t min_free_kib, bool locked)
{
	return bytes / 1024 + min_free_kib <= available_kib + (locked ? 0 : swap_free_kib);
}

void fill_hog_page(void *page, double compressibility, uint64_t &state)
{
	constexpr size_t kWords = kHogPage / sizeof(uint64_t);
	auto zeros = static_cast<size_t>(compressibility * kWords);
	auto *words = static_cast<uint64_t *>(page);
	memset(words, 0, zeros * sizeof(uint64_t));
	for (size_t i = zeros; i < kWords; i++) {
		state ^= state << 13; /* xorshift64 */
		state ^= state >> 7;
		state ^= state << 17;
		words[i] = state;
	}
	/* A page of zeros only would be dropped by zram as "same-filled" and never count as held. */
	words[0] |= 1;
}

namespace
{

constexpr const char *kName = "hog";

struct Options {
	double compressibility;
	bool hot;
	bool locked;
};

/** What the hog's process tells: in shared memory. */
struct Progress {
	std::atomic<uint64_t> held_bytes;
	std::atomic<bool> ready; /* all held, and locked when that was asked for */
	std::atomic<int> error;
};

Options parse_options(JsonReader reader)
{
	Options options;
	options.compressibility = reader.number_or("compressibility", 0, 1, 0.5);
	options.hot = reader.one_of_or("access", {"hot", "cold"}, "cold") == "hot";
	options.locked = reader.boolean_or("locked", false);
	reader.finish();
	return options;
}

/* Hot: every page is touched again and again, at leisure, so that reclaim finds it young. */
[[noreturn]] void hold(char *memory, uint64_t bytes, bool hot)
{
	constexpr uint64_t kPagesPerNap = 256;
	constexpr int64_t kNap = kNsPerMs;
	const uint64_t pages = hot ? bytes / kHogPage : 0;
	for (;;) {
		if (pages == 0)
			pause();
		for (uint64_t page = 0; page < pages; ++page) {
			auto *word = reinterpret_cast<volatile uint64_t *>(memory + page * kHogPage);
			*word = *word + 1;
			if (page % kPagesPerNap == 0)
				sleep_ns(kNap);
		}
	}
}

int run_hog(const Options &options, uint64_t bytes, uint64_t seed, Progress &progress)
{
	void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		progress.error = errno;
		return 1;
	}
	/* Order 0 pages, whatever the machine's THP setting. */
	madvise(memory, bytes, MADV_NOHUGEPAGE);
	uint64_t state = seed * 2 + 1;
	for (uint64_t done = 0; done < bytes; done += kHogPage) {
		fill_hog_page(static_cast<char *>(memory) + done, options.compressibility, state);
		progress.held_bytes.store(done + kHogPage, std::memory_order_relaxed);
	}
	if (options.locked && mlock(memory, bytes) != 0) {
		progress.error = errno;
		return 1;
	}
	progress.ready = true;
	hold(static_cast<char *>(memory), bytes, options.hot);
}

class Hog : public Injector
{
public:
	explicit Hog(const Options &options) : options_(options) {}

	Status check(const InjectorSeat &seat) const override
	{
		uint64_t available = meminfo_kib(seat.root, "MemAvailable");
		uint64_t swap = meminfo_kib(seat.root, "SwapFree");
		uint64_t kept = min_free_kib(seat.root);
		uint64_t bytes = hog_bytes(seat.request.level, available);
		if (hog_fits(bytes, available, swap, kept, options_.locked))
			return {};
		return Error{
			ERANGE,
			fmt::format("hog: level {} needs {} KiB of {} available and {} of swap, {} are the kernel's",
				    seat.request.level, bytes / 1024, available, options_.locked ? 0 : swap, kept)};
	}

	Status arm(const InjectorSeat &seat) override
	{
		wanted_ = hog_bytes(seat.request.level, seat.idle_available_kib);
		if (wanted_ == 0)
			return {};
		void *shared = shared_memory(sizeof(Progress));
		if (!shared)
			return Error{ENOMEM, "hog: no shared memory"};
		progress_ = new (shared) Progress();
		auto pid = spawn("drmsqueeze-hog", kNeverOomKilled,
				 [&] { return run_hog(options_, wanted_, seat.request.seed, *progress_); });
		if (!pid)
			return pid.error();
		pid_ = *pid;
		/* The fork made our locked pages copy-on-write: giving everything back must not wait for memory. */
		mlockall(MCL_CURRENT | MCL_FUTURE);
		return wait_until_full(seat);
	}

	void read_counters() override {}

	bool release() override
	{
		constexpr int64_t kLimit = 5 * kNsPerS;
		pid_t pid = std::exchange(pid_, 0);
		return pid == 0 || kill_and_reap(pid, kLimit);
	}

	bool lost_process(pid_t pid) override
	{
		if (pid != pid_)
			return false;
		pid_ = 0;
		lost_ = true;
		return true;
	}

	nlohmann::json report() const override
	{
		uint64_t held = progress_ ? progress_->held_bytes.load() : 0;
		return {{"injector", kName},
			{"settings",
			 {{"compressibility", options_.compressibility},
			  {"access", options_.hot ? "hot" : "cold"},
			  {"locked", options_.locked},
			  {"wanted_kib", wanted_ / 1024},
			  {"held_kib", held / 1024}}},
			{"fired", nullptr},
			{"killed", lost_},
			{"charged_to", "/"}};
	}

private:
	/* Slow when it must push others out: a minute on a board, more where everything is slower. */
	Status wait_until_full(const InjectorSeat &seat)
	{
		constexpr int64_t kPoll = 5 * kNsPerMs;
		auto limit = static_cast<int64_t>(60.0 * kNsPerS * std::max(1.0, seat.request.time_scale));
		for (int64_t begin = now_ns(); !progress_->ready.load(); sleep_ns(kPoll)) {
			if (int error = progress_->error.load())
				return Error{error, std::string("hog: ") + strerror(error)};
			if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
				lost_process(pid_);
				return Error{ESRCH, "hog: killed while it filled its memory"};
			}
			if (now_ns() - begin > limit)
				return Error{ETIMEDOUT, "hog: holds " + std::to_string(progress_->held_bytes / 1024) +
								" of " + std::to_string(wanted_ / 1024) + " KiB"};
		}
		return {};
	}

	Options options_;
	uint64_t wanted_ = 0;
	Progress *progress_ = nullptr;
	pid_t pid_ = 0;
	bool lost_ = false;
};

std::unique_ptr<Injector> create(JsonReader options, const Request & /*request*/)
{
	return std::make_unique<Hog>(parse_options(std::move(options)));
}

std::string unsupported(const Root &root)
{
	return root.exists("/proc/meminfo") ? "" : "/proc/meminfo is missing";
}

} // namespace

extern const InjectorDescriptor kHog;
const InjectorDescriptor kHog = {
	.kind = kName,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
