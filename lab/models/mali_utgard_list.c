// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a Mali-400: what GP and PPs have in common, the life of a job and the execution of its list
 * (mali_utgard_list.h: shorthand for the lists of the hardware, none of which is modelled).
 *
 * Lists are executed in the worker, a bounded number of commands at a time. All accesses of a command are translated
 * before its first effect, so one that stalled on a fault starts over with nothing done twice.
 */
#include <linux/bitfield.h>
#include <linux/ktime.h>

#include "mali_utgard.h"

/* Commands, or blocks of one, executed with the lock held. */
#define UTGARD_AT_ONCE	32

void utgard_unit_post(struct utgard *ut, unsigned int n, u32 events)
{
	u64 unused;

	gpu_model_irq_post(utgard_unit_irq(ut, n), events,
			   gpu_model_fault_hit(&ut->gm, UTGARD_FAULT_LOSE_INTERRUPT, &unused));
}

void utgard_unit_start(struct utgard *ut, unsigned int n, u32 at)
{
	struct utgard_unit *unit = &ut->unit[n];
	u64 value;

	unit->active = true;
	unit->waiting = false;
	unit->at = at;
	unit->never_finish = gpu_model_fault_hit(&ut->gm, UTGARD_FAULT_NEVER_FINISH, &value);
	unit->finish_now = gpu_model_fault_hit(&ut->gm, UTGARD_FAULT_FINISH_WITH_EVENTS, &value);
	if (unit->finish_now)
		unit->finish_events = value;
	unit->not_before = 0;
	if (gpu_model_fault_hit(&ut->gm, UTGARD_FAULT_DELAY_JOB, &value))
		unit->not_before = ktime_add_us(ktime_get(), value);
	ut->gm.counters[UTGARD_JOBS_STARTED]++;
	gpu_model_kick(&ut->gm);
}

void utgard_unit_end(struct utgard *ut, unsigned int n, u32 events, bool well)
{
	ut->unit[n].active = false;
	if (n == 0)
		ut->gp.status &= ~(GP_STATUS_VS | GP_STATUS_PLBU);
	ut->gm.counters[well ? UTGARD_JOBS_DONE : UTGARD_JOBS_FAILED]++;
	utgard_unit_post(ut, n, events);
}

void utgard_unit_reset(struct utgard *ut, unsigned int n)
{
	memset(&ut->unit[n], 0, sizeof(ut->unit[n]));
}

/* All that GP and PPs write goes through here. */
void utgard_unit_store(struct utgard *ut, void *to, u64 value)
{
	u64 mask;

	if (gpu_model_fault_hit(&ut->gm, UTGARD_FAULT_CORRUPT_WRITE, &mask))
		value ^= mask;
	memcpy(to, &value, sizeof(value));
	ut->gm.counters[UTGARD_WRITES]++;
}

/*
 * The command at unit->at, up to its end. 0: go on behind it. -EAGAIN: wait for the MMU. -EINPROGRESS: a block was taken,
 * there is more to the command. -ENOSPC: no heap is left. -EFAULT: nothing lies there. -EINVAL: no such command.
 * -ENODATA: the end of the list.
 */
int utgard_unit_execute(struct utgard *ut, unsigned int n)
{
	struct utgard_unit *unit = &ut->unit[n];
	struct utgard_command command;
	void *list, *to, *from = NULL;
	int ret;

	if (!IS_ALIGNED(unit->at, sizeof(command)))
		return -EINVAL;
	ret = utgard_mmu_access(ut, n, unit->at, UTGARD_READ, &list);
	if (ret)
		return ret;
	/* Copied, since user space can write to it while it is looked at. */
	memcpy(&command, list, sizeof(command));

	switch (FIELD_GET(UTGARD_LIST_KIND, command.op)) {
	case UTGARD_LIST_END:
		return -ENODATA;
	case UTGARD_LIST_TAKE:
		if (n != 0)
			return -EINVAL;
		break;
	case UTGARD_LIST_COPY:
		if (!IS_ALIGNED(command.value, sizeof(u64)))
			return -EINVAL;
		ret = utgard_mmu_access(ut, n, command.value, UTGARD_READ, &from);
		if (ret)
			return ret;
		fallthrough;
	case UTGARD_LIST_WRITE:
		if (!IS_ALIGNED(command.address, sizeof(u64)))
			return -EINVAL;
		ret = utgard_mmu_access(ut, n, command.address, UTGARD_WRITE, &to);
		if (ret)
			return ret;
		break;
	default:
		gpu_model_unsupported(&ut->gm, "command 0x%x in a list", command.op);
		return -EINVAL;
	}
	/* It is marked as done only where that can be written to. */
	ret = utgard_mmu_access(ut, n, unit->at, UTGARD_WRITE, &list);
	if (ret)
		return ret;

	if (FIELD_GET(UTGARD_LIST_KIND, command.op) == UTGARD_LIST_TAKE) {
		ret = utgard_gp_take(ut, &command);
		if (ret)
			return ret;
	} else {
		utgard_unit_store(ut, to, from ? READ_ONCE(*(u64 *)from) : command.value);
	}
	WRITE_ONCE(((struct utgard_command *)list)->op, command.op | UTGARD_LIST_DONE);
	ut->gm.counters[UTGARD_COMMANDS]++;
	unit->at += sizeof(command);
	return 0;
}

static bool utgard_unit_runnable(const struct utgard *ut, unsigned int n)
{
	const struct utgard_unit *unit = &ut->unit[n];

	return unit->active && !unit->waiting && !unit->never_finish && !unit->bus_stopped &&
	       !(n == 0 && ut->gp.out_of_memory);
}

static void utgard_unit_step(struct utgard *ut, unsigned int n)
{
	if (ut->unit[n].finish_now)
		utgard_unit_end(ut, n, ut->unit[n].finish_events, false);
	else if (n == 0)
		utgard_gp_step(ut);
	else
		utgard_pp_step(ut, n - 1);
}

/* Executes a bounded piece of every unit's list; returns when there is more to do. */
ktime_t utgard_units_work(struct utgard *ut)
{
	ktime_t again = KTIME_MAX;
	unsigned int n, i;

	for (n = 0; n < 1 + ut->num_pp; n++) {
		struct utgard_unit *unit = &ut->unit[n];

		if (utgard_unit_runnable(ut, n) && unit->not_before && ktime_before(ktime_get(), unit->not_before)) {
			again = min(again, unit->not_before);
			continue;
		}
		for (i = 0; i < UTGARD_AT_ONCE && utgard_unit_runnable(ut, n); i++)
			utgard_unit_step(ut, n);
		if (utgard_unit_runnable(ut, n))
			again = 0;
	}
	return again;
}

/* Jobs that are being delayed go on at once. */
void utgard_units_end_delays(struct utgard *ut)
{
	unsigned int n;

	for (n = 0; n < UTGARD_UNITS; n++)
		ut->unit[n].not_before = 0;
	gpu_model_kick(&ut->gm);
}
