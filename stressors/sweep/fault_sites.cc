/* SPDX-License-Identifier: MIT */
#include "stressors/sweep/fault_sites.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <sstream>
#include <unistd.h>

#include "agent/tasks.h"

namespace drmsqueeze
{

namespace
{

constexpr std::string_view kDirectory = "/sys/kernel/debug/drmsqueeze/fault_site/";

/*
 * The functions between a caller that wants memory and should_fail_ex(): who called them is the site. The first of
 * these patterns are the probe's own way to the record.
 */
constexpr std::array kAllocator = {
	"stack_trace_*",    "site_return*",      "*rethook*",    "kretprobe*",     "should_fail*",    "__should_fail*",
	"kmem_cache_*",     "__kmem_cache_*",    "__kmalloc*",   "kmalloc*",       "alloc_pages*",    "__alloc_pages*",
	"___slab_alloc*",   "__slab_alloc*",     "new_slab*",    "allocate_slab*", "folio_alloc*",    "__folio_alloc*",
	"get_free_pages*",  "__get_free_pages*", "get_zeroed_*", "krealloc*",      "__kvmalloc*",     "kvmalloc*",
	"vma_alloc_folio*", "___kmalloc*",       "kmemdup*",     "alloc_slab_*",   "prepare_alloc_*", "__do_kmalloc*",
	"__krealloc*",      "__do_krealloc*",
};

bool of_allocator(const std::string &function)
{
	return std::any_of(kAllocator.begin(), kAllocator.end(),
			   [&](const char *glob) { return fnmatch(glob, function.c_str(), 0) == 0; });
}

/* "%ps" of a module's function is "name [module]"; of a compiler's clone "name.isra.0". */
std::string function_of(std::string_view frame)
{
	frame = frame.substr(0, frame.find(' '));
	return std::string(frame.substr(0, frame.find('.')));
}

std::optional<FaultSite> parse_line(const std::string &line)
{
	std::istringstream words(line);
	FaultSite site;
	int fired = 0;
	if (!(words >> site.left >> fired >> site.pid >> site.size))
		return std::nullopt;
	site.fired = fired != 0;
	std::string stack;
	std::getline(words >> std::ws, stack);
	std::istringstream frames(stack);
	bool outside = false; /* of the allocator */
	for (std::string frame; std::getline(frames, frame, '<');) {
		std::string function = function_of(frame);
		site.pages |= function == "should_fail_alloc_page";
		outside |= !of_allocator(function);
		if (outside)
			site.frames.push_back(std::move(function));
	}
	return site;
}

} // namespace

Result<FailNth> FailNth::open(const Root &root, const std::vector<pid_t> &tids)
{
	std::vector<UniqueFd> fds;
	Error error{ENOENT, "fail-nth: no such thread"};
	for (pid_t tid : tids) {
		std::string path = root.path(tid ? fmt::format("/proc/{}/task/{}/fail-nth", tid, tid)
						 : "/proc/thread-self/fail-nth");
		UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
		if (fd.valid())
			fds.push_back(std::move(fd));
		else
			error = {errno, path + ": " + strerror(errno)};
	}
	if (fds.empty())
		return error;
	return FailNth(std::move(fds));
}

bool FailNth::arm(uint32_t n) const
{
	char text[16];
	auto end = std::to_chars(std::begin(text), std::end(text), n).ptr;
	bool any = false;
	for (const UniqueFd &fd : fds_)
		any |= pwrite(fd.get(), text, static_cast<size_t>(end - text), 0) == end - text;
	return any;
}

Result<uint32_t> FailNth::disarm() const
{
	std::optional<uint32_t> least;
	int error = EIO;
	for (const UniqueFd &fd : fds_) {
		char text[16];
		uint32_t left = 0;
		ssize_t got = pread(fd.get(), text, sizeof(text), 0);
		if (got > 0 && std::from_chars(text, text + got, left).ec == std::errc())
			least = std::min(left, least.value_or(left));
		else if (got < 0)
			error = errno;
	}
	if (!arm(0))
		return error_of("fail-nth: cannot be disarmed");
	if (!least)
		return Error{error, "fail-nth: cannot be read"};
	return *least;
}

std::string FaultSite::key() const
{
	return fmt::format("{}{}", pages ? "p " : "s ", fmt::join(frames, " < "));
}

std::string FaultSite::brief(size_t count) const
{
	count = std::min(count, frames.size());
	return fmt::format("{} {}: {}", size, pages ? (size == 1 ? "page" : "pages") : "bytes",
			   fmt::join(frames.begin(), frames.begin() + static_cast<std::ptrdiff_t>(count), " < "));
}

std::vector<FaultSite> parse_fault_sites(std::string_view text)
{
	std::vector<FaultSite> sites;
	std::istringstream lines{std::string(text)};
	for (std::string line; std::getline(lines, line);)
		if (auto site = parse_line(line))
			sites.push_back(std::move(*site));
	return sites;
}

bool FaultSites::available() const
{
	return root_.exists(std::string(kDirectory) + "fired");
}

void FaultSites::reset() const
{
	UniqueFd fd(::open(root_.path(std::string(kDirectory) + "reset").c_str(), O_WRONLY | O_CLOEXEC));
	if (fd.valid() && write(fd.get(), "1", 1) != 1)
		return;
}

std::optional<FaultSite> FaultSites::fired() const
{
	auto text = root_.read(std::string(kDirectory) + "fired");
	if (!text)
		return std::nullopt;
	auto sites = parse_fault_sites(*text);
	return sites.empty() ? std::nullopt : std::optional(sites.front());
}

std::vector<FaultSite> FaultSites::passed() const
{
	auto text = root_.read(std::string(kDirectory) + "passed");
	return text ? parse_fault_sites(*text) : std::vector<FaultSite>();
}

std::vector<pid_t> processes_named(const Root &root, const std::string &glob)
{
	std::vector<pid_t> found;
	for (const std::string &pid : numbers_in(root.path("/proc"))) {
		auto comm = root.read("/proc/" + pid + "/comm");
		if (comm && fnmatch(glob.c_str(), trimmed(*comm).c_str(), 0) == 0)
			found.push_back(static_cast<pid_t>(std::stol(pid)));
	}
	return found;
}

} // namespace drmsqueeze
