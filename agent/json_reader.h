/* SPDX-License-Identifier: MIT */
/* Reads one JSON object; every error names the place (JSON pointer), what stood there, and what was expected. */
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace drmsqueeze
{

/** A request that cannot be carried out as written. */
class ScenarioError : public std::runtime_error
{
public:
	ScenarioError(const std::string &pointer, const std::string &found, const std::string &expected);
};

class JsonReader
{
public:
	/** @value must outlive the reader. */
	JsonReader(const nlohmann::json &value, std::string pointer);

	const std::string &pointer() const { return pointer_; }
	bool has(const char *key) const { return value_->contains(key); }
	/** Is it there, and null? Then it is read with that. */
	bool is_null(const char *key);

	/* Required members. */
	uint64_t integer(const char *key, uint64_t min, uint64_t max);
	int64_t signed_integer(const char *key);
	double number(const char *key, double min, double max);
	std::string string(const char *key);
	/** One that becomes a part of a path, or a line of the kernel's log: small letters, digits, _ and -. */
	std::string plain_name(const char *key);
	std::string one_of(const char *key, std::initializer_list<const char *> names);
	JsonReader object(const char *key);
	std::vector<JsonReader> objects(const char *key);  /* an absent list is an empty one */
	std::vector<std::string> strings(const char *key); /* an absent list is an empty one */
	std::vector<uint64_t> integers(const char *key, uint64_t min,
				       uint64_t max); /* an absent list is an empty one */

	/* Members with a default. */
	uint64_t integer_or(const char *key, uint64_t min, uint64_t max, uint64_t fallback);
	double number_or(const char *key, double min, double max, double fallback);
	bool boolean_or(const char *key, bool fallback);
	std::vector<std::string> strings_or(const char *key, std::vector<std::string> fallback);
	std::string one_of_or(const char *key, std::initializer_list<const char *> names, const char *fallback);

	/** Members that belong to other readers. */
	void ignore(std::initializer_list<const char *> keys);

	/** Any member that was not asked for is an error. */
	void finish() const;

	[[noreturn]] void fail(const char *key, const std::string &expected) const;

private:
	const nlohmann::json &at(const char *key, const char *expected);

	const nlohmann::json *value_;
	std::string pointer_;
	std::set<std::string> seen_;
};

} // namespace drmsqueeze
