/* SPDX-License-Identifier: MIT */
/*
 * ttm-limits: the parameters of module ttm that say how many pages it may have (ttm_tt.c, ttm_pool.c): pages_limit of
 * BOs that are not in VRAM, dma32_pages_limit of those below 4 GiB (bochs), page_pool_size of freed pages that it
 * keeps. They are read at every populate and every free, so they take effect at once; populating above a limit swaps
 * BOs out first. A limit of pages is soft: see stressors/ttm.cc. The kernel counts neither its pages nor what it
 * swapped out, so there is no number for `fired`: the ttm stressor sees the effect in Shmem.
 */
#include <array>
#include <fmt/format.h>
#include <optional>

#include "injectors/injector.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kName = "ttm-limits";
constexpr const char *kParameters = "/sys/module/ttm/parameters/";
constexpr std::array kKnobs = {"pages_limit", "dma32_pages_limit", "page_pool_size"};

using Limits = std::array<std::optional<uint64_t>, kKnobs.size()>;

Limits parse_limits(JsonReader reader)
{
	constexpr uint64_t kMost = 1UL << 40; /* 4 PiB */
	Limits limits;
	for (size_t i = 0; i < kKnobs.size(); i++)
		if (reader.has(kKnobs[i]))
			limits[i] = reader.integer(kKnobs[i], 0, kMost);
	reader.finish();
	if (limits == Limits{})
		reader.fail(kKnobs[0], "at least one limit");
	return limits;
}

std::string path_of(const Root &root, const char *knob)
{
	return root.path(std::string(kParameters) + knob);
}

std::string unsupported(const Root &root)
{
	return root.exists(kParameters) ? "" : "module ttm is not loaded: no driver here uses it";
}

/** Between what was found (nothing is squeezed) and what is @wanted. */
uint64_t limit_at(double intensity, uint64_t found, uint64_t wanted)
{
	return found + static_cast<uint64_t>(static_cast<int64_t>(
			       intensity * (static_cast<double>(wanted) - static_cast<double>(found))));
}

class TtmLimits : public Injector
{
public:
	explicit TtmLimits(const Limits &limits) : limits_(limits) {}

	Status check(const InjectorSeat &seat) const override
	{
		std::string reason = unsupported(seat.root);
		return reason.empty() ? Status() : Status(Error{ENOTSUP, fmt::format("{}: {}", kName, reason)});
	}

	Status arm(const InjectorSeat &seat) override
	{
		for (size_t i = 0; i < kKnobs.size(); i++) {
			if (!limits_[i])
				continue;
			auto text = seat.root.read(std::string(kParameters) + kKnobs[i]);
			if (!text)
				return text.error();
			found_[i] = std::strtoull(text->c_str(), nullptr, 10);
			std::string value = std::to_string(limit_at(seat.intensity, found_[i], *limits_[i]));
			if (Status status = seat.journal.turn(path_of(seat.root, kKnobs[i]), value); !status)
				return status;
		}
		return {};
	}

	Status adjust(const InjectorSeat &seat) override
	{
		for (size_t i = 0; i < kKnobs.size(); i++) {
			Knob *knob = limits_[i] ? seat.journal.find(path_of(seat.root, kKnobs[i])) : nullptr;
			if (!knob)
				continue;
			uint64_t value = limit_at(seat.intensity, found_[i], *limits_[i]);
			if (Status status = knob->write(std::to_string(value)); !status)
				return status;
		}
		return {};
	}

	void read_counters() override {}

	nlohmann::json report() const override
	{
		auto settings = nlohmann::json::object();
		auto counts = nlohmann::json::object();
		for (size_t i = 0; i < kKnobs.size(); i++) {
			if (!limits_[i])
				continue;
			settings[kKnobs[i]] = *limits_[i];
			counts[std::string(kKnobs[i]) + "_before"] = found_[i];
		}
		return {{"injector", kName},
			{"settings", settings},
			{"fired", nullptr},
			{"charged_to", "/"},
			{"counts", counts}};
	}

private:
	Limits limits_;
	std::array<uint64_t, kKnobs.size()> found_{};
};

std::unique_ptr<Injector> create(JsonReader options, const Request & /*request*/)
{
	return std::make_unique<TtmLimits>(parse_limits(std::move(options)));
}

} // namespace

extern const InjectorDescriptor kTtmLimits;
const InjectorDescriptor kTtmLimits = {
	.kind = kName,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
