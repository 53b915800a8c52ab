/* SPDX-License-Identifier: MIT */
#include "agent/gem_formats.h"

#include <charconv>
#include <numeric>

#include "agent/root.h"

namespace drmsqueeze
{

namespace
{

constexpr std::string_view kSpace = " \t\r\n";

/** Takes words and numbers off the front of a text. */
class Scan
{
public:
	explicit Scan(std::string_view text) : rest_(text) {}

	bool at_end()
	{
		skip_space();
		return rest_.empty();
	}

	bool literal(std::string_view wanted)
	{
		skip_space();
		if (!rest_.starts_with(wanted))
			return false;
		rest_.remove_prefix(wanted.size());
		return true;
	}

	template <typename T>
	std::optional<T> number(int base = 10)
	{
		skip_space();
		T value{};
		auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value, base);
		if (error != std::errc())
			return std::nullopt;
		rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
		return value;
	}

private:
	void skip_space()
	{
		size_t begin = rest_.find_first_not_of(kSpace);
		rest_.remove_prefix(begin == std::string_view::npos ? rest_.size() : begin);
	}

	std::string_view rest_;
};

template <typename Take>
void each_line(std::string_view text, Take take)
{
	while (!text.empty()) {
		std::string_view line = text.substr(0, text.find('\n'));
		take(line);
		text.remove_prefix(std::min(line.size() + 1, text.size()));
	}
}

Error unreadable(std::string_view file, std::string_view text)
{
	constexpr size_t kShown = 80;
	return {EPROTO, std::string(file) + ": cannot read '" + trimmed(text.substr(0, kShown)) + "'"};
}

/*
 * SHRINK_STOP is ~0UL and SHRINK_EMPTY one less (include/linux/shrinker.h); of 32 bits on 32-bit boards, where
 * they are more pages than a machine can have too.
 */
uint64_t pages_or_none(uint64_t value)
{
	bool special = value >= UINT64_MAX - 1 || value == UINT32_MAX || value == UINT32_MAX - 1;
	return special ? 0 : value;
}

void add(std::optional<uint64_t> &sum, uint64_t value)
{
	sum = sum.value_or(0) + value;
}

} // namespace

Result<std::vector<ShrinkerCount>> parse_shrinker_count(std::string_view text)
{
	std::vector<ShrinkerCount> counts;
	bool good = true;
	each_line(text, [&](std::string_view line) {
		Scan scan(line);
		ShrinkerCount count;
		auto inode = scan.number<uint64_t>();
		good &= inode.has_value();
		count.memcg_inode = inode.value_or(0);
		while (good && !scan.at_end()) {
			auto objects = scan.number<uint64_t>();
			good &= objects.has_value();
			count.nodes.push_back(objects.value_or(0));
		}
		good &= !count.nodes.empty();
		counts.push_back(std::move(count));
	});
	if (!good)
		return unreadable("shrinker count", text);
	return counts;
}

uint64_t total_objects(const std::vector<ShrinkerCount> &counts)
{
	uint64_t total = 0;
	for (const ShrinkerCount &count : counts)
		total = std::accumulate(count.nodes.begin(), count.nodes.end(), total);
	return total;
}

Result<PagePoolShrink> parse_page_pool_shrink(std::string_view text)
{
	Scan scan(text);
	auto left = scan.number<uint64_t>();
	bool slash = scan.literal("/");
	auto freed = scan.number<uint64_t>();
	if (!left || !slash || !freed || !scan.at_end())
		return unreadable("page_pool_shrink", text);
	return PagePoolShrink{pages_or_none(*left), pages_or_none(*freed)};
}

Result<uint64_t> parse_tt_shrink(std::string_view text)
{
	Scan scan(text);
	auto pages = scan.number<int64_t>();
	if (!pages || !scan.at_end())
		return unreadable("tt_shrink", text);
	if (*pages < 0)
		return Error{static_cast<int>(-*pages), "tt_shrink: " + trimmed(text)};
	return static_cast<uint64_t>(*pages);
}

Result<PagePool> parse_page_pool(std::string_view text)
{
	std::optional<PagePool> found;
	each_line(text, [&](std::string_view line) {
		Scan scan(line);
		if (!scan.literal("total") || !scan.literal(":"))
			return;
		auto pages = scan.number<uint64_t>();
		bool of = scan.literal("of");
		auto limit = scan.number<uint64_t>();
		if (pages && of && limit)
			found = PagePool{*pages, *limit};
	});
	return found ? Result<PagePool>(*found) : unreadable("page_pool", text);
}

Result<uint64_t> parse_msm_shrink(std::string_view text)
{
	Scan scan(text);
	bool hex = scan.literal("0x");
	auto pages = scan.number<uint64_t>(16);
	if (!hex || !pages || !scan.at_end())
		return unreadable("msm shrink", text);
	return pages_or_none(*pages);
}

Result<GemState> parse_fdinfo(std::string_view text)
{
	static constexpr struct {
		std::string_view key;
		std::optional<uint64_t> GemState::*member;
	} kKeys[] = {
		{"drm-total-", &GemState::total},
		{"drm-active-", &GemState::active},
		{"drm-resident-", &GemState::resident},
		{"drm-purgeable-", &GemState::purgeable},
	};
	static constexpr struct {
		std::string_view name;
		unsigned shift;
	} kUnits[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
	GemState state;
	bool any = false;
	each_line(text, [&](std::string_view line) {
		size_t colon = line.find(':');
		if (colon == std::string_view::npos)
			return;
		for (const auto &key : kKeys) {
			if (!line.starts_with(key.key))
				continue;
			Scan scan(line.substr(colon + 1));
			auto value = scan.number<uint64_t>();
			if (!value)
				return;
			unsigned shift = 0;
			for (const auto &unit : kUnits)
				if (scan.literal(unit.name))
					shift = unit.shift;
			add(state.*key.member, *value << shift);
			any = true;
		}
	});
	return any ? Result<GemState>(state) : Error{ENODATA, "fdinfo: no drm-*-REGION lines"};
}

Result<GemState> parse_msm_gem(std::string_view text)
{
	static constexpr struct {
		std::string_view key;
		std::optional<uint64_t> GemState::*member;
	} kKeys[] = {
		{"Total:", &GemState::total},       {"Active:", &GemState::active},
		{"Resident:", &GemState::resident}, {"Purgeable:", &GemState::purgeable},
		{"Purged:", &GemState::purged},
	};
	GemState state;
	each_line(text, [&](std::string_view line) {
		for (const auto &key : kKeys) {
			Scan scan(line);
			if (!line.starts_with(key.key) || !scan.literal(key.key))
				continue;
			auto objects = scan.number<uint64_t>();
			bool word = scan.literal("objects,");
			auto bytes = scan.number<uint64_t>();
			if (objects && word && bytes)
				state.*key.member = *bytes;
		}
	});
	return state.total ? Result<GemState>(state) : Error{ENODATA, "msm gem: no line 'Total:'"};
}

Result<GemState> parse_i915_gem_objects(std::string_view text)
{
	Scan scan(text);
	auto objects = scan.number<uint64_t>();
	bool shrinkable = scan.literal("shrinkable [");
	auto free = scan.number<uint64_t>();
	bool words = scan.literal("free] objects,");
	auto bytes = scan.number<uint64_t>();
	if (!objects || !shrinkable || !free || !words || !bytes)
		return Error{ENODATA, "i915_gem_objects: no line of shrinkable objects"};
	GemState state;
	state.shrinkable = *bytes;
	return state;
}

} // namespace drmsqueeze
