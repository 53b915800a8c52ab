/* SPDX-License-Identifier: MIT */
/*
 * One thing that user space asks of the kernel, written so that each of its allocations can be made to fail: everything
 * before and after the one step is done un-armed, on fresh objects. A family of operations is one file beside this one,
 * which ends in its table.
 */
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/result.h"
#include "agent/unique_fd.h"

namespace drmsqueeze
{

/** One use of an operation; the destructor closes everything that it has. */
class Operation
{
public:
	virtual ~Operation() = default;

	/** Makes what the step needs. */
	virtual Status set_up() { return {}; }

	/**
	 * The step: straight-line system calls. 0 or a positive errno. It is called once more, with nothing armed and
	 * in a second thread, when the first call failed, and is then to succeed.
	 */
	virtual int act() = 0;

	/** Is there what a success promises, and does it work? Called in a second thread. */
	virtual Status check() { return {}; }

	/** What is to hold although the retry has failed as well; in the second thread too. */
	virtual Status check_after_failure() { return {}; }

	/** What another process can be handed, a dma-buf or a sync file; none: it has to do with its own. */
	virtual UniqueFd share() { return {}; }
};

/** For OperationType::make. */
template <typename Kind>
std::unique_ptr<Operation> make()
{
	return std::make_unique<Kind>();
}

struct OperationType {
	const char *name; /* FAMILY/OPERATION */
	std::unique_ptr<Operation> (*make)();

	/** Empty, or why it cannot be done on this machine. */
	std::string (*unsupported)();

	/** A process with open files of its own does something with @fd, or, where it is -1, with what it makes. */
	Status (*second_client)(int fd);

	/** The error that the step is to have when an allocation fails. */
	int error = ENOMEM;

	/**
	 * The thread of the kernel that allocates (pattern), or those of which one will: workers of a pool; nullptr:
	 * the caller.
	 */
	const char *thread = nullptr;
};

std::span<const OperationType *const> all_operations();

/* What families share. */

/** ioctl() without libdrm's loop over EINTR and EAGAIN: 0 or errno. */
int call(int fd, unsigned long request, void *argument);

/** 0, or errno when @fd is none; keeps the descriptor. */
int keep(int fd, UniqueFd &kept);

/** An error that says what could not be done; success for @error 0. */
Status status_of(int error, const std::string &what);

/** Writes one byte to memory that may not be there: 0, or EFAULT for SIGBUS. */
int store_byte(volatile char *address, char value);

} // namespace drmsqueeze
