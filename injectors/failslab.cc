/* SPDX-License-Identifier: MIT */
/*
 * failslab: makes allocations of slab objects fail, kmalloc's among them (mm/failslab.c): everywhere, or in caches that
 * are named (`cache-filter`, /sys/kernel/slab/NAME/failslab). The kernel can spare allocations that may block, and
 * cannot spare the others; __GFP_NOFAIL it never fails.
 */
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fmt/format.h>

#include "injectors/fault_attr.h"
#include "injectors/nearest.h"

namespace drmsqueeze
{

namespace
{

constexpr FaultKind kKind = {"failslab", "/sys/kernel/debug/failslab", "CONFIG_FAILSLAB"};
constexpr std::string_view kCaches = "/sys/kernel/slab";

std::string cache_file(std::string_view cache, std::string_view file)
{
	return fmt::format("{}/{}/{}", kCaches, cache, file);
}

std::vector<std::string> all_caches(const Root &root)
{
	std::vector<std::string> names;
	std::error_code error;
	for (std::filesystem::directory_iterator entry(root.path(kCaches), error), end; !error && entry != end;
	     entry.increment(error))
		names.push_back(entry->path().filename().string());
	return names;
}

/** Can the kernel mark @cache? It refuses those that share their slabs with others (failslab_store(), mm/slub.c). */
Status check_cache(const Root &root, const std::string &cache)
{
	if (!root.exists(cache_file(cache, "failslab"))) {
		auto names = all_caches(root);
		std::erase_if(names, [](const std::string &name) { return name.starts_with(':'); });
		return Error{ENOTSUP, fmt::format("failslab: there is no cache {} in {}; nearest there: {}", cache,
						  kCaches, nearest(cache, names))};
	}
	auto aliases = root.read(cache_file(cache, "aliases"));
	if (aliases && trimmed(*aliases) != "0")
		return Error{ENOTSUP, fmt::format("failslab: cache {} is merged with {} others, and the kernel marks "
						  "no such cache (boot with slab_nomerge)",
						  cache, trimmed(*aliases))};
	return {};
}

class FailSlab : public FaultInjector
{
public:
	FailSlab(FaultOptions options, std::vector<KnobSetting> own, std::vector<std::string> caches)
		: FaultInjector(kKind, std::move(options), std::move(own)), caches_(std::move(caches))
	{
	}

	Status check(const InjectorSeat &seat) const override
	{
		for (const std::string &cache : caches_)
			if (Status status = check_cache(seat.root, cache); !status)
				return status;
		return FaultInjector::check(seat);
	}

	Status arm(const InjectorSeat &seat) override
	{
		for (const std::string &cache : caches_)
			if (Status status = seat.journal.turn(seat.root.path(cache_file(cache, "failslab")), "1");
			    !status)
				return status;
		return FaultInjector::arm(seat);
	}

	nlohmann::json report() const override
	{
		auto report = FaultInjector::report();
		if (!caches_.empty())
			report["settings"]["caches"] = caches_;
		return report;
	}

private:
	std::vector<std::string> caches_;
};

std::unique_ptr<Injector> create(JsonReader reader, const Request & /*request*/)
{
	FaultOptions options = parse_fault_options(reader);
	std::string gfp = reader.one_of_or("gfp", {"any", "no-wait"}, "any");
	std::vector<std::string> caches = reader.strings("caches");
	reader.finish();
	for (const std::string &cache : caches)
		if (cache.empty() || cache.starts_with('.') || cache.find('/') != std::string::npos)
			reader.fail("caches", fmt::format("names of directories in {}", kCaches));
	std::vector<KnobSetting> own = {
		{"ignore-gfp-wait", gfp == "no-wait" ? "Y" : "N"},
		{"cache-filter", caches.empty() ? "N" : "Y"},
	};
	return std::make_unique<FailSlab>(std::move(options), std::move(own), std::move(caches));
}

std::string unsupported(const Root &root)
{
	return fault_unsupported(kKind, root);
}

} // namespace

extern const InjectorDescriptor kFailSlab;
const InjectorDescriptor kFailSlab = {
	.kind = kKind.injector,
	.create = create,
	.unsupported = unsupported,
};

} // namespace drmsqueeze
