/* SPDX-License-Identifier: MIT */
#include "injectors/list_entry.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace drmsqueeze
{

Result<ListEntry> ListEntry::open(std::string path, std::string word)
{
	auto entry = reopen(std::move(path), std::move(word));
	if (!entry)
		return entry;
	auto present = entry->listed();
	if (!present)
		return present.error();
	if (*present)
		return Error{EEXIST, entry->path_ + ": already has " + entry->word_};
	return entry;
}

Result<ListEntry> ListEntry::reopen(std::string path, std::string word)
{
	UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
	if (!fd.valid())
		return Error{errno, path + ": " + strerror(errno)};
	return ListEntry(std::move(path), std::move(word), std::move(fd));
}

Status ListEntry::add()
{
	if (Status status = write(word_); !status)
		return status;
	auto present = listed();
	if (!present)
		return present.error();
	if (!*present)
		return Error{EIO, path_ + ": wrote '" + word_ + "', which it does not list"};
	return {};
}

bool ListEntry::restore()
{
	constexpr int kTries = 3;
	for (int i = 0; i < kTries; i++) {
		Status status = write("!" + word_);
		auto present = listed();
		if ((status || status.error().code == ENOENT) && present && !*present)
			return true;
	}
	return false;
}

Result<bool> ListEntry::listed() const
{
	std::string text;
	char piece[512];
	ssize_t got = 0;
	while ((got = pread(fd_.get(), piece, sizeof(piece), static_cast<off_t>(text.size()))) > 0)
		text.append(piece, static_cast<size_t>(got));
	if (got < 0)
		return Error{errno, path_ + ": read: " + strerror(errno)};
	std::istringstream lines(text);
	for (std::string line; std::getline(lines, line);)
		if (line.substr(0, line.find_first_of(" \t")) == word_)
			return true;
	return false;
}

Status ListEntry::write(const std::string &text) const
{
	/* Plain files, as tests have, keep a position and what was written before; the kernel's have neither. */
	struct stat info {
	};
	if (fstat(fd_.get(), &info) == 0 && info.st_size > 0 && ftruncate(fd_.get(), 0) != 0)
		return Error{errno, path_ + ": truncate: " + strerror(errno)};
	lseek(fd_.get(), 0, SEEK_SET); /* not pwrite(): files of seq_open() refuse it */
	if (::write(fd_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
		return Error{errno, path_ + ": write of '" + text + "': " + strerror(errno)};
	return {};
}

} // namespace drmsqueeze
