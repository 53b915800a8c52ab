/* SPDX-License-Identifier: MIT */
/*
 * Every knob that was turned, with what it held: on disk before the knob is turned, so that a machine can be put back
 * whatever was killed. "A machine left failing its allocations is a broken machine."
 */
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/result.h"
#include "injectors/knob.h"

namespace drmsqueeze
{

class RestoreJournal
{
public:
	/** @file need not exist; a file that does is what an earlier run has left behind, and EBUSY. */
	static Result<RestoreJournal> create(std::string file);

	/** What a journal on disk says; knobs that can no longer be opened are in @lost. */
	static Result<RestoreJournal> load(std::string file, std::vector<std::string> &lost);

	/** Saves, journals, writes, reads back. */
	Status turn(const std::string &path, std::string_view value);

	/** The open knob at @path, nullptr when it was not turned. */
	Knob *find(std::string_view path);

	/** Puts everything back, the last turned first, and verifies. The file goes only when all went well. */
	bool restore();

	/** Paths that restore() could not put back. */
	const std::vector<std::string> &failed() const { return failed_; }

private:
	explicit RestoreJournal(std::string file) : file_(std::move(file)) {}
	Status save() const;

	std::string file_;
	std::vector<Knob> knobs_;
	std::vector<std::string> failed_;
	bool on_disk_ = false;
	bool incomplete_ = false; /* the file names knobs that could not be opened */
};

} // namespace drmsqueeze
