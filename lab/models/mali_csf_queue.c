// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a CSF Mali: queues (command streams) as the kernel sees them: requests, events, status, faults.
 *
 * What the firmware tells the kernel of a queue is a bit of its ACK, and a bit of the group's CS_IRQ_REQ so that it looks there.
 * panthor takes CS_IRQ_REQ first and looks at the queues then (sched_process_csg_irq_locked()).
 */
#include <linux/bitfield.h>

#include "mali_csf_group.h"

/* Requests that need no more than an answer */
#define CSF_QUEUE_REQUESTS	(CS_STATE | CS_EXTRACT_EVENT | CS_IDLE_SYNC_WAIT | CS_IDLE_PROTM_PENDING | \
				 CS_IDLE_EMPTY | CS_IDLE_RESOURCE_REQ)

/* All that is known of the slot's queue is forgotten. */
void csf_queue_clear(struct csf_queue *queue)
{
	csf_heap_withdraw(queue);
	memset(&queue->ctx, 0, sizeof(*queue) - offsetof(struct csf_queue, ctx));
}

static void csf_queue_look_at_ring(struct csf_queue *queue)
{
	u64 insert = csf_mcu_get64(queue->csf, queue->ring_input + CS_RING_INSERT);

	if (insert < queue->ctx.extract || insert - queue->ctx.extract > queue->ring_size) {
		gpu_model_unsupported(&queue->csf->gm, "ring of queue %u.%u filled up to 0x%llx, executed up to 0x%llx",
				      queue->group->index, queue->index, insert, queue->ctx.extract);
		return;
	}
	queue->insert = insert;
}

/* The slot's queue begins, or goes on where RESUME says that it was. */
void csf_queue_start(struct csf_queue *queue, const struct csf_context *resume)
{
	struct mali_csf *csf = queue->csf;
	u64 in = csf_queue_input(queue);

	queue->ring_base = csf_mcu_get64(csf, in + CS_RINGBUF_BASE);
	queue->ring_size = csf_mcu_get(csf, in + CS_RINGBUF_SIZE);
	queue->ring_input = csf_mcu_get64(csf, in + CS_RINGBUF_INPUT);
	queue->ring_output = csf_mcu_get64(csf, in + CS_RINGBUF_OUTPUT);
	queue->answer = csf_mcu_get64(csf, in + CS_HEAP_START);

	if (resume)
		queue->ctx = *resume;
	else
		queue->ctx.extract = csf_mcu_get64(csf, queue->ring_input + CS_RING_EXTRACT_INIT);
	queue->ctx.started = 1;
	if (!is_power_of_2(queue->ring_size) || queue->ring_size < CSF_LINE) {
		csf_queue_fatal(queue, CSF_EXCEPTION_CS_CONFIG_FAULT, queue->ring_size);
		return;
	}
	csf_queue_look_at_ring(queue);
	csf_stream_line_executed(queue);

	if (queue->ctx.delay_left)
		queue->until = ktime_add_ns(ktime_get(), queue->ctx.delay_left);
	queue->ctx.delay_left = 0;
	switch (queue->ctx.block) {
	case CSF_OOM:
		csf_heap_raise(queue);
		break;
	case CSF_OOM_FRAGMENT:	/* try again: much may have happened since */
	case CSF_MMU_FAULT:
	case CSF_FAULTED:
		queue->ctx.block = CSF_RUNNING;
		break;
	case CSF_SYNC_WAIT:
		csf_queue_sync_written(queue);
		break;
	}
}

/* The queue is to leave its slot for a while: what is not in its context goes there. */
void csf_queue_save(struct csf_queue *queue)
{
	if (queue->answer_due)
		csf_heap_answered(queue);
	if (queue->until)
		queue->ctx.delay_left = max(ktime_to_ns(ktime_sub(queue->until, ktime_get())), 1ll);
	queue->until = 0;
	csf_heap_withdraw(queue);
}

void csf_queue_doorbell(struct csf_queue *queue)
{
	if (!queue->ctx.started)
		return;
	csf_queue_look_at_ring(queue);
	csf_queue_sync_written(queue);
}

bool csf_queue_event_pending(struct csf_queue *queue, u32 event)
{
	return (csf_mcu_get(queue->csf, csf_queue_input(queue) + CS_REQ) ^
		csf_mcu_get(queue->csf, csf_queue_output(queue) + CS_ACK)) & event;
}

void csf_queue_event(struct csf_queue *queue, u32 event)
{
	u64 in = CSF_CSG_INPUT(queue->group->index), out = CSF_CSG_OUTPUT(queue->group->index);
	struct mali_csf *csf = queue->csf;
	u32 irqs;

	if (csf_queue_event_pending(queue, event)) {
		queue->wanted |= event;
		return;
	}
	queue->wanted &= ~event;
	csf_mcu_set(csf, csf_queue_output(queue) + CS_ACK, csf_mcu_get(csf, csf_queue_output(queue) + CS_ACK) ^ event);
	/* The kernel writes CS_IRQ_ACK and then reads the queue's ACK: it sees the event, or another CS_IRQ_REQ. */
	smp_mb();
	irqs = csf_mcu_get(csf, out + CSG_CS_IRQ_REQ);
	if (!((irqs ^ csf_mcu_get(csf, in + CSG_CS_IRQ_ACK)) & BIT(queue->index)))
		csf_mcu_set(csf, out + CSG_CS_IRQ_REQ, irqs ^ BIT(queue->index));
	csf_raise_job(csf, JOB_INT_CSG_IF(queue->group->index));
}

/* The group's doorbell was rung, perhaps for this queue: requests, and answers to events. */
void csf_queue_request(struct csf_queue *queue)
{
	u32 req = csf_mcu_get(queue->csf, csf_queue_input(queue) + CS_REQ);
	u32 ack = csf_mcu_get(queue->csf, csf_queue_output(queue) + CS_ACK);
	u32 state = FIELD_GET(CS_STATE, req), event;

	if ((req ^ ack) & CS_STATE) {
		if (state == CS_STATE_START && !queue->ctx.started) {
			csf_queue_start(queue, NULL);
		} else if (state == CS_STATE_STOP) {
			csf_queue_clear(queue);
		}
	}
	if ((req ^ ack) & CSF_QUEUE_REQUESTS) {
		ack = csf_mcu_get(queue->csf, csf_queue_output(queue) + CS_ACK);
		csf_mcu_set(queue->csf, csf_queue_output(queue) + CS_ACK,
			    (ack & ~CSF_QUEUE_REQUESTS) | (req & CSF_QUEUE_REQUESTS));
	}
	if (!queue->ctx.started)
		return;

	csf_heap_doorbell(queue);
	if (queue->ctx.block == CSF_FAULTED && !csf_queue_event_pending(queue, CS_FAULT) && !(queue->wanted & CS_FAULT))
		queue->ctx.block = CSF_RUNNING;
	for (event = queue->wanted; event; event &= event - 1)
		csf_queue_event(queue, event & -event);
	csf_queue_doorbell(queue);
}

/* [A] A queue that waits for memory is reported as waiting for a resource. */
void csf_queue_report(struct csf_queue *queue)
{
	u32 reason = CS_STATUS_BLOCKED_REASON_UNBLOCKED, wait = 0;
	u64 out = csf_queue_output(queue);
	struct mali_csf *csf = queue->csf;

	if (queue->ctx.block == CSF_SYNC_WAIT) {
		reason = CS_STATUS_BLOCKED_REASON_SYNC_WAIT;
		wait = CS_STATUS_WAIT_SYNC | FIELD_PREP(CS_STATUS_WAIT_SYNC_COND, queue->ctx.wait_gt) |
		       (queue->ctx.wait_64 ? CS_STATUS_WAIT_SYNC_64B : 0);
	} else if (queue->ctx.block == CSF_OOM || queue->ctx.block == CSF_OOM_FRAGMENT) {
		reason = CS_STATUS_BLOCKED_REASON_RESOURCE;
	}
	csf_mcu_set64(csf, out + CS_STATUS_CMD_PTR, queue->ctx.depth ? queue->ctx.frames[queue->ctx.depth - 1].pc : 0);
	csf_mcu_set(csf, out + CS_STATUS_WAIT, wait);
	csf_mcu_set64(csf, out + CS_STATUS_WAIT_SYNC_PTR, queue->ctx.wait_va);
	csf_mcu_set(csf, out + CS_STATUS_WAIT_SYNC_VALUE, lower_32_bits(queue->ctx.wait_value));
	csf_mcu_set(csf, out + CS_STATUS_WAIT_SYNC_VALUE_HI, upper_32_bits(queue->ctx.wait_value));
	csf_mcu_set(csf, out + CS_STATUS_SCOREBOARDS, 0);
	csf_mcu_set(csf, out + CS_STATUS_BLOCKED_REASON, reason);
}

static bool csf_queue_empty(const struct csf_queue *queue)
{
	return !queue->ctx.depth && queue->ctx.extract == queue->insert;
}

bool csf_queue_idle(const struct csf_queue *queue)
{
	return !queue->ctx.started || queue->ctx.block == CSF_SYNC_WAIT ||
	       (queue->ctx.block == CSF_RUNNING && csf_queue_empty(queue));
}

bool csf_queue_runnable(const struct csf_queue *queue)
{
	return queue->ctx.started && queue->ctx.block == CSF_RUNNING && !queue->until && !csf_queue_empty(queue);
}

/* What is due by now happens; returns when something will be due next. */
ktime_t csf_queue_timers(struct csf_queue *queue, ktime_t now)
{
	ktime_t next = KTIME_MAX;

	if (queue->until && ktime_before(now, queue->until))
		next = min(next, queue->until);
	else
		queue->until = 0;

	if (queue->oom_due && ktime_before(now, queue->oom_due)) {
		next = min(next, queue->oom_due);
	} else if (queue->oom_due) {
		queue->oom_due = 0;
		csf_heap_post(queue);
	}

	if (queue->answer_due && ktime_before(now, queue->answer_due)) {
		next = min(next, queue->answer_due);
	} else if (queue->answer_due) {
		queue->answer_due = 0;
		csf_heap_answered(queue);
	}
	return next;
}

/* The queue is dead; what becomes of its group is the kernel's business. INFO is the address that it is about, if any. */
enum csf_step csf_queue_fatal(struct csf_queue *queue, u32 type, u64 info)
{
	queue->ctx.block = CSF_DEAD;
	queue->csf->gm.counters[CSF_FATALS]++;
	csf_mcu_set(queue->csf, csf_queue_output(queue) + CS_FATAL_INFO_TYPE, type);
	csf_mcu_set64(queue->csf, csf_queue_output(queue) + CS_FATAL_INFO, info);
	csf_queue_event(queue, CS_FATAL);
	return CSF_STEP_BLOCKED;
}

/*
 * The queue is in error until the next ERROR_BARRIER. It goes on when the kernel has seen the fault: [A] from panthor ringing
 * the queue's doorbell for that (cs_slot_process_irq_locked()), and looking for the job by how far the ring was executed.
 */
enum csf_step csf_queue_fault(struct csf_queue *queue, u32 type, u64 info)
{
	queue->ctx.block = CSF_FAULTED;
	queue->ctx.error = type;
	queue->csf->gm.counters[CSF_FAULTS]++;
	csf_mcu_set(queue->csf, csf_queue_output(queue) + CS_FAULT_INFO_TYPE, type);
	csf_mcu_set64(queue->csf, csf_queue_output(queue) + CS_FAULT_INFO, info);
	csf_queue_event(queue, CS_FAULT);
	return CSF_STEP_DONE;
}

/* If the queue waits for a sync object, and that has the value that it waits for: it goes on with the same instruction. */
void csf_queue_sync_written(struct csf_queue *queue)
{
	struct csf_context *ctx = &queue->ctx;
	u64 value = 0;

	if (ctx->block != CSF_SYNC_WAIT)
		return;
	if (!csf_peek(queue->csf, queue->group->as, ctx->wait_va, &value, ctx->wait_64 ? 8 : 4) ||
	    (value > ctx->wait_value) == !!ctx->wait_gt) {
		ctx->block = CSF_RUNNING;
		gpu_model_kick(&queue->csf->gm);
	}
}
