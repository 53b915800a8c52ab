/* SPDX-License-Identifier: MIT */
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <string>

#include "agent/root.h"

namespace drmsqueeze
{

/** A kernel file tree in a temporary directory. A test that turns knobs calls expect_unchanged() when it is through. */
class TemporaryRoot
{
public:
	TemporaryRoot()
	{
		std::string pattern = (std::filesystem::temp_directory_path() / "drmsqueeze-XXXXXX").string();
		directory_ = mkdtemp(pattern.data());
	}
	~TemporaryRoot() { std::filesystem::remove_all(directory_); }
	TemporaryRoot(const TemporaryRoot &) = delete;
	TemporaryRoot &operator=(const TemporaryRoot &) = delete;

	Root root() const { return Root(directory_); }
	std::string path(const std::string &file) const { return directory_ + file; }

	void write(const std::string &file, const std::string &text) const
	{
		std::filesystem::create_directories(std::filesystem::path(path(file)).parent_path());
		std::ofstream(path(file)) << text;
	}

	std::string read(const std::string &file) const
	{
		std::ostringstream text;
		text << std::ifstream(path(file)).rdbuf();
		return text.str();
	}

	/** Every file and what it holds. */
	std::map<std::string, std::string> snapshot() const
	{
		std::map<std::string, std::string> files;
		for (const auto &entry : std::filesystem::recursive_directory_iterator(directory_))
			if (entry.is_regular_file()) {
				std::string name = entry.path().string().substr(directory_.size());
				files[name] = trimmed(read(name));
			}
		return files;
	}

private:
	std::string directory_;
};

/** lib/fault-inject.c's files below @directory as a kernel shows them after boot, and those that @own names. */
inline void add_fault_attr(const TemporaryRoot &tree, const std::string &directory,
			   const std::map<std::string, std::string> &own)
{
	const std::map<std::string, std::string> common = {
		{"probability", "0\n"},
		{"interval", "1\n"},
		{"times", "1\n"},
		{"space", "0\n"},
		{"verbose", "2\n"},
		{"verbose_ratelimit_interval_ms", "0\n"},
		{"verbose_ratelimit_burst", "0\n"},
		{"task-filter", "N\n"},
		{"stacktrace-depth", "32\n"},
		{"require-start", "0x0000000000000000\n"},
		{"require-end", "0xffffffffffffffff\n"},
		{"reject-start", "0x0000000000000000\n"},
		{"reject-end", "0x0000000000000000\n"},
	};
	for (const auto &knobs : {common, own})
		for (const auto &[name, value] : knobs)
			tree.write(directory + "/" + name, value);
}

} // namespace drmsqueeze
