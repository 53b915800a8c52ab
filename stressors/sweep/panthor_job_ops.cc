/* SPDX-License-Identifier: MIT */
/* Panthor's groups and jobs, and its probe, which boots the firmware. */
#include <cerrno>

#include "agent/clock.h"
#include "stressors/drm/platform_driver.h"
#include "stressors/sweep/buffers.h"
#include "stressors/sweep/drm_files.h"
#include "stressors/sweep/families.h"
#include "stressors/sweep/panthor_bo.h"

namespace drmsqueeze
{

namespace
{

constexpr int64_t kWait = 20 * kNsPerS;

class CreateGroup : public OnPanthor
{
public:
	int act() override { return panthor_create_group(fd(), kPanthorVm, group_); }
	Status check() override
	{
		drm_panthor_group_get_state args{};
		args.group_handle = group_;
		if (int error = call(fd(), DRM_IOCTL_PANTHOR_GROUP_GET_STATE, &args))
			return status_of(error, "GROUP_GET_STATE");
		return args.state == 0 ? Status() : Error{EIO, "a new group is in a state of failure"};
	}

protected:
	uint32_t group_ = 0;
};

class GroupGetState : public CreateGroup
{
public:
	Status set_up() override
	{
		if (Status status = CreateGroup::set_up(); !status)
			return status;
		return status_of(CreateGroup::act(), "GROUP_CREATE");
	}
	int act() override
	{
		drm_panthor_group_get_state args{};
		args.group_handle = group_;
		return call(fd(), DRM_IOCTL_PANTHOR_GROUP_GET_STATE, &args);
	}
};

class DestroyGroup : public GroupGetState
{
public:
	int act() override { return panthor_destroy_group(fd(), group_); }
	Status check() override
	{
		if (panthor_destroy_group(fd(), group_) != EINVAL)
			return Error{EIO, "the group can be destroyed twice"};
		return status_of(panthor_create_group(fd(), kPanthorVm, group_), "GROUP_CREATE");
	}
};

/** A job that writes to a buffer; the step only queues it. */
class Submit : public OnPanthorBo
{
public:
	Status set_up() override
	{
		if (Status status = OnPanthorBo::set_up(); !status)
			return status;
		auto slot = context_->create_slot(1);
		if (!slot)
			return slot.error();
		slot_ = std::move(*slot);
		const GpuWrite write{buffer_->address(), 1};
		slot_->describe({&write, 1});
		return {};
	}
	int act() override { return slot_->submit(*buffer_); }
	Status check() override
	{
		if (int error = slot_->wait(now_ns() + kWait))
			return status_of(error, "wait for the job");
		auto error = slot_->fence_error();
		if (!error)
			return error.error();
		if (*error)
			return status_of(*error, "the job's fence");
		if (slot_->writes_done() != 1)
			return Error{EIO, "the out-fence signals, but the job was never run"};
		return OnPanthorBo::check();
	}

private:
	std::unique_ptr<JobSlot> slot_;
};

/** Found before the first round: nobody finds it while one has it unbound. */
Result<PlatformDriver> &platform_driver()
{
	static auto driver = PlatformDriver::find(Root(), kPanthorName);
	return driver;
}

/** Clocks, OPPs, interrupts, the firmware's file and its sections, the boot of the MCU, workqueues, the DRM device. */
class Probe : public Operation
{
public:
	Status set_up() override { return status_of(platform_driver()->unbind(), "unbind"); }
	int act() override
	{
		int error = platform_driver()->bind();
		bound_ = error == 0;
		return error;
	}
	Status check() override { return panthor_works(-1); }
	/** For whatever comes next. */
	~Probe() override
	{
		if (!bound_)
			platform_driver()->bind();
	}

private:
	bool bound_ = false;
};

std::string unsupported()
{
	return driver_missing(kPanthorName);
}

std::string cannot_be_bound()
{
	if (std::string reason = unsupported(); !reason.empty())
		return reason;
	return platform_driver() ? "" : platform_driver().error().reason;
}

constexpr OperationType kOperations[] = {
	{"panthor/group-create", make<CreateGroup>, unsupported, panthor_works},
	{"panthor/group-get-state", make<GroupGetState>, unsupported, panthor_works},
	{"panthor/group-destroy", make<DestroyGroup>, unsupported, panthor_works},
	{"panthor/submit", make<Submit>, unsupported, panthor_works},
	{"panthor-probe/bind", make<Probe>, cannot_be_bound, panthor_works},
};

} // namespace

std::span<const OperationType> panthor_job_operations()
{
	return kOperations;
}

} // namespace drmsqueeze
