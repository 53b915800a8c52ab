// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a CSF Mali: the life cycle of groups.
 *
 * A group has a slot from START or RESUME until SUSPEND or TERMINATE. SUSPEND stores all that its queues are in the midst of
 * in the group's suspend buffer, in the MCU's address space, so a group may come back in another slot, and what the driver
 * loses of that memory is lost. Requests are answered in the write to the doorbell.
 *
 * A bit of a request is pending while it differs between the input's REQ and the output's ACK. The kernel asks by making it
 * differ and the firmware answers by making it equal; with events it is the other way round (panthor_fw.h,
 * panthor_fw_toggle_reqs()). An event that the kernel has not seen yet is not raised a second time.
 *
 * [A] SUSPEND and TERMINATE are possible at any time, also while a queue waits for a chunk or is stalled on a fault.
 * [A] IDLE is raised at once when the last queue has nothing to do or waits for a sync object.
 * [K] START and RESUME set each queue's ACK to its REQ, which also takes back events of the slot's former group.
 */
#include <linux/bitfield.h>
#include <linux/vmalloc.h>

#include "mali_csf_group.h"

#define CSF_GROUP_REQUESTS	(CSG_STATE | CSG_ENDPOINT_CONFIG | CSG_STATUS_UPDATE)
#define CSF_CONTEXT_MAGIC	0x20465343

/* Steps of instructions that are executed with the lock held, and so with interrupts off; some 100 us on an emulated CPU. */
#define CSF_STEPS_AT_ONCE	64

/* A group that has used up so many slices in a row is in an endless loop, and must not take a CPU for itself. */
#define CSF_SLICES_BUSY		256
#define CSF_BUSY_PAUSE_US	200

#define for_each_queue(queue, group) \
	for (queue = (group)->queues; queue < (group)->queues + CSF_NUM_CS; queue++)
#define for_each_group(group, csf) \
	for (group = (csf)->groups; group < (csf)->groups + CSF_NUM_CSG; group++)

static u64 csf_group_input(const struct csf_group *group)
{
	return CSF_CSG_INPUT(group->index);
}

static u64 csf_group_output(const struct csf_group *group)
{
	return CSF_CSG_OUTPUT(group->index);
}

/* An event, without what may be planted for it. */
static void csf_group_post(struct csf_group *group, u32 event)
{
	struct mali_csf *csf = group->csf;
	u32 req = csf_mcu_get(csf, csf_group_input(group) + CSG_REQ);
	u32 ack = csf_mcu_get(csf, csf_group_output(group) + CSG_ACK);

	/*
	 * What the kernel has not seen yet it will look at after this, with all that was written before: the event need not
	 * be raised again for that.
	 */
	event &= ~(req ^ ack);
	if (event) {
		csf_mcu_set(csf, csf_group_output(group) + CSG_ACK, ack ^ event);
		csf_raise_job(csf, JOB_INT_CSG_IF(group->index));
	}
}

void csf_group_event(struct csf_group *group, u32 event)
{
	struct gpu_model *gm = &group->csf->gm;
	u64 value;

	if (event == CSG_SYNC_UPDATE)
		gm->counters[CSF_SYNC_UPDATES]++;
	else if (event == CSG_IDLE)
		gm->counters[CSF_IDLE_EVENTS]++;

	if (gpu_model_fault_hit(gm, CSF_FAULT_REPEAT_EVENT, &value))
		group->repeated |= event;
	if (gpu_model_fault_hit(gm, CSF_FAULT_DELAY_EVENT, &value)) {
		group->delayed |= event;
		group->delayed_due = ktime_add_us(ktime_get(), value);
		gpu_model_kick(gm);
		return;
	}
	csf_group_post(group, event);
}

static bool csf_group_all_idle(struct csf_group *group)
{
	struct csf_queue *queue;

	for_each_queue(queue, group) {
		if (!csf_queue_idle(queue))
			return false;
	}
	return true;
}

static void csf_group_report(struct csf_group *group)
{
	bool idle = csf_group_all_idle(group);
	struct csf_queue *queue;

	for_each_queue(queue, group)
		csf_queue_report(queue);
	csf_mcu_set(group->csf, csf_group_output(group) + CSG_STATUS_STATE, idle ? CSG_STATUS_STATE_IS_IDLE : 0);
	/* The kernel now knows that the group is busy, and is to be told when that changes. */
	if (!idle)
		group->idle = false;
}

static void csf_group_start(struct csf_group *group, bool resume)
{
	struct mali_csf *csf = group->csf;
	struct csf_queue *queue;

	csf->gm.counters[resume ? CSF_GROUP_RESUMES : CSF_GROUP_STARTS]++;
	group->as = csf_mcu_get(csf, csf_group_input(group) + CSG_CONFIG);
	group->suspend_buf = csf_mcu_get64(csf, csf_group_input(group) + CSG_SUSPEND_BUF);
	group->running = true;
	group->idle = false;
	group->delayed = 0;
	group->repeated = 0;

	for_each_queue(queue, group) {
		static struct csf_context saved;	/* too large for the stack; under the lock */
		u32 req = csf_mcu_get(csf, csf_queue_input(queue) + CS_REQ);
		u64 va = group->suspend_buf + queue->index * sizeof(saved);

		csf_queue_clear(queue);
		csf_mcu_set(csf, csf_queue_output(queue) + CS_ACK, req);
		if (FIELD_GET(CS_STATE, req) != CS_STATE_START)
			continue;
		if (!resume) {
			csf_queue_start(queue, NULL);
		} else if (csf_mcu_read(csf, va, &saved, sizeof(saved)) && saved.magic == CSF_CONTEXT_MAGIC &&
			   saved.depth <= CSF_CALL_DEPTH && saved.handler_depth <= CSF_CALL_DEPTH) {
			csf_queue_start(queue, saved.started ? &saved : NULL);
		} else {
			gpu_model_unsupported(&csf->gm, "group %u resumes, but nothing was saved for queue %u", group->index,
					      queue->index);
			csf_queue_start(queue, NULL);
			csf_queue_fatal(queue, CSF_EXCEPTION_FW_INTERNAL_ERROR, va);
		}
	}
}

static void csf_group_stop(struct csf_group *group, bool suspend)
{
	struct mali_csf *csf = group->csf;
	struct csf_queue *queue;

	if (suspend)
		csf_group_report(group);
	csf->gm.counters[suspend ? CSF_GROUP_SUSPENDS : CSF_GROUP_TERMINATIONS]++;
	for_each_queue(queue, group) {
		if (suspend) {
			csf_queue_save(queue);
			queue->ctx.magic = CSF_CONTEXT_MAGIC;
			csf_mcu_write(csf, group->suspend_buf + queue->index * sizeof(queue->ctx), &queue->ctx,
				      sizeof(queue->ctx));
		}
		csf_queue_clear(queue);
	}
	group->running = false;
}

static void csf_group_state(struct csf_group *group, u32 state)
{
	if (state == CSG_STATE_START || state == CSG_STATE_RESUME) {
		if (group->running)
			gpu_model_unsupported(&group->csf->gm, "slot %u is given to a group while it has one", group->index);
		csf_group_start(group, state == CSG_STATE_RESUME);
	} else if (state == CSG_STATE_SUSPEND || state == CSG_STATE_TERMINATE) {
		if (group->running)
			csf_group_stop(group, state == CSG_STATE_SUSPEND);
	} else {
		gpu_model_unsupported(&group->csf->gm, "state %u of group %u", state, group->index);
	}
}

void csf_group_request(struct mali_csf *csf, u32 g)
{
	struct csf_group *group = &csf->groups[g];
	struct csf_queue *queue;
	u32 req, ack, rung;

	req = csf_mcu_get(csf, csf_group_input(group) + CSG_REQ);
	ack = csf_mcu_get(csf, csf_group_output(group) + CSG_ACK);
	if ((req ^ ack) & CSG_STATE)
		csf_group_state(group, FIELD_GET(CSG_STATE, req));

	rung = csf_mcu_get(csf, csf_group_input(group) + CSG_DOORBELL_REQ);
	csf_mcu_set(csf, csf_group_output(group) + CSG_DOORBELL_ACK, rung);
	for_each_queue(queue, group) {
		if (group->running)
			csf_queue_request(queue);
	}

	if ((req ^ ack) & CSG_STATUS_UPDATE)
		csf_group_report(group);
	if ((req ^ ack) & CSF_GROUP_REQUESTS) {
		ack = csf_mcu_get(csf, csf_group_output(group) + CSG_ACK);
		csf_mcu_set(csf, csf_group_output(group) + CSG_ACK, (ack & ~CSF_GROUP_REQUESTS) | (req & CSF_GROUP_REQUESTS));
		csf_raise_job(csf, JOB_INT_CSG_IF(g));
	}

	if (group->repeated & ~(req ^ ack)) {
		u32 again = group->repeated & ~(req ^ ack);

		group->repeated &= ~again;
		csf_group_post(group, again);
	}
	gpu_model_kick(&csf->gm);
}

void csf_user_doorbell(struct mali_csf *csf, u32 g)
{
	struct csf_queue *queue;

	for_each_queue(queue, &csf->groups[g])
		csf_queue_doorbell(queue);
	gpu_model_kick(&csf->gm);
}

/* A sync object was written to: by whatever address, some queue may have waited for it. */
void csf_groups_sync_written(struct mali_csf *csf)
{
	struct csf_group *group;
	struct csf_queue *queue;

	for_each_group(group, csf) {
		for_each_queue(queue, group)
			csf_queue_sync_written(queue);
	}
	gpu_model_kick(&csf->gm);
}

/* The heap that a queue works with has a free chunk, or one fragment job less to wait for. */
void csf_groups_chunk_freed(struct csf_queue *by)
{
	struct mali_csf *csf = by->csf;
	struct csf_group *group;
	struct csf_queue *queue;

	for_each_group(group, csf) {
		for_each_queue(queue, group) {
			if (queue->ctx.block == CSF_OOM_FRAGMENT && group->as == by->group->as &&
			    queue->ctx.heap == by->ctx.heap)
				queue->ctx.block = CSF_RUNNING;
		}
	}
	gpu_model_kick(&csf->gm);
}

/* [A] What was stalled on the address space's fault cannot go on. */
void csf_as_unmapped(struct mali_csf *csf, u32 as)
{
	struct csf_group *group;
	struct csf_queue *queue;

	for_each_group(group, csf) {
		for_each_queue(queue, group) {
			if (group->running && group->as == as && queue->ctx.block == CSF_MMU_FAULT)
				csf_queue_fatal(queue, CSF_EXCEPTION_CS_BUS_FAULT, 0);
		}
	}
}

static unsigned int csf_groups_runnable(struct mali_csf *csf)
{
	struct csf_group *group;
	struct csf_queue *queue;
	unsigned int n = 0;

	for_each_group(group, csf) {
		for_each_queue(queue, group)
			n += csf_queue_runnable(queue);
	}
	return n;
}

/* Executes steps of a group's queues; returns when it wants to be called again. */
static ktime_t csf_group_work(struct csf_group *group, unsigned int steps, ktime_t now)
{
	ktime_t again = KTIME_MAX;
	struct csf_queue *queue;
	bool busy = false;
	unsigned int i;

	for_each_queue(queue, group) {
		again = min(again, csf_queue_timers(queue, now));
		for (i = 0; i < steps && csf_queue_runnable(queue); i++) {
			csf_stream_step(queue);
			group->idle = false;
		}
		busy |= csf_queue_runnable(queue);
		/* A step may have begun something that takes time. */
		again = min(again, csf_queue_timers(queue, now));
	}

	if (group->delayed && ktime_before(now, group->delayed_due)) {
		again = min(again, group->delayed_due);
	} else if (group->delayed) {
		csf_group_post(group, group->delayed);
		group->delayed = 0;
	}

	if (!busy && !group->idle && csf_group_all_idle(group)) {
		group->idle = true;
		csf_group_event(group, CSG_IDLE);
	} else if (!csf_group_all_idle(group)) {
		group->idle = false;
	}

	group->slices = busy ? group->slices + 1 : 0;
	if (busy)
		again = min(again, group->slices < CSF_SLICES_BUSY ? 0 : ktime_add_us(now, CSF_BUSY_PAUSE_US));
	return again;
}

ktime_t csf_groups_work(struct mali_csf *csf)
{
	unsigned int steps = max(CSF_STEPS_AT_ONCE / max(csf_groups_runnable(csf), 1u), 2u);
	ktime_t now = ktime_get(), again = KTIME_MAX;
	struct csf_group *group;

	for_each_group(group, csf) {
		if (group->running)
			again = min(again, csf_group_work(group, steps, now));
	}
	/* What one group did may have let another one go on, which had its turn already. */
	if (again == KTIME_MAX && csf_groups_runnable(csf))
		again = 0;
	return again;
}

/* Planted delays end at once. */
void csf_groups_fault_planted(struct mali_csf *csf, enum csf_fault fault)
{
	struct csf_group *group;
	struct csf_queue *queue;
	ktime_t now = ktime_get();

	if (csf->gm.faults[fault].nth)
		return;
	for_each_group(group, csf) {
		if (fault == CSF_FAULT_DELAY_EVENT)
			group->delayed_due = now;
		for_each_queue(queue, group) {
			if (fault == CSF_FAULT_DELAY_JOB && queue->until)
				queue->until = now;
			if (fault == CSF_FAULT_DELAY_OOM && queue->oom_due)
				queue->oom_due = now;
			if (fault == CSF_FAULT_DELAY_ANSWER && queue->answer_due)
				queue->answer_due = now;
		}
	}
	gpu_model_kick(&csf->gm);
}

void csf_groups_reset(struct mali_csf *csf)
{
	struct csf_group *group;
	struct csf_queue *queue;

	for_each_group(group, csf) {
		group->running = false;
		group->delayed = 0;
		group->repeated = 0;
		for_each_queue(queue, group)
			csf_queue_clear(queue);
	}
}

/* The driver suspends all groups before it halts the MCU; one that it has forgotten is lost. */
void csf_groups_park(struct mali_csf *csf)
{
	struct csf_group *group;

	for_each_group(group, csf) {
		if (group->running)
			gpu_model_unsupported(&csf->gm, "the MCU is halted while slot %u has a group", group->index);
	}
	csf_groups_reset(csf);
}

int csf_groups_init(struct mali_csf *csf)
{
	struct csf_group *group;
	struct csf_queue *queue;

	BUILD_BUG_ON(sizeof(struct csf_context) * CSF_NUM_CS > CSF_SUSPEND_SIZE);

	csf->groups = vzalloc(array_size(CSF_NUM_CSG, sizeof(*csf->groups)));
	if (!csf->groups)
		return -ENOMEM;
	for_each_group(group, csf) {
		group->csf = csf;
		group->index = group - csf->groups;
		for_each_queue(queue, group) {
			queue->csf = csf;
			queue->group = group;
			queue->index = queue - group->queues;
		}
	}
	return 0;
}

void csf_groups_fini(struct mali_csf *csf)
{
	vfree(csf->groups);
}
