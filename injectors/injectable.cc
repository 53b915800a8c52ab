/* SPDX-License-Identifier: MIT */
#include "injectors/injectable.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <vector>

#include "injectors/nearest.h"

namespace drmsqueeze
{

namespace
{

constexpr int64_t kMaxErrno = 4095; /* MAX_ERRNO of linux/err.h */

constexpr struct {
	std::string_view name;
	FailureReturn returns;
} kTypes[] = {
	{"NULL", FailureReturn::null},
	{"ERRNO", FailureReturn::error},
	{"ERRNO_NULL", FailureReturn::error_or_null},
	{"TRUE", FailureReturn::yes},
};

/** False for a line of another form. */
bool parse_line(std::string_view line, Injectable &found)
{
	size_t tab = line.find('\t');
	if (tab == std::string_view::npos)
		return false;
	std::string_view symbol = line.substr(0, tab);
	size_t space = symbol.find(' ');
	found.function = symbol.substr(0, space);
	found.module = "";
	if (space != std::string_view::npos && symbol.size() > space + 3)
		found.module = symbol.substr(space + 2, symbol.size() - space - 3);
	for (const auto &type : kTypes)
		if (line.substr(tab + 1) == type.name) {
			found.returns = type.returns;
			return true;
		}
	return false;
}

} // namespace

Result<Injectable> find_injectable(std::string_view list, std::string_view function)
{
	std::vector<std::string> names;
	while (!list.empty()) {
		size_t length = list.find('\n');
		Injectable found{};
		if (parse_line(list.substr(0, length), found)) {
			if (found.function == function)
				return found;
			names.push_back(found.function);
		}
		list.remove_prefix(length == std::string_view::npos ? list.size() : length + 1);
	}
	return Error{ENOTSUP,
		     fmt::format("{} is not in {} (loaded modules' functions are there too); nearest there: {}",
				 function, kInjectableList, nearest(function, names))};
}

Result<int64_t> errno_value(const std::string &text)
{
	Error error{EINVAL, fmt::format("'{}' is no errno; expected one as -ENOMEM or -12", text)};
	int64_t number = 0;
	auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
	if (failed == std::errc() && end == text.data() + text.size()) {
		if (number < -kMaxErrno || number >= 0)
			return error;
		return number;
	}
	std::string_view name = text;
	if (name.starts_with('-'))
		name.remove_prefix(1);
	for (int code = 1; code <= kMaxErrno; code++)
		if (const char *known = strerrorname_np(code); known && name == known)
			return int64_t{-code};
	return error;
}

Result<uint64_t> injected_value(const Injectable &function, const std::string &wanted)
{
	bool zero = wanted == "0" || wanted == "NULL";
	bool only = wanted.empty() || wanted == "1" || wanted == "true";
	switch (function.returns) {
	case FailureReturn::null:
		if (wanted.empty() || zero)
			return uint64_t{0};
		return Error{EINVAL, fmt::format("{} can only be made to return NULL", function.function)};
	case FailureReturn::yes:
		if (only)
			return uint64_t{1};
		return Error{EINVAL, fmt::format("{} can only be made to return true", function.function)};
	case FailureReturn::error_or_null:
		if (zero)
			return uint64_t{0};
		break;
	case FailureReturn::error:
		break;
	}
	auto code = errno_value(wanted.empty() ? "-ENOMEM" : wanted);
	if (!code)
		return Error{EINVAL, fmt::format("{}: {}", function.function, code.error().reason)};
	return static_cast<uint64_t>(*code);
}

} // namespace drmsqueeze
