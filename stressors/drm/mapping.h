/* SPDX-License-Identifier: MIT */
#pragma once

#include <cstdint>
#include <sys/types.h>

#include "agent/result.h"

namespace drmsqueeze
{

/** Owns one mmap; borrows the descriptor only for the call. */
class Mapping
{
public:
	static Result<Mapping> create(int fd, off_t offset, uint64_t bytes, int protection);
	/** New memory of this process's own, for reading and writing. */
	static Result<Mapping> anonymous(uint64_t bytes);

	Mapping() = default;
	Mapping(Mapping &&other) noexcept;
	Mapping &operator=(Mapping &&other) noexcept;
	Mapping(const Mapping &) = delete;
	Mapping &operator=(const Mapping &) = delete;
	~Mapping() { reset(); }

	bool valid() const { return base_ != nullptr; }
	uint64_t bytes() const { return bytes_; }
	char *data() const { return static_cast<char *>(base_); }

	/* GPU memory changes behind the compiler's back. */
	uint64_t load64(uint64_t offset) const { return *reinterpret_cast<const volatile uint64_t *>(data() + offset); }
	void store64(uint64_t offset, uint64_t value) const
	{
		*reinterpret_cast<volatile uint64_t *>(data() + offset) = value;
	}
	uint32_t load32(uint64_t offset) const { return *reinterpret_cast<const volatile uint32_t *>(data() + offset); }

private:
	Mapping(void *base, uint64_t bytes) : base_(base), bytes_(bytes) {}
	void reset() noexcept;

	void *base_ = nullptr;
	uint64_t bytes_ = 0;
};

} // namespace drmsqueeze
