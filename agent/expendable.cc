/* SPDX-License-Identifier: MIT */
#include "agent/expendable.h"

#include <cstring>
#include <memory>
#include <pthread.h>
#include <unistd.h>

#include "agent/clock.h"

namespace drmsqueeze
{

namespace
{

constexpr size_t kStack = 128 * 1024;

enum : uint32_t { kWaits, kRuns, kDone };

void *run_body(void *argument)
{
	std::unique_ptr<std::function<void()>> body(static_cast<std::function<void()> *>(argument));
	(*body)();
	return nullptr;
}

} // namespace

Status start_thread(std::function<void()> body)
{
	auto own = std::make_unique<std::function<void()>>(std::move(body));
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, kStack);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_t thread{};
	int error = pthread_create(&thread, &attributes, run_body, own.get());
	pthread_attr_destroy(&attributes);
	if (error)
		return Error{error, std::string("thread: ") + strerror(error)};
	static_cast<void>(own.release()); /* the thread's now */
	return {};
}

Status Expendables::add(std::string name, std::function<void()> work)
{
	Piece &piece = pieces_.emplace_back();
	piece.name = std::move(name);
	piece.work = std::move(work);
	return start_thread([&piece] {
		piece.tid.store(gettid());
		piece.state.wait(kWaits);
		piece.work();
		piece.state.store(kDone);
	});
}

void Expendables::run(int64_t limit_ns)
{
	constexpr int64_t kPoll = 2 * kNsPerMs;
	for (Piece &piece : pieces_) {
		piece.begun_ns = now_ns();
		piece.state.store(kRuns);
		piece.state.notify_one();
		while (piece.state.load() != kDone && now_ns() - piece.begun_ns < limit_ns)
			sleep_ns(kPoll);
	}
}

std::deque<const Expendables::Piece *> Expendables::blocked() const
{
	std::deque<const Piece *> found;
	for (const Piece &piece : pieces_)
		if (piece.state.load() == kRuns)
			found.push_back(&piece);
	return found;
}

} // namespace drmsqueeze
