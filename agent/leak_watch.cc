/* SPDX-License-Identifier: MIT */
#include "agent/leak_watch.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/control.h"
#include "agent/environment.h"
#include "agent/tasks.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kSlabs = "/sys/kernel/slab";
constexpr const char *kGemObjects = "GEM objects (shmem files)";
/* Those that no process has: what the kernel itself holds. */
constexpr const char *kOpenFiles = "open files that no process has (sync files, dma-bufs)";
constexpr const char *kShmemPages = "pages shmem";
constexpr const char *kHeldCgroups = "cgroups that were removed and are still held";

/*
 * Of the census' slabs: GEM objects of every driver that lets drm_gem_object_init() make a shmem file
 * (drivers/gpu/drm/drm_gem.c), and open files, which sync files, dma-bufs and DRM clients are.
 */
constexpr struct {
	const char *slab;
	const char *what;
} kNamedSlabs[] = {
	{"slab shmem_inode_cache", kGemObjects},
	{"slab filp", kOpenFiles},
};

/*
 * Caches of GPU drivers and of what they share, by the beginning of their names (kmem_cache_create() below
 * drivers/gpu).
 */
constexpr std::array kDriverCaches = {"drm_", "gpu_",    "ttm",     "i915_", "intel_context",
				      "xe_",  "amdgpu_", "panthor", "lima_", "virtio-gpu"};

struct Watched {
	std::string_view begins;
	int64_t allowed;
};
/*
 * Other pages: what the kernel takes for its own tables and keeps. Measured with qxl under TTM's shrinker, which maps
 * and unmaps all the time: 20, 60 and 90 pages more after 30, 120 and 480 jobs, so that it fills up, and is no leak.
 */
constexpr std::array<Watched, 12> kWatched = {{
	{"dma-bufs", 0},
	{kGemObjects, 0},
	{"open files", 2}, /* some are freed late */
	{"pins", 0},
	{"pages shmem", 0},
	{"pages iommu", 0},
	{"pages secondary tables", 0},
	{"pages other", 128},
	{"cache ", 64},
	{"cgroups", 0},
	{"processes", 0},
	{"module references", 0},
}};

bool is_driver_cache(std::string_view name)
{
	return std::any_of(kDriverCaches.begin(), kDriverCaches.end(),
			   [&](std::string_view begins) { return name.starts_with(begins); });
}

/* SLUB merges caches of one size; such a cache counts what is in all of them, and is allowed more noise. */
void count_driver_caches(const Root &root, Census &census)
{
	std::error_code error;
	for (const auto &entry : std::filesystem::directory_iterator(root.path(kSlabs), error)) {
		std::string name = entry.path().filename();
		if (!is_driver_cache(name))
			continue;
		auto objects = root.read(std::string(kSlabs) + "/" + name + "/objects");
		if (objects)
			census["cache " + name + (entry.is_symlink(error) ? " (merged)" : "")] =
				std::strtol(objects->c_str(), nullptr, 10);
	}
}

} // namespace

std::optional<int64_t> allowed_growth(std::string_view what)
{
	for (const Watched &watched : kWatched)
		if (what.starts_with(watched.begins))
			return watched.allowed;
	return {};
}

/* "NAME SIZE REFERENCES USERS STATE ADDRESS" */
void count_module_references(std::string_view modules, Census &census)
{
	std::istringstream lines{std::string(modules)};
	for (std::string line; std::getline(lines, line);) {
		std::istringstream words(line);
		std::string name;
		int64_t size = 0;
		int64_t references = 0;
		if (words >> name >> size >> references)
			census["module references " + name] = references;
	}
}

void count_cgroups(std::string_view stat, Census &census)
{
	std::istringstream words{std::string(stat)};
	std::string name;
	for (int64_t value = 0; words >> name >> value;) {
		if (name == "nr_descendants")
			census["cgroups"] = value;
		if (name == "nr_dying_descendants")
			census[kHeldCgroups] = value;
	}
}

/* "PID (NAME) STATE PPID PGRP SESSION TTY TPGID FLAGS ...", proc_pid_stat(5); the name may hold anything. */
Processes find_processes(const Root &root, pid_t session)
{
	constexpr uint64_t kKernelThread = 0x00200000; /* PF_KTHREAD, include/linux/sched.h */
	Processes found;
	for (const std::string &pid : numbers_in(root.path("/proc"))) {
		auto text = root.read("/proc/" + pid + "/stat");
		size_t name_end = text ? text->rfind(')') : std::string::npos;
		if (name_end == std::string::npos)
			continue; /* gone meanwhile */
		std::istringstream words(text->substr(name_end + 1));
		std::string state;
		std::string skip;
		pid_t its_session = 0;
		uint64_t flags = 0;
		if (!(words >> state >> skip >> skip >> its_session >> skip >> skip >> flags) ||
		    flags & kKernelThread || state == "Z")
			continue;
		if (its_session == session)
			found.ours++;
		else
			found.others.insert(pid);
	}
	return found;
}

/* The agent's own, opened while it ran, among them. */
int64_t count_descriptors(const Root &root)
{
	int64_t descriptors = 0;
	for (const std::string &pid : numbers_in(root.path("/proc")))
		descriptors += static_cast<int64_t>(numbers_in(root.path("/proc/" + pid + "/fd")).size());
	return descriptors;
}

/* A taker holds a hundred files: one that lived on through the run would be in every child of ours. */
Result<Census> LeakWatch::count(const CensusTaker &taker)
{
	auto all = taker.take();
	if (!all)
		return all.error();
	Census census;
	for (const auto &[what, value] : *all)
		if (allowed_growth(what))
			census[what] = value;
	for (const auto &named : kNamedSlabs)
		if (auto slab = all->find(named.slab); slab != all->end())
			census[named.what] = slab->second;
	census[kOpenFiles] -= count_descriptors(root_) + shared_memory_made().count;
	/* What this process shares with its children is there until it ends. */
	census[kGemObjects] -= shared_memory_made().count;
	census[kShmemPages] -= shared_memory_made().pages;
	count_driver_caches(root_, census);
	if (auto modules = root_.read("/proc/modules"))
		count_module_references(*modules, census);
	if (auto stat = root_.read("/sys/fs/cgroup/cgroup.stat"))
		count_cgroups(*stat, census);
	/* Free swap slots hold their cgroup until a CPU has 64 of them: free_swap_slot(), mm/swap_slots.c. */
	if (meminfo_kib(root_, "SwapFree") < meminfo_kib(root_, "SwapTotal"))
		census.erase(kHeldCgroups);
	/* The programs that others run are open files without a descriptor, and an ssh session comes and goes. */
	Processes processes = find_processes(root_, getsid(0));
	census["processes"] = processes.ours;
	if (before_ && processes.others != others_)
		census.erase(kOpenFiles);
	else
		others_ = std::move(processes.others);
	return census;
}

Status LeakWatch::begin()
{
	auto census = count(CensusTaker(root_));
	if (!census) {
		give_up(census.error().reason);
		return census.error();
	}
	before_ = std::move(*census);
	return {};
}

Status LeakWatch::end(int64_t limit_ns, const std::function<void()> &meanwhile)
{
	constexpr int64_t kPoll = 100 * kNsPerMs;
	if (!before_)
		return Error{ENODATA, reason_};
	CensusTaker taker(root_);
	for (int64_t begin = now_ns();; sleep_ns(kPoll)) {
		meanwhile();
		auto census = count(taker);
		if (!census) {
			give_up(census.error().reason);
			return census.error();
		}
		after_ = std::move(*census);
		waited_ns_ = now_ns() - begin;
		reason_.clear();
		auto grown = growth(*before_, after_, 1);
		if (waited_ns_ > limit_ns || std::none_of(grown.begin(), grown.end(), [](const Growth &more) {
			    return more.count > allowed_growth(more.what).value_or(INT64_MAX);
		    }))
			return {};
	}
}

void LeakWatch::give_up(std::string reason)
{
	reason_ = std::move(reason);
	after_.clear();
}

std::string LeakWatch::report() const
{
	nlohmann::json report = {{"compared", reason_.empty()},
				 {"reason", reason_.empty() ? nlohmann::json() : nlohmann::json(reason_)},
				 {"waited_s", static_cast<double>(waited_ns_) / kNsPerS},
				 {"counts", nlohmann::json::array()}};
	for (const auto &[what, count] : after_) {
		auto was = before_->find(what);
		report["counts"].push_back({{"what", what},
					    {"before", was == before_->end() ? 0 : was->second},
					    {"after", count},
					    {"allowed", allowed_growth(what).value_or(0)}});
	}
	return report.dump(1) + "\n";
}

} // namespace drmsqueeze
