/* SPDX-License-Identifier: MIT */
#include "stressors/sweep/toucher.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/process.h"

namespace drmsqueeze
{

namespace
{

struct Answer {
	int error;
	char reason[160];
};

union Control1Fd {
	char bytes[CMSG_SPACE(sizeof(int))];
	cmsghdr aligned;
};

bool send_order(int socket, size_t operation, int fd)
{
	iovec data{&operation, sizeof(operation)};
	Control1Fd control{};
	msghdr message{};
	message.msg_iov = &data;
	message.msg_iovlen = 1;
	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	}
	return sendmsg(socket, &message, 0) == sizeof(operation);
}

bool receive_order(int socket, size_t &operation, UniqueFd &fd)
{
	iovec data{&operation, sizeof(operation)};
	Control1Fd control{};
	msghdr message{};
	message.msg_iov = &data;
	message.msg_iovlen = 1;
	message.msg_control = control.bytes;
	message.msg_controllen = sizeof(control.bytes);
	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != sizeof(operation))
		return false;
	int got = -1;
	if (cmsghdr *header = CMSG_FIRSTHDR(&message); header && header->cmsg_type == SCM_RIGHTS)
		memcpy(&got, CMSG_DATA(header), sizeof(got));
	fd.reset(got);
	return true;
}

int serve(int socket)
{
	size_t operation = 0;
	UniqueFd fd;
	while (receive_order(socket, operation, fd)) {
		Status status = all_operations()[operation]->second_client(fd.get());
		fd.reset();
		Answer answer{};
		if (!status) {
			answer.error = status.error().code;
			status.error().reason.copy(answer.reason, sizeof(answer.reason) - 1);
		}
		if (send(socket, &answer, sizeof(answer), 0) != sizeof(answer))
			break;
	}
	return 0;
}

Error hung(const char *who)
{
	return Error{kHung, std::string(who) + " does not come back"};
}

} // namespace

SecondThread::SecondThread() : state_(std::make_shared<State>())
{
	thread_ = std::thread([state = state_] {
		std::unique_lock lock(state->mutex);
		for (;;) {
			state->changed.wait(lock, [&] { return state->wanted || state->over; });
			if (state->over)
				return;
			state->wanted = false;
			lock.unlock();
			Status result = state->work();
			lock.lock();
			state->result = result;
			state->done = true;
			state->changed.notify_all();
		}
	});
}

SecondThread::~SecondThread()
{
	bool busy = false;
	{
		std::lock_guard lock(state_->mutex);
		state_->over = true;
		busy = state_->work && !state_->done;
	}
	state_->changed.notify_all();
	if (busy)
		thread_.detach();
	else
		thread_.join();
}

Status SecondThread::run(const std::function<Status()> &work, int64_t limit_ns)
{
	std::unique_lock lock(state_->mutex);
	state_->work = work;
	state_->done = false;
	state_->wanted = true;
	state_->changed.notify_all();
	if (!state_->changed.wait_for(lock, std::chrono::nanoseconds(limit_ns), [&] { return state_->done; }))
		return hung("second thread");
	return state_->result;
}

Result<std::unique_ptr<SecondClient>> SecondClient::create()
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return error_of("socketpair");
	UniqueFd ours(pair[0]);
	UniqueFd theirs(pair[1]);
	auto pid = spawn("drmsq-second", kFirstOomKilled, SIGKILL, [&] {
		ours.reset();
		return serve(theirs.get());
	});
	if (!pid)
		return pid.error();
	return std::unique_ptr<SecondClient>(new SecondClient(std::move(ours)));
}

Status SecondClient::run(size_t operation, int fd, int64_t limit_ns) const
{
	Answer answer{};
	if (!send_order(socket_.get(), operation, fd))
		return error_of("second client");
	pollfd ready{socket_.get(), POLLIN, 0};
	if (poll(&ready, 1, static_cast<int>(limit_ns / kNsPerMs)) != 1)
		return hung("second client");
	if (recv(socket_.get(), &answer, sizeof(answer), 0) != sizeof(answer))
		return Error{EPIPE, "second client died"};
	if (answer.error)
		return Error{answer.error, std::string("second client: ") + answer.reason};
	return {};
}

} // namespace drmsqueeze
