/* SPDX-License-Identifier: MIT */
#include "stressors/gem_sampler.h"

#include <fmt/format.h>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

constexpr int64_t kPeriod = 100 * kNsPerMs; /* as the samples of the whole machine */

void raise_to(std::atomic<uint64_t> &peak, const std::optional<uint64_t> &bytes)
{
	uint64_t kib = bytes.value_or(0) >> 10;
	uint64_t most = peak.load();
	while (kib > most && !peak.compare_exchange_weak(most, kib))
		;
}

} // namespace

GemSampler::GemSampler(const Root &root, int fd, uint32_t client, bool debugfs, const Recorder &recorder,
		       GemPeaks &peaks)
	: root_(root), fdinfo_(fmt::format("/proc/self/fdinfo/{}", fd)), client_(client), recorder_(recorder),
	  peaks_(peaks)
{
	if (!debugfs)
		return;
	counts_ = root_.glob("/sys/kernel/debug/shrinker/drm-*/count");
	msm_ = root_.glob("/sys/kernel/debug/dri/*/gem");
	i915_ = root_.glob("/sys/kernel/debug/dri/*/i915_gem_objects");
	pool_ = root_.glob("/sys/kernel/debug/ttm/page_pool");
}

GemSampler::~GemSampler()
{
	over_ = true;
	if (thread_.joinable())
		thread_.join();
}

void GemSampler::start()
{
	thread_ = std::thread([this] {
		for (; !over_.load(); sleep_ns(kPeriod))
			sample();
	});
}

void GemSampler::put(int64_t when, const std::string &name, uint64_t value) const
{
	recorder_.put({.kind = Kind::sample, .a = static_cast<int64_t>(value), .text = name, .t_ns = when});
}

void GemSampler::put_state(int64_t when, const GemState &state, const std::string &suffix) const
{
	const struct {
		const char *name;
		const std::optional<uint64_t> &bytes;
	} rows[] = {
		{"total", state.total},         {"active", state.active}, {"resident", state.resident},
		{"purgeable", state.purgeable}, {"purged", state.purged}, {"shrinkable", state.shrinkable},
	};
	for (const auto &row : rows)
		if (row.bytes)
			put(when, fmt::format("gem_{}_kib{}", row.name, suffix), *row.bytes >> 10);
}

void GemSampler::sample()
{
	int64_t when = now_ns();
	auto text = root_.read(fdinfo_);
	auto state = text ? parse_fdinfo(*text) : Result<GemState>(text.error());
	if (state) {
		raise_to(peaks_.total_kib, state->total);
		raise_to(peaks_.active_kib, state->active);
		raise_to(peaks_.resident_kib, state->resident);
		raise_to(peaks_.purgeable_kib, state->purgeable);
		peaks_.samples++;
		put_state(when, *state, fmt::format(".{}", client_));
	}
	sample_debugfs(when);
}

void GemSampler::sample_debugfs(int64_t when) const
{
	uint64_t shrinkable = 0;
	for (const std::string &file : counts_) {
		auto text = Root().read(file);
		auto counts = text ? parse_shrinker_count(*text) : Result<std::vector<ShrinkerCount>>(text.error());
		shrinkable += counts ? total_objects(*counts) : 0;
	}
	if (!counts_.empty())
		put(when, "shrinkable_pages", shrinkable);
	for (const std::string &file : msm_)
		if (auto text = Root().read(file))
			if (auto state = parse_msm_gem(*text))
				put_state(when, *state, ".debugfs");
	for (const std::string &file : i915_)
		if (auto text = Root().read(file))
			if (auto state = parse_i915_gem_objects(*text))
				put_state(when, *state, ".debugfs");
	for (const std::string &file : pool_)
		if (auto text = Root().read(file))
			if (auto pool = parse_page_pool(*text))
				put(when, "ttm_pool_pages", pool->pages);
}

} // namespace drmsqueeze
