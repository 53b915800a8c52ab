/* SPDX-License-Identifier: MIT */
/* The kernel's file trees under a root that tests replace. */
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/result.h"

namespace drmsqueeze
{

class Root
{
public:
	explicit Root(std::string prefix = {}) : prefix_(std::move(prefix)) {}

	/** @path is absolute, as on the machine. */
	std::string path(std::string_view path) const { return prefix_ + std::string(path); }
	bool exists(std::string_view path) const;

	/** The whole text of a file of any kind; the errno of open or read. */
	Result<std::string> read(std::string_view path) const;

	/** The number, decimal or 0x…, that a file begins with; EPROTO when there is none. */
	Result<uint64_t> number(std::string_view path) const;

	/**
	 * The files that match @pattern, under the root's prefix and with links resolved, each once: dri/0 and dri/128
	 * are links to one directory.
	 */
	std::vector<std::string> glob(std::string_view pattern) const;

private:
	std::string prefix_;
};

/** Without the white space around it. */
std::string trimmed(std::string_view text);

} // namespace drmsqueeze
