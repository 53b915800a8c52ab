/* SPDX-License-Identifier: MIT */
#include "agent/kernel_log.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

/* The number before the next @end, which is skipped. */
bool take_number(std::string_view &rest, char end, uint64_t &value)
{
	auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
	if (error != std::errc() || stop == rest.data() + rest.size() || *stop != end)
		return false;
	rest.remove_prefix(static_cast<size_t>(stop - rest.data()) + 1);
	return true;
}

} // namespace

bool parse_log_record(std::string_view line, LogRecord &record)
{
	uint64_t level = 0;
	uint64_t usec = 0;
	std::string_view rest = line;
	if (!take_number(rest, ',', level) || !take_number(rest, ',', record.seq) || !take_number(rest, ',', usec))
		return false;
	size_t text = rest.find(';');
	if (text == std::string_view::npos)
		return false;
	rest.remove_prefix(text + 1);
	record.t_ns = static_cast<int64_t>(usec) * kNsPerUs;
	record.text = rest.substr(0, rest.find('\n'));
	return true;
}

Result<KernelLog> KernelLog::open(const char *file)
{
	UniqueFd fd(::open(file, O_RDWR | O_NONBLOCK | O_CLOEXEC));
	if (!fd.valid())
		return Error{errno, std::string(file) + ": " + strerror(errno)};
	lseek(fd.get(), 0, SEEK_END);
	return KernelLog(std::move(fd));
}

Result<int64_t> KernelLog::mark_and_measure_offset(std::string_view line)
{
	int64_t written_ns = now_ns();
	if (write(fd_.get(), line.data(), line.size()) < 0)
		return Error{errno, std::string("/dev/kmsg: write: ") + strerror(errno)};
	LogRecord record{};
	while (next(record))
		if (line.starts_with(record.text) && line.size() == record.text.size() + 1)
			return written_ns - record.t_ns;
	return Error{ENODATA, "/dev/kmsg: our own line did not come back"};
}

bool KernelLog::next(LogRecord &record)
{
	for (;;) {
		ssize_t got = read(fd_.get(), buffer_, sizeof(buffer_));
		/* EPIPE: the next record was overwritten; the position has moved on. EINVAL: longer than the buffer. */
		if (got < 0 && (errno == EPIPE || errno == EINTR || errno == EINVAL))
			continue;
		if (got <= 0)
			return false;
		if (parse_log_record({buffer_, static_cast<size_t>(got)}, record))
			return true;
	}
}

} // namespace drmsqueeze
