/* SPDX-License-Identifier: MIT */
/*
 * ttm: a working set of BOs, larger than the VRAM and, with the injector ttm-limits, larger than the page limit. They
 * stay mapped while TTM evicts them to system memory, swaps them out to shmem files, and brings them back when they are
 * touched; what they hold is verified each time. A job takes one BO of the set: verifies it, and then either frees it
 * and allocates another in its place, or writes to it anew.
 *
 * What to know of TTM in 6.12: kswapd never swaps a BO out. That is done by a populate above the page limit, and by
 * reading tt_shrink, nobody else. The limit is soft: when no BO can be swapped out (all are locked, pinned or out
 * already) the populate goes on above it (ttm_tt_populate). ttm_global_mutex is held for a whole swap-out, so all
 * devices that TTM manages wait for each other there.
 */
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/clock.h"
#include "agent/control.h"
#include "stressors/ttm_client.h"

namespace drmsqueeze
{

namespace
{

TtmOptions parse_options(JsonReader reader)
{
	constexpr uint64_t kMaxBoKib = 1UL << 20;
	TtmOptions options;
	options.bo_bytes = reader.integer_or("bo_kib", 4, kMaxBoKib, 4096) << 10;
	options.bos = static_cast<uint32_t>(reader.integer_or("bos", 1, 1UL << 16, 16));
	options.jobs = reader.integer_or("jobs", 1, 100 * 1000 * 1000, 100);
	options.replace = reader.number_or("replace", 0, 1, 0.5);
	options.swap_outs = static_cast<uint32_t>(reader.integer_or("swap_outs", 0, 64, 0));
	options.contexts = static_cast<uint32_t>(reader.integer_or("contexts", 1, 64, 1));
	options.rate_hz = reader.number_or("rate_hz", 0, 1e6, 0);
	if (reader.has("device")) {
		options.device = find_driver(reader.string("device"));
		if (!options.device)
			reader.fail("device", "a driver that the agent knows");
	}
	reader.finish();
	return options;
}

/** The path of the VRAM manager of @driver's device; EOPNOTSUPP where TTM does not manage it. */
Result<std::string> find_vram(const Driver &driver)
{
	auto context = driver.open();
	if (!context)
		return context.error();
	struct stat info {
	};
	if (fstat((*context)->fd(), &info) != 0)
		return Error{errno, "fstat of a DRM node"};
	std::string vram = vram_manager(Root(), minor(info.st_rdev));
	if (vram.empty() || vram.size() >= sizeof(TtmShared::vram))
		return Error{EOPNOTSUPP, fmt::format("{} shows no manager of TTM in debugfs", driver.name)};
	return vram;
}

class Ttm : public Stressor
{
public:
	explicit Ttm(const TtmOptions &options) : options_(options)
	{
		void *shared = shared_memory(sizeof(TtmShared));
		shared_ = shared ? new (shared) TtmShared() : nullptr;
	}

	uint32_t clients() const override { return options_.contexts; }
	uint32_t slots_per_client() const override { return 1; }

	Status prepare(const Driver &driver) override
	{
		if (!shared_)
			return Error{ENOMEM, "ttm: no shared memory"};
		auto vram = find_vram(device(driver));
		if (!vram)
			return vram.error();
		std::ranges::copy(*vram, shared_->vram);
		shared_->before = TtmFiles(Root(), *vram).read();
		return {};
	}

	Status run_client(const ClientSeat &seat) override
	{
		auto context = device(seat.driver).open();
		if (!context)
			return context.error();
		TtmClient client(options_, seat, **context, *shared_);
		/* What is under test is the driver, not how fast our own pages come back from swap. */
		mlockall(MCL_CURRENT);
		if (wait_for_run(seat))
			client.run();
		return {};
	}

	nlohmann::json report() const override
	{
		if (!shared_ || !shared_->vram[0])
			return nullptr;
		const TtmShared &s = *shared_;
		TtmState after = settled();
		nlohmann::json counts = {
			{"bos_made", s.create.count - s.create_failed},
			{"bos_not_made", s.create_failed.load()},
			{"bos_verified", s.verified.load()},
			{"bos_corrupted", s.corrupted.load()},
			{"sigbus", s.sigbus.load()},
			{"bos_swapped_out_by_tt_shrink", s.swapped_bos.load()},
			{"pages_swapped_out_by_tt_shrink", s.swapped_pages.load()},
			{"tt_shrink_found_nothing", s.swap_out_none.load()},
			{"tt_shrink_failed", s.swap_out_failed.load()},
			{"most_kib_in_shmem", std::max<int64_t>(0, s.most_shmem_kib - s.before.shmem_kib)},
			{"bos_left_behind", after.buffer_objects - s.before.buffer_objects}};
		if (new_evicts(s.vram))
			counts["bos_evicted_from_vram"] = s.evicted_bytes / static_cast<int64_t>(options_.bo_bytes);
		nlohmann::json tables = {
			{{"title", title("TTM's memory")},
			 {"columns", {"what", "before", "most", "after"}},
			 {"rows",
			  {{"buffer objects", s.before.buffer_objects, s.most_buffer_objects.load(),
			    after.buffer_objects},
			   {"page pool, pages", s.before.pool_pages, s.most_pool_pages.load(), after.pool_pages},
			   {"Shmem, KiB", s.before.shmem_kib, s.most_shmem_kib.load(), after.shmem_kib},
			   {"VRAM, KiB", s.before.vram_kib, s.most_vram_kib.load(), after.vram_kib}}}},
			{{"title", title("Time of the steps")},
			 {"columns", {"step", "count", "mean, ms", "longest, ms"}},
			 {"rows",
			  {row("create and map", s.create), row("write", s.write), row("verify", s.verify),
			   row("swap out (tt_shrink)", s.swap_out)}}}};
		return {{"counts", counts}, {"tables", tables}};
	}

private:
	const Driver &device(const Driver &target) const { return options_.device ? *options_.device : target; }

	/** TTM frees BOs of a dead client in a work item (ttm_bo_delayed_delete). */
	TtmState settled() const
	{
		constexpr int kTries = 100;
		constexpr int64_t kPoll = 20 * kNsPerMs;
		TtmFiles files(Root(), shared_->vram);
		TtmState state = files.read();
		for (int i = 0; i < kTries && state.buffer_objects > shared_->before.buffer_objects; i++) {
			sleep_ns(kPoll);
			state = files.read();
		}
		return state;
	}

	/** A scenario may have several of us, on several devices. */
	std::string title(const char *what) const
	{
		return options_.device ? fmt::format("{} ({})", what, options_.device->name) : what;
	}

	static nlohmann::json row(const char *name, const TtmStep &step)
	{
		auto ms = [](int64_t ns) { return std::round(static_cast<double>(ns) / kNsPerUs) / 1000; };
		auto count = static_cast<int64_t>(std::max<uint64_t>(1, step.count));
		return {name, step.count.load(), ms(step.total_ns / count), ms(step.longest_ns)};
	}

	TtmOptions options_;
	TtmShared *shared_;
};

std::unique_ptr<Stressor> create(JsonReader options)
{
	return std::make_unique<Ttm>(parse_options(std::move(options)));
}

/* Asked of the target's driver, also where `device` names another. */
std::string unsupported(const Driver &driver)
{
	std::string reason = TtmFiles{Root()}.missing();
	if (!reason.empty())
		return reason;
	auto vram = find_vram(driver);
	return vram ? "" : vram.error().reason;
}

} // namespace

extern const StressorDescriptor kTtm;
const StressorDescriptor kTtm = {
	.kind = TtmClient::kStressor,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
