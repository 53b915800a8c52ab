/* SPDX-License-Identifier: MIT */
/* A cgroup v2 that is made for a run and taken away after it. Documentation/admin-guide/cgroup-v2.rst has the files. */
#pragma once

#include <string>
#include <string_view>

#include "agent/result.h"

namespace drmsqueeze
{

/** Where the tree is on every machine with systemd, and in our guest. */
inline constexpr std::string_view kCgroupTree = "/sys/fs/cgroup";

/** What the run's clients are born into. */
inline constexpr std::string_view kClientCgroup = "/sys/fs/cgroup/drmsqueeze-clients";

/** Is @word one of the words of @text? */
bool has_word(std::string_view text, std::string_view word);

/**
 * What to write into a cgroup.subtree_control that reads @now so that it reads @saved again: "-memory -pids"; empty
 * when nothing was added.
 */
std::string controllers_to_drop(std::string_view now, std::string_view saved);

/** As the restore journal keeps it. */
struct MadeCgroup {
	std::string path;    /* its directory */
	std::string control; /* its parent's cgroup.subtree_control */
	std::string saved;   /* what that held */

	/** Changes nothing. ENOENT where the parent is no cgroup v2, EEXIST where @path is there already. */
	static Result<MadeCgroup> describe(const std::string &path);

	/** Makes it, with @controller where that is not empty. */
	Status make(std::string_view controller) const;

	/** Kills what lives in it, removes it, and takes back what make() has turned on. One that is gone is well. */
	Status remove() const;
};

} // namespace drmsqueeze
