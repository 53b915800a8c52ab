/* SPDX-License-Identifier: MIT */
#include "injectors/shrinker_files.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace drmsqueeze
{

Result<KernelFile> KernelFile::open(std::string path, int flags)
{
	UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
	if (!fd.valid())
		return error_of(path);
	return KernelFile(std::move(path), std::move(fd));
}

Result<std::string> KernelFile::show() const
{
	char text[4096]; /* a count has a line for each memory cgroup */
	ssize_t got = pread(fd_.get(), text, sizeof(text), 0);
	if (got < 0)
		return error_of(path_);
	return std::string(text, static_cast<size_t>(got));
}

Status KernelFile::write(const std::string &text) const
{
	if (::write(fd_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
		return error_of(path_);
	return {};
}

Result<Scanned> GenericTarget::scan()
{
	auto before = count();
	if (!before)
		return before.error();
	Scanned scanned{.before = total_objects(*before)};
	for (const ShrinkerCount &line : *before)
		for (size_t node = 0; node < line.nodes.size(); node++)
			if (line.nodes[node] > 0)
				if (Status status = run(line.memcg_inode, node, scanned.ns); !status)
					return status.error();
	/* A count that could not get a lock is 0 too (panfrost_gem_shrinker_count): scan all the same. */
	if (before->empty() && !knows_cgroups_)
		if (Status status = run(0, 0, scanned.ns); !status)
			return status.error();
	auto after = count();
	if (!after)
		return after.error();
	scanned.freed = fallen(*scanned.before, total_objects(*after));
	return scanned;
}

Result<std::vector<ShrinkerCount>> GenericTarget::count() const
{
	/* 0 may also say that the lock was taken just then: it is believed when it is said again. */
	constexpr int kTries = 3;
	for (int i = 1;; i++) {
		auto text = count_.show();
		if (!text)
			return text.error();
		if (!text->empty() || i == kTries)
			return parse_shrinker_count(*text);
	}
}

Status GenericTarget::run(uint64_t inode, size_t node, int64_t &ns)
{
	auto write = [&](uint64_t memcg) {
		std::string text = fmt::format("{} {} {}", memcg, node, nr_);
		return timed(ns, [&] { return scan_.write(text); });
	};
	if (!knows_cgroups_) {
		Status status = write(0);
		if (status || status.error().code != ENOENT)
			return status;
		knows_cgroups_ = true;
	}
	if (inode == 0) /* nothing was counted, and there is no cgroup to name */
		return {};
	Status status = write(inode);
	/* The cgroup may have gone since the count. */
	return status || status.error().code == ENOENT ? Status() : status;
}

} // namespace drmsqueeze
