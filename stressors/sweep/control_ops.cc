/* SPDX-License-Identifier: MIT */
/*
 * Operations that are wrong on purpose, one for each thing that the sweep must notice, and one that is right. The step
 * of all is eventfd(); "wrong" is what they do after its error, in user space, where a driver would do it in the
 * kernel.
 */
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/clock.h"
#include "stressors/sweep/families.h"

namespace drmsqueeze
{

namespace
{

class Clean : public Operation
{
public:
	int act() override { return keep(eventfd(0, EFD_CLOEXEC), file_); }
	Status check() override { return status_of(file_.valid() ? 0 : EBADF, "eventfd"); }

protected:
	UniqueFd file_;
};

class Leak : public Clean
{
public:
	int act() override
	{
		int error = Clean::act();
		/* An open file that nobody knows of any more. */
		if (error && eventfd(0, EFD_CLOEXEC) < 0)
			return errno;
		return error;
	}
};

/**
 * Pages that nobody knows of any more: what was written to a pipe lies in pages without a counter of their own. More
 * than one, so that what else a machine allocates meanwhile does not decide.
 */
class LeakPages : public Clean
{
public:
	int act() override
	{
		static constexpr std::array<char, 4 * 4096> kPages{};
		int error = Clean::act();
		int ends[2];
		if (error && (pipe2(ends, O_CLOEXEC) != 0 || write(ends[1], kPages.data(), kPages.size()) < 0))
			return errno;
		return error;
	}
};

class WrongErrno : public Clean
{
public:
	int act() override { return Clean::act() ? EBADF : 0; }
};

class NotReported : public Clean
{
public:
	int act() override { return static_cast<void>(Clean::act()), 0; }
};

class RetryFails : public Clean
{
public:
	int act() override
	{
		int error = std::exchange(failed_, EBUSY);
		return error ? error : (failed_ = Clean::act());
	}

private:
	int failed_ = 0;
};

class Hang : public Clean
{
public:
	int act() override
	{
		int error = Clean::act();
		failed_ |= error != 0;
		return error;
	}
	Status check() override
	{
		constexpr int64_t kForever = 3600 * kNsPerS;
		if (failed_)
			sleep_ns(kForever);
		return Clean::check();
	}

private:
	bool failed_ = false;
};

/** As an oops ends the thread that runs into it, and no other of its process. */
class Dies : public Clean
{
public:
	int act() override
	{
		int error = Clean::act();
		if (error)
			syscall(SYS_exit, 0);
		return error;
	}
};

std::string supported()
{
	return {};
}

Status refuse(int)
{
	return Error{EPERM, "refused on purpose"};
}

constexpr OperationType kOperations[] = {
	{"control/clean", make<Clean>, supported, nullptr},
	{"control/leak", make<Leak>, supported, nullptr},
	{"control/leak-pages", make<LeakPages>, supported, nullptr},
	{"control/wrong-errno", make<WrongErrno>, supported, nullptr},
	{"control/not-reported", make<NotReported>, supported, nullptr},
	{"control/retry-fails", make<RetryFails>, supported, nullptr},
	{"control/second-client", make<Clean>, supported, refuse},
	{"control/hang", make<Hang>, supported, nullptr},
	{"control/dies", make<Dies>, supported, nullptr},
};

} // namespace

std::span<const OperationType> control_operations()
{
	return kOperations;
}

} // namespace drmsqueeze
