/* SPDX-License-Identifier: MIT */
/* Text ranges of kernel functions and modules, from /proc/kallsyms. */
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/result.h"

namespace drmsqueeze
{

/** [begin, end) */
struct TextRange {
	uint64_t begin;
	uint64_t end;
};

class Kallsyms
{
public:
	/** Parses lines "ADDRESS TYPE NAME[\t[MODULE]]"; EPERM when kptr_restrict shows only zeros. */
	static Result<Kallsyms> parse(std::string_view text);

	/**
	 * A function, or the compiler's clone of it (NAME.isra.0, NAME.constprop.0), up to the next symbol of the same
	 * module, or the end of its page when it is the last. ENOENT when it is not there (inlined, or its module not
	 * loaded), ENOTUNIQ when several have the name.
	 */
	Result<TextRange> function(std::string_view name) const;

	/** All the text of a module; ENOENT when it is not loaded. */
	Result<TextRange> module(std::string_view name) const;

private:
	struct Symbol {
		uint64_t address;
		std::string name;
		std::string module; /* empty: the kernel itself */
	};

	std::vector<Symbol> text_; /* functions only, by address */
};

} // namespace drmsqueeze
