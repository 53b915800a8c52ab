/* SPDX-License-Identifier: MIT */
#include "injectors/shrink_methods.h"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/environment.h"
#include "agent/gem_formats.h"
#include "injectors/shrinker_files.h"

namespace drmsqueeze
{

namespace
{

constexpr uint64_t kPageKib = 4; /* of the shrinkers' counts; of boards with larger pages drop-caches says too much */

/** A file whose being read runs the shrinker, and says what it did (TTM). */
class ReadTarget : public ShrinkTarget
{
public:
	using Parse = Result<uint64_t> (*)(std::string_view text);

	ReadTarget(std::string name, KernelFile file, Parse parse)
		: ShrinkTarget(std::move(name)), file_(std::move(file)), parse_(parse)
	{
	}

	Result<Scanned> scan() override
	{
		Scanned scanned;
		auto text = timed(scanned.ns, [&] { return file_.show(); });
		if (!text)
			return text.error();
		auto freed = parse_(*text);
		if (!freed)
			return freed.error();
		scanned.freed = *freed;
		return scanned;
	}

private:
	KernelFile file_;
	Parse parse_;
};

/** A file that is written a number, and something else that tells the effect. */
class WriteTarget : public ShrinkTarget
{
public:
	/** What could be freed now, or what the last write has freed. */
	using Tell = std::function<Result<uint64_t>()>;

	WriteTarget(std::string name, KernelFile file, std::string text, Tell tell, bool tells_freed)
		: ShrinkTarget(std::move(name)), file_(std::move(file)), text_(std::move(text)), tell_(std::move(tell)),
		  tells_freed_(tells_freed)
	{
	}

	Result<Scanned> scan() override
	{
		Scanned scanned;
		if (!tells_freed_) {
			auto before = tell_();
			if (!before)
				return before.error();
			scanned.before = *before;
		}
		if (Status status = timed(scanned.ns, [&] { return file_.write(text_); }); !status)
			return status.error();
		auto told = tell_();
		if (!told)
			return told.error();
		scanned.freed = tells_freed_ ? *told : fallen(*scanned.before, *told);
		return scanned;
	}

private:
	KernelFile file_;
	std::string text_;
	Tell tell_;
	bool tells_freed_;
};

/** A module that cannot be loaded, whose name is in its path: trying runs what keeps room for the kernel's mappings. */
class LoadTarget : public ShrinkTarget
{
public:
	LoadTarget(const std::string &path, UniqueFd file) : ShrinkTarget(path), file_(std::move(file)) {}

	/** That it frees anything the kernel does not say. */
	Result<Scanned> scan() override
	{
		Scanned scanned;
		long loaded = timed(scanned.ns, [&] { return syscall(SYS_finit_module, file_.get(), "", 0); });
		if (loaded == 0 || errno != ENOMEM)
			return Error{loaded ? errno : EEXIST, name() + " is to fail with ENOMEM"};
		return scanned;
	}

private:
	UniqueFd file_;
};

Result<ShrinkTargets> some(ShrinkTargets targets, const std::string &pattern)
{
	if (targets.empty())
		return Error{ENOENT, pattern + ": no such file (debugfs mounted, the driver loaded?)"};
	return targets;
}

Result<ShrinkTargets> open_generic(const Root &root, const ShrinkSettings &settings)
{
	const std::string pattern = "/sys/kernel/debug/shrinker/" + settings.shrinker;
	ShrinkTargets targets;
	for (const std::string &directory : root.glob(pattern)) {
		auto count = KernelFile::open(directory + "/count", O_RDONLY);
		auto scan = KernelFile::open(directory + "/scan", O_WRONLY);
		if (!count || !scan)
			return count ? scan.error() : count.error();
		targets.push_back(std::make_unique<GenericTarget>(std::filesystem::path(directory).filename().string(),
								  std::move(*count), std::move(*scan),
								  settings.nr_to_scan));
	}
	return some(std::move(targets), pattern);
}

template <const char *path, ReadTarget::Parse parse>
Result<ShrinkTargets> open_ttm(const Root &root, const ShrinkSettings & /*settings*/)
{
	auto file = KernelFile::open(root.path(path), O_RDONLY);
	if (!file)
		return file.error();
	ShrinkTargets targets;
	targets.push_back(std::make_unique<ReadTarget>(path, std::move(*file), parse));
	return targets;
}

Result<uint64_t> page_pool_freed(std::string_view text)
{
	auto shrunk = parse_page_pool_shrink(text);
	return shrunk ? Result<uint64_t>(shrunk->freed) : shrunk.error();
}

/* A simple attribute gives its value once for each open, so the reading of msm's takes a new one. */
Result<ShrinkTargets> open_msm(const Root &root, const ShrinkSettings &settings)
{
	const std::string pattern = "/sys/kernel/debug/dri/*/shrink";
	ShrinkTargets targets;
	for (const std::string &path : root.glob(pattern)) {
		auto file = KernelFile::open(path, O_WRONLY);
		if (!file)
			return file.error();
		auto freed = [path]() -> Result<uint64_t> {
			auto text = Root().read(path);
			return text ? parse_msm_shrink(*text) : text.error();
		};
		targets.push_back(std::make_unique<WriteTarget>(
			path, std::move(*file), std::to_string(settings.nr_to_scan), std::move(freed), true));
	}
	return some(std::move(targets), pattern);
}

Result<ShrinkTargets> open_i915(const Root &root, const ShrinkSettings &settings)
{
	const std::string pattern = "/sys/kernel/debug/dri/*/i915_gem_drop_caches";
	ShrinkTargets targets;
	for (const std::string &path : root.glob(pattern)) {
		auto file = KernelFile::open(path, O_WRONLY);
		if (!file)
			return file.error();
		std::string objects = std::filesystem::path(path).replace_filename("i915_gem_objects");
		auto shrinkable = [objects]() -> Result<uint64_t> {
			auto text = Root().read(objects);
			if (!text)
				return text.error();
			auto state = parse_i915_gem_objects(*text);
			return state ? Result<uint64_t>(*state->shrinkable / (kPageKib << 10)) : state.error();
		};
		targets.push_back(std::make_unique<WriteTarget>(
			path, std::move(*file), fmt::format("{:#x}", settings.bits), std::move(shrinkable), false));
	}
	return some(std::move(targets), pattern);
}

/* Runs every shrinker. What it freed shows in the free memory only, which everybody else changes too. */
Result<ShrinkTargets> open_all(const Root &root, const char *path, std::string text)
{
	auto file = KernelFile::open(root.path(path), O_WRONLY);
	if (!file)
		return file.error();
	auto used = [root]() -> Result<uint64_t> {
		return (meminfo_kib(root, "MemTotal") - meminfo_kib(root, "MemFree")) / kPageKib;
	};
	ShrinkTargets targets;
	targets.push_back(
		std::make_unique<WriteTarget>(path, std::move(*file), std::move(text), std::move(used), false));
	return targets;
}

Result<ShrinkTargets> open_drop_caches(const Root &root, const ShrinkSettings &settings)
{
	return open_all(root, "/proc/sys/vm/drop_caches", std::to_string(settings.bits));
}

Result<ShrinkTargets> open_inside_reclaim(const Root &root, const ShrinkSettings & /*settings*/)
{
	return open_all(root, "/sys/kernel/debug/drmsqueeze/reclaim_shrinkers/run", "1");
}

/* Of a module with more data than memory the kernel does not even look for room (__vmalloc_node_range()). */
Result<ShrinkTargets> open_vmap_purge(const Root &root, const ShrinkSettings & /*settings*/)
{
	constexpr uint64_t kDataKib = 1600 << 10; /* lab/probes/too_large.c */
	const std::string pattern = "/lib/modules/*/extra/too_large.ko";
	if (meminfo_kib(root, "MemTotal") <= kDataKib)
		return Error{ENOMEM, "less memory than the 1600 MiB that the module too_large asks for"};
	ShrinkTargets targets;
	for (const std::string &path : root.glob(pattern)) {
		UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
		if (!file.valid())
			return error_of(path);
		targets.push_back(std::make_unique<LoadTarget>(path, std::move(file)));
	}
	return some(std::move(targets), pattern);
}

constexpr char kPagePoolShrink[] = "/sys/kernel/debug/ttm/page_pool_shrink";
constexpr char kTtShrink[] = "/sys/kernel/debug/ttm/tt_shrink";

constexpr ShrinkMethod kMethods[] = {
	{"generic", true, open_generic},
	{"ttm-page-pool", false, open_ttm<kPagePoolShrink, page_pool_freed>},
	{"ttm-tt", false, open_ttm<kTtShrink, parse_tt_shrink>},
	{"msm-shrink", false, open_msm},
	{"i915-drop-caches", true, open_i915},
	{"drop-caches", true, open_drop_caches},
	{"inside-reclaim", true, open_inside_reclaim},
	{"vmap-purge", false, open_vmap_purge},
};

} // namespace

std::span<const ShrinkMethod> all_shrink_methods()
{
	return kMethods;
}

const ShrinkMethod *find_shrink_method(std::string_view name)
{
	const auto *found = std::find_if(std::begin(kMethods), std::end(kMethods),
					 [&](const ShrinkMethod &method) { return name == method.name; });
	return found == std::end(kMethods) ? nullptr : found;
}

} // namespace drmsqueeze
