/* SPDX-License-Identifier: MIT */
#include "stressors/dmirror.h"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/ioctl.h>

namespace drmsqueeze
{

namespace
{

/* lib/test_hmm_uapi.h, which no kernel installs: struct hmm_dmirror_cmd and its numbers. */
struct Command {
	uint64_t address;
	uint64_t buffer;
	uint64_t pages;
	uint64_t pages_done;
	uint64_t faults;
};

constexpr unsigned long kRead = _IOWR('H', 0x00, Command);
constexpr unsigned long kWrite = _IOWR('H', 0x01, Command);
constexpr unsigned long kMigrateToDevice = _IOWR('H', 0x02, Command);

} // namespace

Result<Dmirror> Dmirror::open()
{
	UniqueFd fd(::open(kFile, O_RDWR | O_CLOEXEC));
	if (!fd.valid())
		return error_of(kFile);
	return Dmirror(std::move(fd));
}

int Dmirror::command(unsigned long number, const void *address, const void *buffer, uint64_t pages) const
{
	Command command{.address = reinterpret_cast<uintptr_t>(address),
			.buffer = reinterpret_cast<uintptr_t>(buffer),
			.pages = pages,
			.pages_done = 0,
			.faults = 0};
	return ioctl(fd_.get(), number, &command) == 0 ? 0 : errno;
}

int Dmirror::write(void *address, const void *buffer, uint64_t pages) const
{
	return command(kWrite, address, buffer, pages);
}

int Dmirror::read(const void *address, void *buffer, uint64_t pages) const
{
	return command(kRead, address, buffer, pages);
}

int Dmirror::migrate_to_device(void *address, void *buffer, uint64_t pages) const
{
	return command(kMigrateToDevice, address, buffer, pages);
}

} // namespace drmsqueeze
