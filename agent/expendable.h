/* SPDX-License-Identifier: MIT */
/*
 * Work that may never come back, such as reading a file whose lock is held by what hangs: each piece has a thread of
 * its own, made beforehand, and whoever gave it away goes on after a limit. A thread that is blocked stays so; its
 * process must be one that nobody waits for.
 */
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <sys/types.h>

#include "agent/result.h"

namespace drmsqueeze
{

/** Starts a detached thread whose stack is small: with mlockall() the usual 8 MiB would be locked as well. */
Status start_thread(std::function<void()> body);

class Expendables
{
public:
	struct Piece {
		std::string name;
		std::function<void()> work;
		std::atomic<uint32_t> state{0}; /* waits, runs, done */
		std::atomic<pid_t> tid{0};
		int64_t begun_ns = 0;
	};

	/**
	 * Makes a thread that waits until @work is wanted. Errors are the kernel's, of a thread that could not be made.
	 */
	Status add(std::string name, std::function<void()> work);

	/** Lets every piece go in turn, and on to the next when it is through or @limit_ns have passed. */
	void run(int64_t limit_ns);

	/** Those that have begun and are not through. */
	std::deque<const Piece *> blocked() const;

private:
	std::deque<Piece> pieces_; /* never move: their threads know where they are */
};

} // namespace drmsqueeze
