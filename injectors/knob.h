/* SPDX-License-Identifier: MIT */
/*
 * One file of the kernel that is turned for a while. It stays open: putting it back must not need memory for an open().
 */
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "agent/result.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

/**
 * Do two texts mean the same setting? Kernel files answer in their own spelling: "Y\n" for 1, "0x0000000000000000" for
 * 0, "0 0 0\n" for "0 0 0". Word by word, numbers by value.
 */
bool same_setting(std::string_view one, std::string_view other);

class Knob
{
public:
	/** Opens @path and keeps what it holds now. */
	static Result<Knob> open(std::string path);

	const std::string &path() const { return path_; }
	const std::string &saved() const { return saved_; }
	void set_saved(std::string saved) { saved_ = std::move(saved); }

	/** Writes and reads back: EIO when the kernel then says something else. */
	Status write(std::string_view value);
	Result<std::string> read();

	/** Opens what read() and restore() will need, so that they need no open() later. */
	void prepare();

	/** Writes what was saved and verifies; a task's file whose task is gone counts as restored. */
	bool restore();

private:
	/*
	 * The kernel's simple attributes give their value once for each open and cannot be sought (simple_attr_open is
	 * nonseekable), so every reading takes a descriptor of its own.
	 */
	static constexpr size_t kReaders = 3;

	Knob(std::string path, UniqueFd fd) : path_(std::move(path)), writer_(std::move(fd)) {}

	std::string path_;
	UniqueFd writer_;
	std::array<UniqueFd, kReaders> readers_;
	std::string saved_;
};

} // namespace drmsqueeze
