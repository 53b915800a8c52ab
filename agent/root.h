/* SPDX-License-Identifier: MIT */
/* The kernel's file trees under a root that tests replace. */
#pragma once

#include <string>
#include <string_view>

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

private:
	std::string prefix_;
};

/** Without the white space around it. */
std::string trimmed(std::string_view text);

} // namespace drmsqueeze
