/* SPDX-License-Identifier: MIT */
/* Msm's queues, and the thread that ends a job which hangs (recover_worker()). */
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "agent/clock.h"
#include "stressors/drivers/msm_stream.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/msm_job.h"

namespace drmsqueeze
{

namespace
{

constexpr const char *kGpuWorker = "gpu-worker"; /* msm_gpu_init() */
constexpr const char *kDumps = "/sys/class/devcoredump/devcd*/data";

/** Priority 1 is that of the file's default queue; another one needs an entity of the scheduler. */
template <uint32_t kPriority>
class NewQueue : public OnMsmJob
{
public:
	int act() override
	{
		drm_msm_submitqueue args{};
		args.prio = kPriority;
		int error = call(fd(), DRM_IOCTL_MSM_SUBMITQUEUE_NEW, &args);
		queue_ = args.id;
		return error;
	}
	Status check() override
	{
		if (int error = submit())
			return status_of(error, "GEM_SUBMIT");
		return was_run();
	}
};

class QueryQueue : public NewQueue<1>
{
public:
	Status set_up() override
	{
		if (Status status = NewQueue::set_up(); !status)
			return status;
		return status_of(NewQueue::act(), "SUBMITQUEUE_NEW");
	}
	int act() override
	{
		uint32_t count = 0;
		return faults(count);
	}
};

class CloseQueue : public QueryQueue
{
public:
	int act() override { return call(fd(), DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, &queue_); }
	Status check() override
	{
		return submit() == ENOENT ? Status() : Error{EIO, "the queue that was closed takes jobs"};
	}
};

/**
 * A job whose only packet ends behind its stream: the CP stops, and the driver resets it when it has waited long
 * enough. That the queue counts it is success here; what follows shows whether the GPU has come back. The driver keeps
 * the state of the GPU as it was, one at a time, until somebody throws it away.
 */
class Recover : public OnMsmJob
{
public:
	~Recover() override { throw_away(); }
	Status set_up() override
	{
		if (Status status = OnMsmJob::set_up(); !status)
			return status;
		return throw_away() ? Status() : Error{EBUSY, "the state of an earlier hang stays"};
	}
	int act() override
	{
		uint32_t before = 0;
		uint32_t after = 0;
		describe({MsmStream::packet3(MsmStream::kMemWrite, 3)});
		if (int error = faults(before))
			return error;
		if (int error = submit())
			return error;
		if (int error = wait_fence())
			return error;
		int error = faults(after);
		return error ? error : after == before + 1 ? 0 : EIO;
	}
	/** The state can be read, and jobs run. */
	Status check() override
	{
		for (const std::string &dump : Root().glob(kDumps)) {
			UniqueFd file(open(dump.c_str(), O_RDONLY | O_CLOEXEC));
			std::vector<char> text(kPage);
			ssize_t got = 1;
			while (got > 0)
				got = read(file.get(), text.data(), text.size());
			if (got < 0 && errno != ENODEV) /* somebody else has thrown it away */
				return error_of(dump.c_str());
		}
		return OnMsmBo::check();
	}

private:
	/** A work item frees it, soon (devcd_data_write(), drivers/base/devcoredump.c). */
	static bool throw_away()
	{
		constexpr int64_t kSoon = 10 * kNsPerS;
		int64_t until = now_ns() + kSoon;
		for (auto dumps = Root().glob(kDumps); !dumps.empty(); dumps = Root().glob(kDumps)) {
			UniqueFd file(open(dumps.front().c_str(), O_WRONLY | O_CLOEXEC));
			if (write(file.get(), "0", 1) < 0 && now_ns() > until)
				return false;
			sleep_ns(kNsPerMs);
		}
		return true;
	}
};

std::string unsupported()
{
	return driver_missing(kMsmName);
}

constexpr OperationType kOperations[] = {
	{"msm/submitqueue-new", make<NewQueue<1>>, unsupported, msm_works},
	{"msm/submitqueue-new-priority", make<NewQueue<0>>, unsupported, msm_works},
	{"msm/submitqueue-query", make<QueryQueue>, unsupported, msm_works},
	{"msm/submitqueue-close", make<CloseQueue>, unsupported, msm_works},
	{"msm-recover/hang", make<Recover>, unsupported, msm_works, ENOMEM, kGpuWorker},
};

} // namespace

std::span<const OperationType> msm_queue_operations()
{
	return kOperations;
}

} // namespace drmsqueeze
