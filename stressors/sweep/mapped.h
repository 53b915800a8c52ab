/* SPDX-License-Identifier: MIT */
/* The two operations that every mappable buffer has: mmap(), and the first touch of what it mapped. */
#pragma once

#include <cerrno>
#include <sys/mman.h>

#include "stressors/sweep/buffers.h"
#include "stressors/sweep/operation.h"

namespace drmsqueeze
{

/**
 * With the offset at which the buffer of an open file can be mapped. @MakeOffset is the step that asks for it, and
 * keeps it in offset_.
 */
template <typename MakeOffset>
class WithOffset : public MakeOffset
{
public:
	Status set_up() override
	{
		if (Status status = MakeOffset::set_up(); !status)
			return status;
		return status_of(MakeOffset::act(), "offset for mmap()");
	}

protected:
	int map_fd() const { return this->fd(); }
	uint64_t map_offset() const { return this->offset_; }
};

/** mmap() of kBufferBytes. @Base sets up a buffer that can be mapped, and says map_fd() and map_offset() of it. */
template <typename Base>
class Map : public Base
{
public:
	int act() override
	{
		view_ = mmap(nullptr, kBufferBytes, PROT_READ | PROT_WRITE, MAP_SHARED, this->map_fd(),
			     static_cast<off_t>(this->map_offset()));
		return view_ == MAP_FAILED ? errno : 0;
	}
	Status check() override
	{
		if (int error = store_byte(static_cast<char *>(view_), 1))
			return status_of(error, "write to the mapping");
		return Base::check();
	}
	~Map() override
	{
		if (view_ != MAP_FAILED)
			munmap(view_, kBufferBytes);
	}

protected:
	void *view_ = MAP_FAILED;
};

/** The page fault of the CPU that the first touch raises. */
template <typename Base>
class Touch : public Map<Base>
{
public:
	Status set_up() override
	{
		if (Status status = Base::set_up(); !status)
			return status;
		return status_of(Map<Base>::act(), "mmap");
	}
	int act() override { return store_byte(static_cast<char *>(this->view_), 1); }
};

} // namespace drmsqueeze
