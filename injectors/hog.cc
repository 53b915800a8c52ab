/* SPDX-License-Identifier: MIT */
/*
 * hog: a process that holds (1 - level) of the memory that was available while idle, or, where it steers, as much as
 * keeps a target. It is protected from the OOM killer, or it would be the first to go and take the pressure with it; if
 * it dies all the same the run must know.
 */
#include "injectors/hog_process.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "agent/clock.h"
#include "agent/control.h"
#include "agent/environment.h"
#include "agent/process.h"
#include "injectors/injector.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kName = "hog";
HogOptions parse_options(JsonReader reader)
{
	HogOptions options{};
	options.compressibility = reader.number_or("compressibility", 0, 1, 0.5);
	options.hot = reader.one_of_or("access", {"hot", "cold"}, "cold") == "hot";
	options.locked = reader.boolean_or("locked", false);
	if (reader.has("steer")) {
		JsonReader steer = reader.object("steer");
		options.steer = steer.has("psi_some_percent") ? Steer::by_psi : Steer::by_available;
		options.target = options.steer == Steer::by_psi ? steer.number("psi_some_percent", 1, 100)
								: steer.number("mem_available", 0, 1);
		steer.finish();
	}
	reader.finish();
	return options;
}

class Hog : public Injector
{
public:
	explicit Hog(const HogOptions &options) : options_(options) {}

	Status check(const InjectorSeat &seat) const override
	{
		if (options_.steer == Steer::by_psi && !seat.root.read(kMemoryPressure))
			return Error{ENOTSUP,
				     fmt::format("hog: {} cannot be read: nothing to steer by", kMemoryPressure)};
		uint64_t available = meminfo_kib(seat.root, "MemAvailable");
		uint64_t swap = meminfo_kib(seat.root, "SwapFree");
		uint64_t kept = min_free_kib(seat.root);
		double level = options_.steer == Steer::by_available ? options_.target : seat.request.level;
		uint64_t bytes = hog_bytes(level, available);
		if (hog_fits(bytes, available, swap, kept, options_.locked))
			return {};
		return Error{
			ERANGE,
			fmt::format("hog: level {} needs {} KiB of {} available and {} of swap, {} are the kernel's",
				    level, bytes / 1024, available, options_.locked ? 0 : swap, kept)};
	}

	Status arm(const InjectorSeat &seat) override
	{
		full_ = options_.steer == Steer::by_level ? hog_bytes(seat.request.level, seat.idle_available_kib)
							  : most_that_fits(seat);
		if (full_ == 0)
			return {};
		void *shared = shared_memory(sizeof(HogProgress));
		if (!shared)
			return Error{ENOMEM, "hog: no shared memory"};
		progress_ = new (shared) HogProgress();
		progress_->intensity = seat.intensity;
		auto pid = spawn("drmsqueeze-hog", kNeverOomKilled, [&] {
			auto memory = HogMemory::reserve(full_, options_.locked);
			if (!memory) {
				progress_->error = memory.error().code;
				return 1;
			}
			return HogProcess(options_, seat.root, *memory, full_, seat.idle_available_kib,
					  seat.request.seed, *progress_)
				.run();
		});
		if (!pid)
			return pid.error();
		pid_ = *pid;
		/* The fork made our locked pages copy-on-write: giving everything back must not wait for memory. */
		mlockall(MCL_CURRENT | MCL_FUTURE);
		return wait_until_ready(seat);
	}

	Status adjust(const InjectorSeat &seat) override
	{
		if (progress_)
			progress_->intensity = seat.intensity;
		return {};
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
		auto kib = [&](std::atomic<uint64_t> HogProgress::*member) {
			return progress_ ? (progress_->*member).load() / 1024 : 0;
		};
		nlohmann::json settings = {{"compressibility", options_.compressibility},
					   {"access", options_.hot ? "hot" : "cold"},
					   {"locked", options_.locked},
					   {"wanted_kib", full_ / 1024},
					   {"held_kib", kib(&HogProgress::most_bytes)}};
		if (options_.steer != Steer::by_level)
			settings["steer"] = {{options_.steer == Steer::by_psi ? "psi_some_percent" : "mem_available",
					      options_.target}};
		if (int error = progress_ ? progress_->error.load() : 0)
			settings["error"] = strerror(error);
		return {{"injector", kName},
			{"settings", settings},
			{"fired", nullptr},
			{"killed", lost_},
			{"counts",
			 {{"grown_kib", kib(&HogProgress::grown_bytes)},
			  {"shrunk_kib", kib(&HogProgress::shrunk_bytes)},
			  {"held_at_the_end_kib", kib(&HogProgress::held_bytes)}}},
			{"charged_to", "/"}};
	}

private:
	/* A tenth stays free: who steers must not run into the OOM killer while pressure answers slowly. */
	uint64_t most_that_fits(const InjectorSeat &seat) const
	{
		constexpr double kShare = 0.9;
		uint64_t kib = seat.idle_available_kib + (options_.locked ? 0 : meminfo_kib(seat.root, "SwapFree"));
		kib -= std::min(kib, min_free_kib(seat.root));
		return static_cast<uint64_t>(kShare * static_cast<double>(kib) * 1024) / kHogPage * kHogPage;
	}

	/* Slow when it must push others out: a minute on a board, more where everything is slower. */
	Status wait_until_ready(const InjectorSeat &seat)
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
								" of " + std::to_string(full_ / 1024) + " KiB"};
		}
		return {};
	}

	HogOptions options_;
	uint64_t full_ = 0;
	HogProgress *progress_ = nullptr;
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
