// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traps, shared part: the jobs that GPU schedulers have in hand, seen by a probe where jobs are pushed.
 */
#include <linux/dma-fence.h>
#include <linux/kprobes.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <drm/gpu_scheduler.h>

#include "gpu_model.h"
#include "trap.h"

/* More jobs than this wait behind those that are known, so not to know them changes nothing. */
#define TRAP_MAX_JOBS	64
#define TRAP_MAX_TASKS	4

/*
 * A job that was pushed and has not ended. No reference is held: who signals a fence has one, and the callback empties
 * the place first. So what stands here is alive as long as trap_lock is held.
 */
struct trap_job {
	struct dma_fence_cb cb;

	/* Protected by trap_lock */
	struct dma_fence *fence;
	u64 seq;
};

static DEFINE_RAW_SPINLOCK(trap_lock);
static struct trap_job trap_jobs[TRAP_MAX_JOBS];
static u64 trap_seq;			/* protected by trap_lock */

static struct task_struct *trap_tasks[TRAP_MAX_TASKS];

static void trap_job_forget(struct trap_job *job)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&trap_lock, flags);
	job->fence = NULL;
	raw_spin_unlock_irqrestore(&trap_lock, flags);
}

static void trap_job_ended(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	trap_job_forget(container_of(cb, struct trap_job, cb));
}

static int trap_job_pushed(struct kprobe *probe, struct pt_regs *regs)
{
	struct drm_sched_job *sched_job = (void *)regs_get_kernel_argument(regs, 0);
	struct dma_fence *fence = &sched_job->s_fence->finished;
	struct trap_job *job = NULL;
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&trap_lock, flags);
	for (i = 0; i < TRAP_MAX_JOBS && !job; i++) {
		if (!trap_jobs[i].fence)
			job = &trap_jobs[i];
	}
	if (job) {
		job->fence = fence;
		job->seq = trap_seq++;
	}
	raw_spin_unlock_irqrestore(&trap_lock, flags);

	if (job && dma_fence_add_callback(fence, &job->cb, trap_job_ended))
		trap_job_forget(job);

	for (i = 0; i < TRAP_MAX_TASKS; i++) {
		struct task_struct *task = READ_ONCE(trap_tasks[i]);

		if (task)
			wake_up_process(task);
	}
	return 0;
}

static struct kprobe trap_probe = {
	.addr = (kprobe_opcode_t *)drm_sched_entity_push_job,
	.pre_handler = trap_job_pushed,
};

/* The job pushed first, or pushed last if another stands before it. */
static struct dma_fence *trap_fence(bool first)
{
	struct trap_job *oldest = NULL, *newest = NULL, *job;
	struct dma_fence *fence = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&trap_lock, flags);
	for (job = trap_jobs; job < trap_jobs + TRAP_MAX_JOBS; job++) {
		if (!job->fence)
			continue;
		if (!oldest || job->seq < oldest->seq)
			oldest = job;
		if (!newest || job->seq > newest->seq)
			newest = job;
	}
	if (oldest && (first || newest != oldest))
		fence = dma_fence_get(first ? oldest->fence : newest->fence);
	raw_spin_unlock_irqrestore(&trap_lock, flags);
	return fence;
}

struct dma_fence *trap_fence_first(void)
{
	return trap_fence(true);
}
EXPORT_SYMBOL_GPL(trap_fence_first);

struct dma_fence *trap_fence_behind_fault(void)
{
	return gpu_model_device_fault_pending() ? trap_fence(false) : NULL;
}
EXPORT_SYMBOL_GPL(trap_fence_behind_fault);

int trap_jobs_wake(struct task_struct *task)
{
	unsigned int i;

	for (i = 0; i < TRAP_MAX_TASKS; i++) {
		if (!cmpxchg(&trap_tasks[i], NULL, task))
			return 0;
	}
	return -ENOSPC;
}

/* The probe runs with preemption off: after the grace period it does not know TASK any more. */
void trap_jobs_wake_no_more(struct task_struct *task)
{
	unsigned int i;

	for (i = 0; i < TRAP_MAX_TASKS; i++)
		cmpxchg(&trap_tasks[i], task, NULL);
	synchronize_rcu();
}

int trap_jobs_init(void)
{
	return register_kprobe(&trap_probe);
}

void trap_jobs_exit(void)
{
	struct dma_fence *fence;

	unregister_kprobe(&trap_probe);
	while ((fence = trap_fence_first())) {
		unsigned int i;

		for (i = 0; i < TRAP_MAX_JOBS; i++) {
			/* Under the fence's lock: afterwards the callback has run, or never will. */
			if (READ_ONCE(trap_jobs[i].fence) == fence &&
			    dma_fence_remove_callback(fence, &trap_jobs[i].cb))
				trap_job_forget(&trap_jobs[i]);
		}
		dma_fence_put(fence);
	}
}
