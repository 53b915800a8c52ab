// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who waits for whom: the jobs that GPU schedulers have in hand, seen by a probe where jobs are pushed.
 */
#include <linux/dma-fence.h>
#include <linux/export.h>
#include <linux/kprobes.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>
#include <drm/gpu_scheduler.h>

#include "who_waits.h"

/* More jobs than this wait behind those that are known, so not to know them changes nothing. */
#define GPU_JOBS	64
#define GPU_JOB_NEEDS	4
#define GPU_JOB_TASKS	4

/*
 * A job that was pushed and has not ended. No reference is held: who signals a fence has one, and the callback empties
 * the place first. So what stands here is alive as long as jobs_lock is held.
 */
struct gpu_job {
	struct dma_fence_cb cb;

	/* Protected by jobs_lock. The fences that it was given have references. */
	struct dma_fence *fence;
	struct dma_fence *needs[GPU_JOB_NEEDS];
	u64 seq;
	pid_t pid;
	char comm[TASK_COMM_LEN];
};

/* What is kept from the entry of drm_sched_entity_push_job() to its return, when the job may be gone. */
struct gpu_job_push {
	struct dma_fence *fence;
	struct dma_fence *needs[GPU_JOB_NEEDS];
};

static DEFINE_RAW_SPINLOCK(jobs_lock);
static struct gpu_job jobs[GPU_JOBS];
static u64 jobs_seq;			/* protected by jobs_lock */

static struct task_struct *job_tasks[GPU_JOB_TASKS];

static void gpu_job_put_needs(struct dma_fence **needs)
{
	unsigned int i;

	for (i = 0; i < GPU_JOB_NEEDS; i++)
		dma_fence_put(needs[i]);
}

static void gpu_job_forget(struct gpu_job *job)
{
	struct dma_fence *needs[GPU_JOB_NEEDS];
	unsigned long flags;

	raw_spin_lock_irqsave(&jobs_lock, flags);
	memcpy(needs, job->needs, sizeof(needs));
	job->fence = NULL;
	raw_spin_unlock_irqrestore(&jobs_lock, flags);
	gpu_job_put_needs(needs);
}

static void gpu_job_ended(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	gpu_job_forget(container_of(cb, struct gpu_job, cb));
}

/* It may run as an NMI: no lock is taken. */
static int gpu_job_pushing(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct drm_sched_job *sched_job = (void *)regs_get_kernel_argument(regs, 0);
	struct gpu_job_push *push = (void *)instance->data;
	struct dma_fence *fence;
	unsigned int known = 0;
	unsigned long i;

	memset(push, 0, sizeof(*push));
	push->fence = dma_fence_get(&sched_job->s_fence->finished);
	xa_for_each(&sched_job->dependencies, i, fence) {
		if (known < GPU_JOB_NEEDS && !test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
			push->needs[known++] = dma_fence_get(fence);
	}
	return 0;
}
NOKPROBE_SYMBOL(gpu_job_pushing);

static int gpu_job_pushed(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct gpu_job_push *push = (void *)instance->data;
	struct gpu_job *job = NULL;
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&jobs_lock, flags);
	for (i = 0; i < GPU_JOBS && !job; i++) {
		if (!jobs[i].fence)
			job = &jobs[i];
	}
	if (job) {
		job->fence = push->fence;
		memcpy(job->needs, push->needs, sizeof(job->needs));
		job->seq = jobs_seq++;
		job->pid = current->pid;
		memcpy(job->comm, current->comm, sizeof(job->comm));
	}
	raw_spin_unlock_irqrestore(&jobs_lock, flags);

	if (!job)
		gpu_job_put_needs(push->needs);
	else if (dma_fence_add_callback(push->fence, &job->cb, gpu_job_ended))
		gpu_job_forget(job);
	dma_fence_put(push->fence);

	for (i = 0; i < GPU_JOB_TASKS; i++) {
		struct task_struct *task = READ_ONCE(job_tasks[i]);

		if (task)
			wake_up_process(task);
	}
	return 0;
}
NOKPROBE_SYMBOL(gpu_job_pushed);

static struct kretprobe jobs_probe = {
	.kp.addr = (kprobe_opcode_t *)drm_sched_entity_push_job,
	.entry_handler = gpu_job_pushing,
	.handler = gpu_job_pushed,
	.data_size = sizeof(struct gpu_job_push),
	.maxactive = GPU_JOBS,
};

/* The job pushed first, or pushed last if another stands before it. */
static struct dma_fence *gpu_job_fence(bool first)
{
	struct gpu_job *oldest = NULL, *newest = NULL, *job;
	struct dma_fence *fence = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&jobs_lock, flags);
	for (job = jobs; job < jobs + GPU_JOBS; job++) {
		if (!job->fence)
			continue;
		if (!oldest || job->seq < oldest->seq)
			oldest = job;
		if (!newest || job->seq > newest->seq)
			newest = job;
	}
	if (oldest && (first || newest != oldest))
		fence = dma_fence_get(first ? oldest->fence : newest->fence);
	raw_spin_unlock_irqrestore(&jobs_lock, flags);
	return fence;
}

struct dma_fence *gpu_jobs_first(void)
{
	return gpu_job_fence(true);
}
EXPORT_SYMBOL_GPL(gpu_jobs_first);

struct dma_fence *gpu_jobs_last(void)
{
	return gpu_job_fence(false);
}
EXPORT_SYMBOL_GPL(gpu_jobs_last);

bool gpu_jobs_line(unsigned int at, char *line)
{
	struct gpu_job *job = jobs + at;
	struct dma_fence *parent;
	unsigned long flags;
	unsigned int i;
	int len;

	if (at >= GPU_JOBS)
		return false;

	*line = '\0';
	raw_spin_lock_irqsave(&jobs_lock, flags);
	if (job->fence) {
		len = scnprintf(line, WHO_WAITS_LINE, "job ");
		len += fence_name(line + len, WHO_WAITS_LINE - len, job->fence);
		len += scnprintf(line + len, WHO_WAITS_LINE - len, " of %d [%s]", job->pid, job->comm);
		/* A scheduler takes the fence away again when it stops, and drivers free fences by RCU. */
		parent = READ_ONCE(to_drm_sched_fence(job->fence)->parent);
		if (parent) {
			len += scnprintf(line + len, WHO_WAITS_LINE - len, " runs as ");
			len += fence_name(line + len, WHO_WAITS_LINE - len, parent);
		}
		for (i = 0; i < GPU_JOB_NEEDS; i++) {
			if (!job->needs[i] || test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &job->needs[i]->flags))
				continue;
			len += scnprintf(line + len, WHO_WAITS_LINE - len, " needs ");
			len += fence_name(line + len, WHO_WAITS_LINE - len, job->needs[i]);
		}
	}
	raw_spin_unlock_irqrestore(&jobs_lock, flags);
	return true;
}

int gpu_jobs_wake(struct task_struct *task)
{
	unsigned int i;

	for (i = 0; i < GPU_JOB_TASKS; i++) {
		if (!cmpxchg(&job_tasks[i], NULL, task))
			return 0;
	}
	return -ENOSPC;
}
EXPORT_SYMBOL_GPL(gpu_jobs_wake);

/* The probe runs with preemption off: after the grace period it does not know TASK any more. */
void gpu_jobs_wake_no_more(struct task_struct *task)
{
	unsigned int i;

	for (i = 0; i < GPU_JOB_TASKS; i++)
		cmpxchg(&job_tasks[i], task, NULL);
	synchronize_rcu();
}
EXPORT_SYMBOL_GPL(gpu_jobs_wake_no_more);

int gpu_jobs_init(void)
{
	return register_kretprobe(&jobs_probe);
}

void gpu_jobs_exit(void)
{
	struct dma_fence *fence;

	unregister_kretprobe(&jobs_probe);
	while ((fence = gpu_jobs_first())) {
		unsigned int i;

		for (i = 0; i < GPU_JOBS; i++) {
			/* Under the fence's lock: afterwards the callback has run, or never will. */
			if (READ_ONCE(jobs[i].fence) == fence && dma_fence_remove_callback(fence, &jobs[i].cb))
				gpu_job_forget(&jobs[i]);
		}
		dma_fence_put(fence);
	}
}
