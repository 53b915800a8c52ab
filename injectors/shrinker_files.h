/* SPDX-License-Identifier: MIT */
/* The files that shrink methods work with. */
#pragma once

#include <string>

#include "agent/clock.h"
#include "agent/gem_formats.h"
#include "agent/unique_fd.h"
#include "injectors/shrink_methods.h"

namespace drmsqueeze
{

/** A file of the kernel that stays open: a scan under pressure must not need memory for an open(). */
class KernelFile
{
public:
	static Result<KernelFile> open(std::string path, int flags);

	/** One read from the beginning: of a seq_file that is one run of its show function. */
	Result<std::string> show() const;
	Status write(const std::string &text) const;

private:
	KernelFile(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

	std::string path_;
	UniqueFd fd_;
};

/** Adds the time of @call to @ns. */
template <typename Call>
auto timed(int64_t &ns, Call call)
{
	int64_t begin = now_ns();
	auto result = call();
	ns += now_ns() - begin;
	return result;
}

inline uint64_t fallen(uint64_t before, uint64_t after)
{
	return before > after ? before - after : 0;
}

/**
 * shrinker/NAME/{count,scan}, mm/shrinker_debug.c. A trap: `count` begins a line with the inode of the root cgroup also
 * where the shrinker knows no cgroups, as none of a GPU driver does, and `scan` takes only inode 0 for these. Which
 * kind it is shows at the first scan: the inode 0 is ENOENT for a shrinker that knows them.
 */
class GenericTarget : public ShrinkTarget
{
public:
	GenericTarget(std::string name, KernelFile count, KernelFile scan, uint64_t nr_to_scan)
		: ShrinkTarget(std::move(name)), count_(std::move(count)), scan_(std::move(scan)), nr_(nr_to_scan)
	{
	}

	Result<Scanned> scan() override;

private:
	Result<std::vector<ShrinkerCount>> count() const;
	Status run(uint64_t inode, size_t node, int64_t &ns);

	KernelFile count_;
	KernelFile scan_;
	uint64_t nr_;
	bool knows_cgroups_ = false;
};

} // namespace drmsqueeze
