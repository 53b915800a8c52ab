/* SPDX-License-Identifier: MIT */
/*
 * Lima's jobs: their submit, the work item of the scheduler that starts them (lima_sched_run_job()), and the one that
 * ends them when they are at fault (lima_sched_timedout_job()).
 */
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "agent/clock.h"
#include "stressors/sweep/buffers.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/lima_bo.h"

namespace drmsqueeze
{

namespace
{

constexpr int64_t kWait = 20 * kNsPerS;
constexpr const char *kSubmitters = "kworker/u*";        /* the scheduler's own ordered queue, unbound */
constexpr const char *kSystemWorkers = "kworker/[0-9]*"; /* system_wq: timeouts, and growths of heaps */
constexpr const char *kErrorTasks = "/sys/module/lima/parameters/max_error_tasks";
constexpr uint64_t kNowhere = 0xf0000000; /* far above what a file of few buffers has mapped */

/** A job that writes to a buffer which a job before it has used. The step only queues it. */
template <GpuQueue kQueue>
class Submit : public OnLimaBo
{
public:
	Status set_up() override
	{
		if (Status status = OnLimaBo::set_up(); !status)
			return status;
		if (Status status = gpu_writes(*context_, *buffer_, buffer_->address(), kBufferBytes); !status)
			return status;
		auto slot = context_->create_slot(1);
		if (!slot)
			return slot.error();
		slot_ = std::move(*slot);
		if (Status status = slot_->choose_queue(kQueue); !status)
			return status;
		describe(buffer_->address());
		return {};
	}
	int act() override { return slot_->submit(*buffer_); }
	Status check() override
	{
		if (Status status = was_run(); !status)
			return status;
		return buffer_works();
	}

protected:
	Status buffer_works() { return OnLimaBo::check(); }
	void describe(uint64_t address)
	{
		const GpuWrite write{address, 1};
		slot_->describe({&write, 1});
	}
	Status was_run()
	{
		if (int error = slot_->end(now_ns() + kWait))
			return status_of(error, "the job");
		return slot_->writes_done() ? Status() : Error{EIO, "the out-fence signals, but the job was never run"};
	}

	std::unique_ptr<JobSlot> slot_;
};

/** The step waits for the job. */
template <GpuQueue kQueue>
class Run : public Submit<kQueue>
{
public:
	int act() override
	{
		this->describe(this->buffer_->address());
		return this->slot_->run(*this->buffer_, now_ns() + kWait);
	}
};

/**
 * A job that writes where nothing is mapped: the MMU says so, and the driver ends it at once by its timeout handler.
 * That it ends so is success here; what follows shows whether the GPU has come back.
 */
class Recover : public Submit<GpuQueue::fragment>
{
public:
	int act() override
	{
		describe(kNowhere);
		int error = slot_->run(*buffer_, now_ns() + kWait);
		return error == ECANCELED ? 0 : error ? error : EIO;
	}
	Status check() override { return buffer_works(); }
	Status check_after_failure() override { return check(); }
};

/** With the job's state kept, until it is thrown away by a write to the same file that it could be read from. */
class RecoverDump : public Recover
{
public:
	~RecoverDump() override
	{
		for (const std::string &file : Root().glob("/sys/bus/platform/drivers/lima/*/error"))
			if (UniqueFd fd(open(file.c_str(), O_WRONLY | O_CLOEXEC)); write(fd.get(), "0", 1) < 0)
				return;
	}
};

std::string unsupported()
{
	return driver_missing(kLimaName);
}

std::string keeps_no_state()
{
	if (std::string reason = unsupported(); !reason.empty())
		return reason;
	auto tasks = Root().number(kErrorTasks);
	return tasks && *tasks ? "" : "lima.max_error_tasks is 0 (option of the injector fail-nth)";
}

constexpr OperationType kOperations[] = {
	{"lima/submit-gp", make<Submit<GpuQueue::geometry>>, unsupported, lima_works},
	{"lima/submit-pp", make<Submit<GpuQueue::fragment>>, unsupported, lima_works},
	{"lima-job/run-gp", make<Run<GpuQueue::geometry>>, unsupported, lima_works, ENOMEM, kSubmitters},
	{"lima-job/run-pp", make<Run<GpuQueue::fragment>>, unsupported, lima_works, ENOMEM, kSubmitters},
	{"lima-recover/fault", make<Recover>, unsupported, lima_works, ENOMEM, kSystemWorkers},
	{"lima-recover/fault-dump", make<RecoverDump>, keeps_no_state, lima_works, ENOMEM, kSystemWorkers},
};

} // namespace

std::span<const OperationType> lima_job_operations()
{
	return kOperations;
}

} // namespace drmsqueeze
