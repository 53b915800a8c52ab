// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of a Mali with a Job Manager: the job slots.
 *
 * A slot holds the chain that it executes and one more in its NEXT registers. COMMAND_NEXT = START moves NEXT to current
 * in the register write itself when the slot is idle. When a chain ends well and NEXT is filled, the next one starts
 * together with the DONE event; after a failure NEXT waits until the driver has cleared the slot's error bit.
 *
 * A chain's jobs are executed in order, in the worker, a bounded number at a time: a chain that never ends costs time,
 * but never the lock. Each job's accesses are all translated before its first effect, so a job that stalled on a fault
 * starts over with nothing done twice.
 *
 * [A] A dependency on a job that the chain has not got to yet ends the job: real hardware may execute out of order, this
 * model does not. Indices below that of the chain's first job count as done, for a chain that was soft-stopped goes on
 * from its middle.
 * [A] SOFT_STOP ends a chain between two jobs with STOPPED and TAIL at the job to go on with; a job that is stalled on
 * its address space is not between two jobs, so the stop waits. HARD_STOP ends whatever runs at once, with TERMINATED.
 * Neither writes to job headers.
 * [A] With which codes jobs end that are themselves at fault is gathered in mali_jm.h.
 */
#include <linux/bitfield.h>
#include <linux/ktime.h>	/* brings timekeeping.h, which is not to be included by itself in 6.1 */

#include "mali_jm.h"

/* Jobs executed with the lock held, and so with interrupts off; some 50 us on an emulated CPU. */
#define MALI_JOBS_AT_ONCE	32

static u32 mali_js_as(const struct mali_js *js)
{
	return FIELD_GET(JS_CONFIG_AS, js->config);
}

static void mali_js_post(struct mali_jm *jm, u32 event)
{
	u64 unused;

	gpu_model_irq_post(&jm->gm.irqs[MALI_IRQ_JOB], event,
			   gpu_model_fault_hit(&jm->gm, MALI_FAULT_LOSE_INTERRUPT, &unused));
}

static void mali_js_plant_faults(struct mali_jm *jm, struct mali_js *js)
{
	u64 value;

	js->never_finish = gpu_model_fault_hit(&jm->gm, MALI_FAULT_NEVER_FINISH, &value);

	js->finish_now = gpu_model_fault_hit(&jm->gm, MALI_FAULT_FINISH_WITH_STATUS, &value);
	if (js->finish_now)
		js->finish_status = value;

	js->not_before = 0;
	if (gpu_model_fault_hit(&jm->gm, MALI_FAULT_DELAY_JOB, &value))
		js->not_before = ktime_add_us(ktime_get(), value);
}

static void mali_js_start_next(struct mali_jm *jm, unsigned int n)
{
	struct mali_js *js = &jm->js[n];

	if (js->active || js->command_next != JS_COMMAND_START ||
	    (jm->gm.irqs[MALI_IRQ_JOB].rawstat & JOB_INT_MASK_ERR(n)))
		return;

	js->head = js->head_next;
	js->tail = js->head_next;
	js->affinity = js->affinity_next;
	js->config = js->config_next;
	js->command_next = JS_COMMAND_NOP;
	js->status = MALI_EXCEPTION_ACTIVE;

	js->active = true;
	js->stalled = false;
	js->soft_stop = false;
	bitmap_clear(js->done, 0, js->last_index + 1);
	js->last_index = 0;
	js->first_known = false;
	js->present_page = 0;
	mali_js_plant_faults(jm, js);

	jm->gm.counters[MALI_JOBS_STARTED]++;
	gpu_model_kick(&jm->gm);
}

static void mali_js_end(struct mali_jm *jm, unsigned int n, u32 status)
{
	struct mali_js *js = &jm->js[n];

	js->active = false;
	js->status = status;
	mali_shared_forget(jm, n);
	if (status == MALI_EXCEPTION_DONE) {
		jm->gm.counters[MALI_JOBS_DONE]++;
		mali_js_start_next(jm, n);
		mali_js_post(jm, JOB_INT_MASK_DONE(n));
	} else {
		jm->gm.counters[MALI_JOBS_FAILED]++;
		mali_js_post(jm, JOB_INT_MASK_ERR(n));
	}
}

/* Ends the chain with its current job, whose header tells why, if it can be written to. */
static void mali_js_end_with_header(struct mali_jm *jm, unsigned int n, u32 status, u64 fault_pointer)
{
	struct mali_js *js = &jm->js[n];
	struct mali_job_header *header = NULL;

	if (!(js->config & JS_CONFIG_DISABLE_DESCRIPTOR_WR_BK) && IS_ALIGNED(js->tail, MALI_JOB_ALIGN))
		header = mali_mmu_peek(jm, mali_js_as(js), js->tail, MALI_WRITE);
	if (header) {
		header->exception_status = status;
		header->fault_pointer = fault_pointer;
	}
	mali_js_end(jm, n, status);
}

/* An access of the current job. False: the chain has stalled or ended. */
static bool mali_js_access(struct mali_jm *jm, unsigned int n, u64 va, enum mali_access access, void *p)
{
	struct mali_js *js = &jm->js[n];
	int ret;

	ret = mali_mmu_access(jm, mali_js_as(js), va, access, n, p);
	if (ret == -EAGAIN)
		js->stalled = true;
	else if (ret)
		mali_js_end_with_header(jm, n, MALI_NO_ACCESS, va);
	return !ret;
}

static bool mali_js_depends(const struct mali_js *js, u16 dependency)
{
	return dependency >= js->first_index && dependency && !test_bit(dependency, js->done);
}

/* Bytes that a WRITE_VALUE job writes, 0 for an unknown kind. [A] MALI_WRITE_ZERO writes 64 bits. */
static unsigned int mali_js_write_size(u32 kind)
{
	switch (kind) {
	case MALI_WRITE_IMMEDIATE_8:
		return 1;
	case MALI_WRITE_IMMEDIATE_16:
		return 2;
	case MALI_WRITE_IMMEDIATE_32:
		return 4;
	case MALI_WRITE_CYCLE_COUNTER:
	case MALI_WRITE_SYSTEM_TIMESTAMP:
	case MALI_WRITE_ZERO:
	case MALI_WRITE_IMMEDIATE_64:
		return 8;
	default:
		return 0;
	}
}

static void mali_js_write_value(struct mali_jm *jm, const struct mali_write_value_job *job, void *to)
{
	u64 mask, value;

	switch (job->kind) {
	case MALI_WRITE_CYCLE_COUNTER:
		value = mali_gpu_cycles(jm);
		break;
	case MALI_WRITE_SYSTEM_TIMESTAMP:
		value = ktime_get_mono_fast_ns();
		break;
	case MALI_WRITE_ZERO:
		value = 0;
		break;
	default:
		value = job->immediate;
	}
	if (gpu_model_fault_hit(&jm->gm, MALI_FAULT_CORRUPT_WRITE, &mask))
		value ^= mask;

	memcpy(to, &value, mali_js_write_size(job->kind));
	jm->gm.counters[MALI_WRITES]++;
}

/* Where a WRITE_VALUE job writes to. False: the chain has stalled or ended. */
static bool mali_js_write_target(struct mali_jm *jm, unsigned int n, const struct mali_write_value_job *job, void *to)
{
	unsigned int size = mali_js_write_size(job->kind);

	if (!size) {
		gpu_model_unsupported(&jm->gm, "WRITE_VALUE of kind %u", job->kind);
		mali_js_end_with_header(jm, n, MALI_EXCEPTION_JOB_CONFIG_FAULT, jm->js[n].tail);
		return false;
	}
	if (!IS_ALIGNED(job->address, size)) {
		mali_js_end_with_header(jm, n, MALI_MISALIGNED_VALUE, job->address);
		return false;
	}
	if (job->address >= MALI_SHARED_VA && job->address < MALI_SHARED_END)
		return mali_shared_access(jm, n, job->address, to);
	return mali_js_access(jm, n, job->address, MALI_WRITE, to);
}

/* The current job up to its completion; *NEXT is the one after it. False: the chain has stalled or ended. */
static bool mali_js_execute(struct mali_jm *jm, unsigned int n, u64 *next)
{
	struct mali_js *js = &jm->js[n];
	struct mali_write_value_job job;
	struct mali_job_header *header;
	void *from, *to = NULL;

	if (!IS_ALIGNED(js->tail, MALI_JOB_ALIGN)) {
		mali_js_end(jm, n, MALI_MISALIGNED_JOB);
		return false;
	}
	if (!mali_js_access(jm, n, js->tail, MALI_READ, &from))
		return false;
	/* Copied, since user space can write to it while it is looked at. */
	memcpy(&job, from, sizeof(job));

	if (!js->first_known) {
		js->first_index = job.header.index;
		js->first_known = true;
	}
	if (mali_js_depends(js, job.header.dependency[0]) || mali_js_depends(js, job.header.dependency[1])) {
		gpu_model_unsupported(&jm->gm, "job %u depends on jobs %u and %u, and not all have been executed",
				      job.header.index, job.header.dependency[0], job.header.dependency[1]);
		mali_js_end_with_header(jm, n, MALI_UNMET_DEPENDENCY, js->tail);
		return false;
	}

	switch (FIELD_GET(MALI_JOB_TYPE, job.header.control)) {
	case MALI_JOB_NULL:
	case MALI_JOB_CACHE_FLUSH:	/* the model has no caches */
		break;
	case MALI_JOB_WRITE_VALUE:
		if (!mali_js_write_target(jm, n, &job, &to))
			return false;
		break;
	default:
		gpu_model_unsupported(&jm->gm, "job of type %lu", FIELD_GET(MALI_JOB_TYPE, job.header.control));
		mali_js_end_with_header(jm, n, MALI_EXCEPTION_JOB_CONFIG_FAULT, js->tail);
		return false;
	}

	if (!(js->config & JS_CONFIG_DISABLE_DESCRIPTOR_WR_BK)) {
		if (!mali_js_access(jm, n, js->tail, MALI_WRITE, &header))
			return false;
		header->exception_status = MALI_EXCEPTION_DONE;
	}
	if (to)
		mali_js_write_value(jm, &job, to);

	__set_bit(job.header.index, js->done);
	js->last_index = max(js->last_index, job.header.index);
	jm->gm.counters[MALI_DESCRIPTORS]++;

	*next = job.header.control & MALI_JOB_IS_64BIT ? job.header.next : lower_32_bits(job.header.next);
	return true;
}

/* One job of the slot's chain, or what ends the chain before it. */
static void mali_js_step(struct mali_jm *jm, unsigned int n)
{
	struct mali_js *js = &jm->js[n];
	u64 next;

	if (js->soft_stop)
		mali_js_end(jm, n, MALI_EXCEPTION_STOPPED);
	else if (js->finish_now)
		mali_js_end_with_header(jm, n, js->finish_status, js->tail);
	else if (!mali_gpu_powered(jm, js->affinity))
		mali_js_end_with_header(jm, n, MALI_UNPOWERED, 0);
	else if (!mali_js_execute(jm, n, &next))
		return;
	else if (next)
		js->tail = next;
	else
		mali_js_end(jm, n, MALI_EXCEPTION_DONE);
}

static bool mali_js_runnable(const struct mali_jm *jm, unsigned int n)
{
	const struct mali_js *js = &jm->js[n];

	return js->active && !js->stalled && !js->missing_page && !js->never_finish && !mali_shared_cores_held(jm, n);
}

/* Executes a bounded number of jobs of every slot; returns when there is more to do. */
ktime_t mali_js_work(struct mali_jm *jm)
{
	ktime_t again = KTIME_MAX;
	unsigned int n, i;

	for (n = 0; n < MALI_NUM_JS; n++) {
		struct mali_js *js = &jm->js[n];

		if (mali_js_runnable(jm, n) && !js->soft_stop && js->not_before && ktime_before(ktime_get(), js->not_before)) {
			again = min(again, js->not_before);
			continue;
		}
		js->not_before = 0;
		for (i = 0; i < MALI_JOBS_AT_ONCE && mali_js_runnable(jm, n) && !js->not_before; i++)
			mali_js_step(jm, n);
		if (mali_js_runnable(jm, n))
			again = 0;
	}
	return again;
}

/* The driver has answered on address space AS: what stalled on it tries again. */
void mali_js_resume(struct mali_jm *jm, u32 as)
{
	unsigned int n;

	for (n = 0; n < MALI_NUM_JS; n++) {
		struct mali_js *js = &jm->js[n];

		if (js->active && js->stalled && mali_js_as(js) == as) {
			js->stalled = false;
			gpu_model_kick(&jm->gm);
		}
	}
}

/* Jobs that are being delayed finish at once. */
void mali_js_end_delays(struct mali_jm *jm)
{
	unsigned int n;

	for (n = 0; n < MALI_NUM_JS; n++)
		jm->js[n].not_before = 0;
	gpu_model_kick(&jm->gm);
}

void mali_js_reset(struct mali_jm *jm)
{
	memset(jm->js, 0, sizeof(jm->js));
	WRITE_ONCE(jm->gm.device_faults, 0);
	jm->js_state = 0;
}

static void mali_js_soft_stop(struct mali_jm *jm, unsigned int n)
{
	jm->gm.counters[MALI_SOFT_STOPS]++;
	jm->js[n].soft_stop = true;
	gpu_model_kick(&jm->gm);
}

static void mali_js_hard_stop(struct mali_jm *jm, unsigned int n)
{
	jm->gm.counters[MALI_HARD_STOPS]++;
	mali_js_end(jm, n, MALI_EXCEPTION_TERMINATED);
}

static void mali_js_command(struct mali_jm *jm, unsigned int n, u32 cmd)
{
	struct mali_js *js = &jm->js[n];
	bool flag = js->config & JS_CONFIG_JOB_CHAIN_FLAG;

	switch (cmd) {
	case JS_COMMAND_NOP:
		return;
	case JS_COMMAND_SOFT_STOP ... JS_COMMAND_HARD_STOP_1:
		break;
	default:
		gpu_model_unsupported(&jm->gm, "command %u on job slot %u", cmd, n);
		return;
	}

	/* Nothing to stop, or the other chain is meant. */
	if (!js->active ||
	    ((cmd == JS_COMMAND_SOFT_STOP_0 || cmd == JS_COMMAND_HARD_STOP_0) && flag) ||
	    ((cmd == JS_COMMAND_SOFT_STOP_1 || cmd == JS_COMMAND_HARD_STOP_1) && !flag))
		return;

	if (cmd == JS_COMMAND_HARD_STOP || cmd == JS_COMMAND_HARD_STOP_0 || cmd == JS_COMMAND_HARD_STOP_1)
		mali_js_hard_stop(jm, n);
	else
		mali_js_soft_stop(jm, n);
}

static void mali_js_command_next(struct mali_jm *jm, unsigned int n, u32 cmd)
{
	if (cmd != JS_COMMAND_NOP && cmd != JS_COMMAND_START) {
		gpu_model_unsupported(&jm->gm, "command %u for the next job of slot %u", cmd, n);
		return;
	}
	jm->js[n].command_next = cmd;
	mali_js_start_next(jm, n);
}

/*
 * Writing either bit of a slot to JOB_INT_CLEAR samples both of its bits of JS_STATE. An error bit that goes away lets
 * the next job start: after the sampling, for the driver asks what was, not what its write brought about.
 */
static void mali_js_clear_events(struct mali_jm *jm, u32 events)
{
	unsigned int n;

	gpu_model_irq_write(&jm->gm.irqs[MALI_IRQ_JOB], GPU_MODEL_IRQ_CLEAR, events);
	for (n = 0; n < MALI_NUM_JS; n++) {
		u32 both = JOB_INT_MASK_DONE(n) | JOB_INT_MASK_ERR(n);

		if (!(events & both))
			continue;
		jm->js_state &= ~both;
		if (jm->js[n].active)
			jm->js_state |= BIT(n);
		if (jm->js[n].command_next == JS_COMMAND_START)
			jm->js_state |= BIT(n + 16);
		mali_js_start_next(jm, n);
	}
}

static u32 mali_js_slot_read(struct mali_jm *jm, unsigned int n, u32 reg)
{
	struct mali_js *js = &jm->js[n];

	switch (reg) {
	case JS_HEAD_LO:
	case JS_HEAD_HI:
		return gpu_model_half(js->head, reg);
	case JS_TAIL_LO:
	case JS_TAIL_HI:
		return gpu_model_half(js->tail, reg);
	case JS_AFFINITY_LO:
	case JS_AFFINITY_HI:
		return gpu_model_half(js->affinity, reg);
	case JS_CONFIG:
		return js->config;
	case JS_STATUS:
		return js->status;
	case JS_HEAD_NEXT_LO:
	case JS_HEAD_NEXT_HI:
		return gpu_model_half(js->head_next, reg);
	case JS_AFFINITY_NEXT_LO:
	case JS_AFFINITY_NEXT_HI:
		return gpu_model_half(js->affinity_next, reg);
	case JS_CONFIG_NEXT:
		return js->config_next;
	case JS_COMMAND_NEXT:
		return js->command_next;
	case JS_FLUSH_ID_NEXT:
		return js->flush_id_next;
	default:
		gpu_model_unsupported(&jm->gm, "read of register 0x%x of job slot %u", reg, n);
		return 0;
	}
}

static void mali_js_slot_write(struct mali_jm *jm, unsigned int n, u32 reg, u32 val)
{
	struct mali_js *js = &jm->js[n];

	switch (reg) {
	case JS_COMMAND:
		mali_js_command(jm, n, val);
		break;
	case JS_HEAD_NEXT_LO:
	case JS_HEAD_NEXT_HI:
		gpu_model_set_half(&js->head_next, reg, val);
		break;
	case JS_AFFINITY_NEXT_LO:
	case JS_AFFINITY_NEXT_HI:
		gpu_model_set_half(&js->affinity_next, reg, val);
		break;
	case JS_CONFIG_NEXT:
		js->config_next = val;
		break;
	case JS_COMMAND_NEXT:
		mali_js_command_next(jm, n, val);
		break;
	case JS_FLUSH_ID_NEXT:
		js->flush_id_next = val;
		break;
	default:
		gpu_model_unsupported(&jm->gm, "write of 0x%x to register 0x%x of job slot %u", val, reg, n);
	}
}

static bool mali_js_is_slot(u32 reg)
{
	return reg >= JOB_SLOTS_BASE && reg < JOB_SLOT(MALI_NUM_JS, 0);
}

u32 mali_js_read(struct mali_jm *jm, u32 reg)
{
	if (reg >= JOB_INT && reg <= JOB_INT + GPU_MODEL_IRQ_STAT)
		return gpu_model_irq_read(&jm->gm.irqs[MALI_IRQ_JOB], reg - JOB_INT);
	if (reg == JOB_INT_JS_STATE)
		return jm->js_state;
	if (mali_js_is_slot(reg))
		return mali_js_slot_read(jm, (reg - JOB_SLOTS_BASE) / JOB_SLOT_STRIDE, reg % JOB_SLOT_STRIDE);

	gpu_model_unsupported(&jm->gm, "read of job register 0x%x", reg);
	return 0;
}

void mali_js_write(struct mali_jm *jm, u32 reg, u32 val)
{
	if (reg == JOB_INT + GPU_MODEL_IRQ_CLEAR)
		mali_js_clear_events(jm, val);
	else if (reg >= JOB_INT && reg <= JOB_INT + GPU_MODEL_IRQ_STAT)
		gpu_model_irq_write(&jm->gm.irqs[MALI_IRQ_JOB], reg - JOB_INT, val);
	else if (mali_js_is_slot(reg))
		mali_js_slot_write(jm, (reg - JOB_SLOTS_BASE) / JOB_SLOT_STRIDE, reg % JOB_SLOT_STRIDE, val);
	else
		gpu_model_unsupported(&jm->gm, "write of 0x%x to job register 0x%x", val, reg);
}
