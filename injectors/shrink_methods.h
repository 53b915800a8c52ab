/* SPDX-License-Identifier: MIT */
/*
 * The ways to make a driver's shrinker run with no lack of memory: one file of the kernel each. They are what
 * shrinker-scan does from its threads; each thread has files of its own.
 */
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/result.h"
#include "agent/root.h"

namespace drmsqueeze
{

struct ShrinkSettings {
	std::string shrinker = {}; /* glob over names below /sys/kernel/debug/shrinker */
	uint64_t nr_to_scan = 0;   /* objects of one scan */
	uint64_t bits = 0;         /* of files that take a mask */
};

/** How one scan went. */
struct Scanned {
	int64_t ns = 0; /* the kernel's part alone */
	std::optional<uint64_t>
		before;     /* what could be freed, where the way is to count; pages for all GPU shrinkers */
	uint64_t freed = 0; /* what it says it has freed, or what the count has fallen by, in the same unit */
};

/** One file that runs one shrinker, or one group of them. */
class ShrinkTarget
{
public:
	virtual ~ShrinkTarget() = default;
	const std::string &name() const { return name_; }

	/** Blocks for as long as the shrinker does. */
	virtual Result<Scanned> scan() = 0;

protected:
	explicit ShrinkTarget(std::string name) : name_(std::move(name)) {}

private:
	std::string name_;
};

using ShrinkTargets = std::vector<std::unique_ptr<ShrinkTarget>>;

struct ShrinkMethod {
	const char *name;
	/** Whether `freed` is the fall of a count that others change as well; if not, the kernel says it. */
	bool counts;
	/** Opens every target; runs nothing. ENOENT when there is none. */
	Result<ShrinkTargets> (*open)(const Root &root, const ShrinkSettings &settings);
};

std::span<const ShrinkMethod> all_shrink_methods();

/** nullptr when there is none of this name. */
const ShrinkMethod *find_shrink_method(std::string_view name);

} // namespace drmsqueeze
