/* SPDX-License-Identifier: MIT */
#include "agent/root.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <glob.h>
#include <unistd.h>

#include "agent/unique_fd.h"

namespace drmsqueeze
{

bool Root::exists(std::string_view file) const
{
	return access(path(file).c_str(), F_OK) == 0;
}

Result<std::string> Root::read(std::string_view file) const
{
	std::string full = path(file);
	UniqueFd fd(open(full.c_str(), O_RDONLY | O_CLOEXEC));
	if (!fd.valid())
		return Error{errno, full + ": " + strerror(errno)};
	std::string text;
	char chunk[4096];
	for (;;) {
		ssize_t got = ::read(fd.get(), chunk, sizeof(chunk));
		if (got < 0)
			return Error{errno, full + ": " + strerror(errno)};
		if (got == 0)
			return text;
		text.append(chunk, static_cast<size_t>(got));
	}
}

Result<uint64_t> Root::number(std::string_view file) const
{
	auto text = read(file);
	if (!text)
		return text.error();
	std::string word = trimmed(*text);
	bool hex = word.starts_with("0x");
	const char *begin = word.data() + (hex ? 2 : 0);
	uint64_t value = 0;
	if (std::from_chars(begin, word.data() + word.size(), value, hex ? 16 : 10).ec != std::errc())
		return Error{EPROTO, path(file) + ": no number"};
	return value;
}

std::vector<std::string> Root::glob(std::string_view pattern) const
{
	std::vector<std::string> files;
	glob_t found{};
	if (::glob(path(pattern).c_str(), 0, nullptr, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++) {
			std::error_code error;
			auto file = std::filesystem::canonical(found.gl_pathv[i], error);
			if (!error && std::find(files.begin(), files.end(), file) == files.end())
				files.push_back(file);
		}
	globfree(&found);
	return files;
}

std::string trimmed(std::string_view text)
{
	constexpr std::string_view kSpace = " \t\r\n";
	size_t begin = text.find_first_not_of(kSpace);
	if (begin == std::string_view::npos)
		return {};
	return std::string(text.substr(begin, text.find_last_not_of(kSpace) - begin + 1));
}

} // namespace drmsqueeze
