/* SPDX-License-Identifier: MIT */
#pragma once

#include <string>

#include "agent/result.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

/**
 * An entry that was added to a kernel file which is a list: "WORD" written to it adds an entry, "!WORD" takes it away,
 * and it reads as one entry a line, each beginning with its word (fail_function/inject, kernel/fail_function.c). What
 * else the list holds is not touched.
 */
class ListEntry
{
public:
	/** Opens the list at @path; EEXIST when it already has @word, which then is somebody else's. */
	static Result<ListEntry> open(std::string path, std::string word);

	/** For a list that may hold the entry of a killed process. */
	static Result<ListEntry> reopen(std::string path, std::string word);

	const std::string &path() const { return path_; }
	const std::string &word() const { return word_; }

	/** Adds it and reads the list back: EIO when it is not there. */
	Status add();

	/** Takes it away and reads the list back; an entry that is already gone counts as restored. */
	bool restore();

private:
	ListEntry(std::string path, std::string word, UniqueFd fd)
		: path_(std::move(path)), word_(std::move(word)), fd_(std::move(fd))
	{
	}
	Result<bool> listed() const;
	Status write(const std::string &text) const;

	std::string path_;
	std::string word_;
	UniqueFd fd_; /* stays open: taking the entry away must not need memory for an open() */
};

} // namespace drmsqueeze
