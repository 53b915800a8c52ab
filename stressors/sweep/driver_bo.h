/* SPDX-License-Identifier: MIT */
/* What the operations on drivers with jobs share: an open file with buffers, and a job that shows what the GPU sees. */
#pragma once

#include <memory>

#include "stressors/drivers/driver.h"
#include "stressors/sweep/operation.h"

namespace drmsqueeze
{

/**
 * A job writes to every 4 KiB page of [@address, @address + @bytes) that @buffer holds, and its fence carries no error.
 */
Status gpu_writes(Context &context, const Buffer &buffer, uint64_t address, uint64_t bytes);

/**
 * A new open file of @driver can still have a buffer and a job of its own; what else is in @dmabuf it can map, where
 * there is one (-1: none).
 */
Status driver_works(const char *driver, int dmabuf);

/** An open file of a driver, as drivers/DRIVER.cc opens it. */
class OnDriver : public Operation
{
public:
	explicit OnDriver(const char *driver) : driver_(driver) {}
	Status set_up() override;

protected:
	int fd() const { return context_->fd(); }

	std::unique_ptr<Context> context_;

private:
	const char *driver_;
};

/** With a buffer in it. */
class OnDriverBo : public OnDriver
{
public:
	using OnDriver::OnDriver;
	Status set_up() override;
	/** The CPU and the GPU write to all of it. */
	Status check() override;
	UniqueFd share() override;

protected:
	std::unique_ptr<Buffer> buffer_;
};

} // namespace drmsqueeze
