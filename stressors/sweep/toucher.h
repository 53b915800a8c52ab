/* SPDX-License-Identifier: MIT */
/* Who else touches what an operation left: a second thread and a second client, both under a watchdog. */
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "agent/result.h"
#include "agent/unique_fd.h"
#include "stressors/sweep/operation.h"

namespace drmsqueeze
{

/** The error code of a touch that did not come back. */
inline constexpr int kHung = ETIME;

/** A thread that does one thing at a time. */
class SecondThread
{
public:
	SecondThread();
	~SecondThread(); /* leaves behind a thread that hangs */

	/** What @work says, or kHung after @limit_ns: then never to be used again. */
	Status run(const std::function<Status()> &work, int64_t limit_ns);

private:
	struct State {
		std::mutex mutex;
		std::condition_variable changed;
		std::function<Status()> work;
		Status result;
		bool wanted = false;
		bool done = false;
		bool over = false;
	};

	std::shared_ptr<State> state_; /* the thread's too, as long as it lives */
	std::thread thread_;
};

/** A process with open files of its own, made before the sweep; dies with its parent. */
class SecondClient
{
public:
	static Result<std::unique_ptr<SecondClient>> create();

	/** The operation's second_client() there, with a copy of @fd; kHung after @limit_ns. */
	Status run(size_t operation, int fd, int64_t limit_ns) const;

private:
	explicit SecondClient(UniqueFd socket) : socket_(std::move(socket)) {}

	UniqueFd socket_;
};

} // namespace drmsqueeze
