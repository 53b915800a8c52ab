/* SPDX-License-Identifier: MIT */
#include "agent/json_reader.h"

#include <algorithm>

#include <fmt/format.h>

namespace drmsqueeze
{

namespace
{

/* Short enough for a ring record, whatever the user wrote. */
std::string shown(const nlohmann::json &value)
{
	constexpr size_t kLimit = 40;
	std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
	return text.size() <= kLimit ? text : text.substr(0, kLimit) + "...";
}

} // namespace

ScenarioError::ScenarioError(const std::string &pointer, const std::string &found, const std::string &expected)
	: std::runtime_error(fmt::format("{}: found {}, expected {}", pointer, found, expected))
{
}

JsonReader::JsonReader(const nlohmann::json &value, std::string pointer) : value_(&value), pointer_(std::move(pointer))
{
	if (!value.is_object())
		throw ScenarioError(pointer_.empty() ? "/" : pointer_, shown(value), "an object");
}

void JsonReader::fail(const char *key, const std::string &expected) const
{
	auto found = value_->find(key);
	throw ScenarioError(pointer_ + "/" + key, found == value_->end() ? "nothing" : shown(*found), expected);
}

const nlohmann::json &JsonReader::at(const char *key, const char *expected)
{
	seen_.insert(key);
	auto found = value_->find(key);
	if (found == value_->end())
		fail(key, expected);
	return *found;
}

uint64_t JsonReader::integer(const char *key, uint64_t min, uint64_t max)
{
	const auto &value = at(key, "an integer");
	bool natural = value.is_number_unsigned() || (value.is_number_integer() && value.get<int64_t>() >= 0);
	if (!natural || value.get<uint64_t>() < min || value.get<uint64_t>() > max)
		fail(key, fmt::format("an integer from {} to {}", min, max));
	return value.get<uint64_t>();
}

int64_t JsonReader::signed_integer(const char *key)
{
	const auto &value = at(key, "an integer");
	if (!value.is_number_integer())
		fail(key, "an integer");
	return value.get<int64_t>();
}

double JsonReader::number(const char *key, double min, double max)
{
	const auto &value = at(key, "a number");
	if (!value.is_number() || value.get<double>() < min || value.get<double>() > max)
		fail(key, fmt::format("a number from {} to {}", min, max));
	return value.get<double>();
}

std::string JsonReader::string(const char *key)
{
	const auto &value = at(key, "a string");
	if (!value.is_string())
		fail(key, "a string");
	return value.get<std::string>();
}

std::string JsonReader::plain_name(const char *key)
{
	std::string name = string(key);
	if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") != std::string::npos)
		fail(key, "small letters, digits, _ and -");
	return name;
}

std::string JsonReader::one_of(const char *key, std::initializer_list<const char *> names)
{
	const auto &value = at(key, "a string");
	for (const char *name : names)
		if (value.is_string() && value.get_ref<const std::string &>() == name)
			return name;
	fail(key, fmt::format("one of {}", fmt::join(names, ", ")));
}

bool JsonReader::is_null(const char *key)
{
	return has(key) && at(key, "anything").is_null();
}

JsonReader JsonReader::object(const char *key)
{
	return {at(key, "an object"), pointer_ + "/" + key};
}

std::vector<JsonReader> JsonReader::objects(const char *key)
{
	std::vector<JsonReader> readers;
	seen_.insert(key);
	if (!has(key))
		return readers;
	const auto &list = (*value_)[key];
	if (!list.is_array())
		fail(key, "a list of objects");
	for (size_t i = 0; i < list.size(); i++)
		readers.emplace_back(list[i], fmt::format("{}/{}/{}", pointer_, key, i));
	return readers;
}

std::vector<std::string> JsonReader::strings(const char *key)
{
	std::vector<std::string> texts;
	seen_.insert(key);
	if (!has(key))
		return texts;
	const auto &list = (*value_)[key];
	bool right = list.is_array();
	for (size_t i = 0; right && i < list.size(); i++)
		right = list[i].is_string();
	if (!right)
		fail(key, "a list of strings");
	return list.get<std::vector<std::string>>();
}

std::vector<uint64_t> JsonReader::integers(const char *key, uint64_t min, uint64_t max)
{
	seen_.insert(key);
	if (!has(key))
		return {};
	const auto &list = (*value_)[key];
	std::vector<uint64_t> values;
	for (const auto &value : list) {
		bool natural = list.is_array() && value.is_number_integer() && value >= 0;
		if (!natural || value.get<uint64_t>() < min || value.get<uint64_t>() > max)
			fail(key, fmt::format("a list of integers from {} to {}", min, max));
		values.push_back(value.get<uint64_t>());
	}
	return values;
}

uint64_t JsonReader::integer_or(const char *key, uint64_t min, uint64_t max, uint64_t fallback)
{
	return has(key) ? integer(key, min, max) : fallback;
}

double JsonReader::number_or(const char *key, double min, double max, double fallback)
{
	return has(key) ? number(key, min, max) : fallback;
}

bool JsonReader::boolean_or(const char *key, bool fallback)
{
	if (!has(key))
		return fallback;
	const auto &value = at(key, "true or false");
	if (!value.is_boolean())
		fail(key, "true or false");
	return value.get<bool>();
}

std::vector<std::string> JsonReader::strings_or(const char *key, std::vector<std::string> fallback)
{
	if (!has(key))
		return fallback;
	const auto &value = at(key, "a list of texts");
	if (!value.is_array() ||
	    !std::all_of(value.begin(), value.end(), [](const nlohmann::json &item) { return item.is_string(); }))
		fail(key, "a list of texts");
	return value.get<std::vector<std::string>>();
}

std::string JsonReader::one_of_or(const char *key, std::initializer_list<const char *> names, const char *fallback)
{
	return has(key) ? one_of(key, names) : fallback;
}

void JsonReader::ignore(std::initializer_list<const char *> keys)
{
	seen_.insert(keys.begin(), keys.end());
}

void JsonReader::finish() const
{
	for (const auto &[key, value] : value_->items())
		if (!seen_.contains(key))
			throw ScenarioError(pointer_ + "/" + key, "an unknown member",
					    fmt::format("only {}", fmt::join(seen_, ", ")));
}

} // namespace drmsqueeze
