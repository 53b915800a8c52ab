/* SPDX-License-Identifier: MIT */
#include "agent/census.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sstream>
#include <unistd.h>

namespace drmsqueeze
{

namespace
{

constexpr const char *kSlabs = "/sys/kernel/slab";
constexpr const char *kBufinfo = "/sys/kernel/debug/dma_buf/bufinfo";

/*
 * The files of /proc that the census itself reads, the agent's own samplers, and areas of vmalloc, which go back many
 * at a time (lazy_max_pages(), mm/vmalloc.c).
 */
constexpr std::array kOwnCaches = {"proc_inode_cache", "seq_file", "pid",      "task_struct",
				   "signal_cache",     "cred_jar", "vmap_area"};

/*
 * Pages with a counter of their own in /proc/vmstat; the rest of what is not free is "pages other": page tables of
 * GPUs, buffers of dma-heaps, vmalloc. nr_kernel_stack is in KiB.
 */
struct PageKind {
	const char *counter;
	const char *name; /* nullptr: the agent's own memory moves it */
	int64_t divisor = 1;
};
constexpr std::array<PageKind, 10> kPageKinds = {{
	{"nr_shmem", "pages shmem", 1},
	{"nr_file_pages", nullptr, 1}, /* shmem included: see count_pages */
	{"nr_anon_pages", nullptr, 1},
	{"nr_page_table_pages", nullptr, 1},
	{"nr_iommu_pages", "pages iommu", 1},
	{"nr_sec_page_table_pages", "pages secondary tables", 1},
	{"nr_slab_reclaimable", nullptr, 1},
	{"nr_slab_unreclaimable", nullptr, 1},
	{"nr_kernel_stack", nullptr, 4},
	{"nr_zspages", nullptr, 1},
}};

UniqueFd open_knob(const std::string &path)
{
	return UniqueFd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
}

/* At the beginning of the file: elsewhere a number is ignored without an error (sysctl_writes_strict). */
void write_to(const UniqueFd &fd, std::string_view value)
{
	if (fd.valid() && pwrite(fd.get(), value.data(), value.size(), 0) < 0)
		return; /* a cache that cannot be shrunk is counted as it is */
}

/* From the beginning, and without an open. */
Result<std::string> read_again(const UniqueFd &fd)
{
	std::string text;
	std::array<char, 16384> part{};
	for (;;) {
		ssize_t got = pread(fd.get(), part.data(), part.size(), static_cast<off_t>(text.size()));
		if (got < 0)
			return Error{errno, std::string("/proc/slabinfo: ") + strerror(errno)};
		if (got == 0)
			return text;
		text.append(part.data(), static_cast<size_t>(got));
	}
}

std::map<std::string, int64_t> counters_of(std::string_view vmstat)
{
	std::map<std::string, int64_t> counters;
	std::istringstream words{std::string(vmstat)};
	std::string name;
	for (int64_t value = 0; words >> name >> value;)
		counters[name] = value;
	return counters;
}

} // namespace

/* Lines "count: N" below "pagesets". */
int64_t pages_in_cpu_lists(std::string_view zoneinfo)
{
	int64_t pages = 0;
	std::istringstream lines{std::string(zoneinfo)};
	for (std::string line; std::getline(lines, line);) {
		std::istringstream words(line);
		std::string word;
		int64_t value = 0;
		if (words >> word >> value && word == "count:")
			pages += value;
	}
	return pages;
}

/*
 * Lines "NAME active_objs num_objs objsize objperslab pagesperslab : tunables LIMIT BATCH SHARED : slabdata
 * active_slabs num_slabs shared" after two lines of heading.
 */
int64_t count_slabs(std::string_view slabinfo, Census &census)
{
	int64_t pages = 0;
	std::istringstream lines{std::string(slabinfo)};
	for (std::string line; std::getline(lines, line);) {
		std::istringstream words(line);
		std::string name;
		int64_t active = 0;
		int64_t total = 0;
		int64_t pages_per_slab = 0;
		int64_t slabs = 0;
		std::string skip;
		if (!(words >> name >> active >> total >> skip >> skip >> pages_per_slab) || name == "#")
			continue;
		constexpr int kWordsBetween = 8;
		for (int i = 0; i < kWordsBetween; i++)
			words >> skip;
		if (words >> slabs)
			pages += slabs * pages_per_slab;
		if (std::find(kOwnCaches.begin(), kOwnCaches.end(), name) == kOwnCaches.end())
			census["slab " + name] = active;
	}
	return pages;
}

void count_pages(const Pages &pages, int64_t slab_pages, Census &census)
{
	auto counters = counters_of(pages.vmstat);
	int64_t known = counters["nr_free_pages"] + pages.in_cpu_lists - counters["nr_shmem"];
	for (const PageKind &kind : kPageKinds) {
		int64_t count = counters[kind.counter] / kind.divisor;
		known += count;
		if (kind.name)
			census[kind.name] = count;
	}
	census["pages other"] = -known;
	census["pages large kmalloc"] =
		counters["nr_slab_reclaimable"] + counters["nr_slab_unreclaimable"] - slab_pages;
	census["pins"] = counters["nr_foll_pin_acquired"] - counters["nr_foll_pin_released"];
}

Result<Pages> read_between_moves(const std::function<Result<std::string>()> &read_zoneinfo,
				 const std::function<Result<std::string>()> &read_vmstat)
{
	/* The kernel moves pages once a second (vmstat_work, sysctl_stat_interval); two tries have always been enough.
	 */
	constexpr int kTries = 20;
	auto count = [&]() -> Result<int64_t> {
		auto zoneinfo = read_zoneinfo();
		if (!zoneinfo)
			return zoneinfo.error();
		return pages_in_cpu_lists(*zoneinfo);
	};
	auto before = count();
	for (int i = 0; before && i < kTries; i++) {
		auto vmstat = read_vmstat();
		if (!vmstat)
			return vmstat.error();
		auto after = count();
		if (after && *after == *before)
			return Pages{*after, std::move(*vmstat)};
		before = after;
	}
	return before ? Error{EAGAIN, "/proc/zoneinfo: free pages move between lists all the time"} : before.error();
}

/* The last line: "Total N objects, M bytes". */
void count_dmabufs(std::string_view bufinfo, Census &census)
{
	constexpr std::string_view kTotal = "Total ";
	size_t at = bufinfo.rfind(kTotal);
	if (at != std::string_view::npos)
		census["dma-bufs"] = std::strtol(bufinfo.data() + at + kTotal.size(), nullptr, 10);
}

CensusTaker::CensusTaker(Root root) : root_(std::move(root))
{
	std::error_code error;
	for (const auto &entry : std::filesystem::directory_iterator(root_.path(kSlabs), error))
		if (!entry.is_symlink(error)) /* the names of caches that were merged into another */
			shrink_.push_back(open_knob(entry.path().string() + "/shrink"));
	drop_caches_ = open_knob(root_.path("/proc/sys/vm/drop_caches"));
	write_to(drop_caches_, "4"); /* drops nothing; no line in the log from now on (fs/drop_caches.c) */
	stat_refresh_ = open_knob(root_.path("/proc/sys/vm/stat_refresh"));
	slabinfo_ = UniqueFd(open(root_.path("/proc/slabinfo").c_str(), O_RDONLY | O_CLOEXEC));
}

Result<Census> CensusTaker::take() const
{
	/*
	 * All shrinkers: dentries and inodes that nobody uses, and what waits for kfree_rcu, as every dma_fence does:
	 * it would go back up to 5 s later (KFREE_DRAIN_JIFFIES, kernel/rcu/tree.c).
	 */
	write_to(drop_caches_, "2");
	for (const UniqueFd &cache : shrink_)
		write_to(cache, "1");
	write_to(stat_refresh_, "1");
	Census census;
	auto slabinfo = read_again(slabinfo_);
	if (!slabinfo)
		return slabinfo.error();
	auto pages = read_between_moves([this] { return root_.read("/proc/zoneinfo"); },
					[this] { return root_.read("/proc/vmstat"); });
	if (!pages)
		return pages.error();
	int64_t slab_pages = count_slabs(*slabinfo, census);
	count_pages(*pages, slab_pages, census);
	if (auto bufinfo = root_.read(kBufinfo))
		count_dmabufs(*bufinfo, census);
	return census;
}

std::vector<Growth> growth(const Census &before, const Census &after, int64_t threshold)
{
	std::vector<Growth> grown;
	for (const auto &[what, count] : after) {
		auto was = before.find(what);
		int64_t more = count - (was == before.end() ? 0 : was->second);
		if (more >= threshold)
			grown.push_back({what, more});
	}
	std::stable_sort(grown.begin(), grown.end(),
			 [](const Growth &a, const Growth &b) { return a.count > b.count; });
	return grown;
}

} // namespace drmsqueeze
