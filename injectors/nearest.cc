/* SPDX-License-Identifier: MIT */
#include "injectors/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace drmsqueeze
{

namespace
{

/** Characters to insert, remove or replace (Levenshtein). */
size_t edits(std::string_view one, std::string_view other)
{
	std::vector<size_t> row(other.size() + 1);
	std::iota(row.begin(), row.end(), size_t{0});
	for (size_t i = 1; i <= one.size(); i++) {
		size_t diagonal = std::exchange(row[0], i);
		for (size_t j = 1; j <= other.size(); j++) {
			size_t replace = diagonal + (one[i - 1] != other[j - 1]);
			diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replace}));
		}
	}
	return row.back();
}

} // namespace

std::string nearest(std::string_view word, std::vector<std::string> names)
{
	constexpr size_t kMost = 3;
	std::stable_sort(names.begin(), names.end(), [word](const std::string &a, const std::string &b) {
		return edits(word, a) < edits(word, b);
	});
	std::string list;
	for (size_t i = 0; i < std::min(kMost, names.size()); i++)
		list += (list.empty() ? "" : ", ") + names[i];
	return list.empty() ? "none" : list;
}

} // namespace drmsqueeze
