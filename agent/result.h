/* SPDX-License-Identifier: MIT */
/*
 * A value or an error number. Under memory pressure ENOMEM is an outcome to be counted, so no wrapper may fold it
 * into a text or an empty object.
 */
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace drmsqueeze
{

/** Why something could not be done: a positive errno, and a sentence for a person. */
struct Error {
	int code = 0;
	std::string reason;
};

/** That @what failed with errno. */
inline Error error_of(std::string_view what)
{
	int code = errno;
	return {code, std::string(what) + ": " + strerror(code)};
}

template <typename T>
class [[nodiscard]] Result
{
public:
	Result(T value) : state_(std::move(value)) {}
	Result(Error error) : state_(std::move(error)) {}

	explicit operator bool() const { return state_.index() == 0; }
	T &operator*() { return std::get<0>(state_); }
	const T &operator*() const { return std::get<0>(state_); }
	T *operator->() { return &std::get<0>(state_); }
	const Error &error() const { return std::get<1>(state_); }

private:
	std::variant<T, Error> state_;
};

/** Success, or an error. */
class [[nodiscard]] Status
{
public:
	Status() = default;
	/** A call that failed without saying why (a short write leaves errno alone) has failed all the same. */
	Status(Error error) : error_(std::move(error)) { error_.code = error_.code ? error_.code : EIO; }

	explicit operator bool() const { return error_.code == 0; }
	const Error &error() const { return error_; }

private:
	Error error_;
};

} // namespace drmsqueeze
