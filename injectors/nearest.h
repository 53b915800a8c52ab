/* SPDX-License-Identifier: MIT */
/* What a person may have meant. */
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace drmsqueeze
{

/** Up to three of @names that are nearest to @word by edits, the nearest first, with commas; "none" when empty. */
std::string nearest(std::string_view word, std::vector<std::string> names);

} // namespace drmsqueeze
