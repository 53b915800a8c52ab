/* SPDX-License-Identifier: MIT */
#include "injectors/knob.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>

#include "agent/root.h"

namespace drmsqueeze
{

namespace
{

std::string_view take_word(std::string_view &rest)
{
	constexpr std::string_view kSpace = " \t\r\n";
	size_t begin = rest.find_first_not_of(kSpace);
	if (begin == std::string_view::npos) {
		rest = {};
		return {};
	}
	rest.remove_prefix(begin);
	std::string_view word = rest.substr(0, rest.find_first_of(kSpace));
	rest.remove_prefix(word.size());
	return word;
}

/* As a 64-bit pattern, so that -1 and 0xffffffffffffffff are the same. */
std::optional<uint64_t> number_of(std::string_view word)
{
	if (word == "Y" || word == "N")
		return word == "Y";
	bool negative = word.starts_with('-');
	if (negative)
		word.remove_prefix(1);
	int base = word.starts_with("0x") ? 16 : 10;
	if (base == 16)
		word.remove_prefix(2);
	uint64_t value = 0;
	auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, base);
	if (error != std::errc() || end != word.data() + word.size())
		return std::nullopt;
	return negative ? ~value + 1 : value;
}

bool same_word(std::string_view one, std::string_view other)
{
	auto a = number_of(one);
	auto b = number_of(other);
	return a && b ? *a == *b : one == other;
}

} // namespace

bool same_setting(std::string_view one, std::string_view other)
{
	for (;;) {
		std::string_view a = take_word(one);
		std::string_view b = take_word(other);
		if (a.empty() || b.empty())
			return a.empty() && b.empty();
		if (!same_word(a, b))
			return false;
	}
}

Result<Knob> Knob::open(std::string path)
{
	UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
	if (!fd.valid())
		return Error{errno, path + ": " + strerror(errno)};
	Knob knob(std::move(path), std::move(fd));
	auto now = knob.read();
	if (!now)
		return now.error();
	knob.saved_ = trimmed(*now);
	return knob;
}

void Knob::prepare()
{
	for (UniqueFd &reader : readers_)
		if (!reader.valid())
			reader.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
}

Result<std::string> Knob::read()
{
	UniqueFd fd;
	for (UniqueFd &reader : readers_)
		if (!fd.valid())
			fd = std::move(reader);
	if (!fd.valid())
		fd.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
	char text[256];
	ssize_t got = ::read(fd.get(), text, sizeof(text));
	if (got < 0)
		return Error{errno, path_ + ": read: " + strerror(errno)};
	return std::string(text, static_cast<size_t>(got));
}

Status Knob::write(std::string_view value)
{
	/* Plain files, as tests have, keep a position and the tail of a longer text; the kernel's have neither. */
	struct stat info {
	};
	if (fstat(writer_.get(), &info) == 0 && info.st_size > 0 && ftruncate(writer_.get(), 0) != 0)
		return Error{errno, path_ + ": truncate: " + strerror(errno)};
	lseek(writer_.get(), 0, SEEK_SET);
	if (::write(writer_.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
		return Error{errno, path_ + ": write of '" + std::string(value) + "': " + strerror(errno)};
	auto now = read();
	if (!now)
		return now.error();
	if (!same_setting(*now, value))
		return Error{EIO, path_ + ": wrote '" + std::string(value) + "', reads '" + trimmed(*now) + "'"};
	return {};
}

bool Knob::restore()
{
	constexpr int kTries = 3;
	for (int i = 0; i < kTries; i++) {
		Status status = write(saved_);
		if (status || status.error().code == ESRCH || status.error().code == ENOENT)
			return true;
	}
	return false;
}

} // namespace drmsqueeze
