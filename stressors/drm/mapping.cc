/* SPDX-License-Identifier: MIT */
#include "stressors/drm/mapping.h"

#include <cerrno>
#include <sys/mman.h>
#include <utility>

namespace drmsqueeze
{

Result<Mapping> Mapping::create(int fd, off_t offset, uint64_t bytes, int protection)
{
	void *base = mmap(nullptr, bytes, protection, MAP_SHARED, fd, offset);
	if (base == MAP_FAILED)
		return error_of("mmap");
	return Mapping(base, bytes);
}

Result<Mapping> Mapping::anonymous(uint64_t bytes)
{
	void *base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return error_of("mmap");
	return Mapping(base, bytes);
}

Mapping::Mapping(Mapping &&other) noexcept
	: base_(std::exchange(other.base_, nullptr)), bytes_(std::exchange(other.bytes_, 0))
{
}

Mapping &Mapping::operator=(Mapping &&other) noexcept
{
	if (this != &other) {
		reset();
		base_ = std::exchange(other.base_, nullptr);
		bytes_ = std::exchange(other.bytes_, 0);
	}
	return *this;
}

void Mapping::reset() noexcept
{
	if (base_)
		munmap(base_, bytes_);
	base_ = nullptr;
	bytes_ = 0;
}

} // namespace drmsqueeze
