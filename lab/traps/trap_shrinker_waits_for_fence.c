// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trap: a shrinker that waits for the fence of the running job, as a driver's shrinker or writeback to a device
 * may.
 *
 * A fault handler that allocates with GFP_KERNEL enters direct reclaim, and so this shrinker, and waits for the
 * fence of the job whose fault it is to answer: nothing can end that. The job's timeout does not help, since its
 * handler allocates as well. A handler that does not wait for memory fails the job, which signals the fence and lets
 * every waiter go.
 *
 * The shrinker has something to free only while the trap is armed, the GPU model has a translation fault that the
 * driver has not answered, and a job that was pushed has not ended. kswapd and tasks of user space are caught just
 * as the fault handler is. Disarming opens nothing: the machine has to be able to hang.
 *
 * A handler that does not wait fails within a millisecond of waking kswapd, and kswapd comes too late to be caught.
 * So that the trap is sprung on such a driver as well, it brings a reclaimer of its own: a thread that calls the
 * shrinker as soon as the fault is there, and neither allocates nor frees. It shows that the job's end lets a waiter
 * go; what becomes of the job still depends on the handler alone.
 */
#include <linux/atomic.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/dma-fence.h>
#include <linux/hrtimer.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>
#include <drm/gpu_scheduler.h>

#include "gpu_model.h"

#define TRAP_NAME "shrinker-waits-for-fence"

#define pr_trap(fmt, ...) \
	pr_warn_ratelimited("drmsqueeze trap " TRAP_NAME " (planted): " fmt "\n", ##__VA_ARGS__)

/* More jobs than this wait behind those that are known, so not to know them changes nothing. */
#define TRAP_MAX_JOBS	64
#define TRAP_OBJECTS	1024

/* How often the trap's own reclaimer looks for a fault; the driver needs some 200 us or more for one of 2 MiB. */
#define TRAP_LOOK_US	50

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

static u32 trap_armed;
static atomic_t trap_fired = ATOMIC_INIT(0);

static struct dentry *trap_debugfs;
static struct shrinker *trap_shrinker;
static struct task_struct *trap_reclaimer;

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
	if (READ_ONCE(trap_armed))
		wake_up_process(trap_reclaimer);
	return 0;
}

static struct kprobe trap_probe = {
	.addr = (kprobe_opcode_t *)drm_sched_entity_push_job,
	.pre_handler = trap_job_pushed,
};

/* The fence of the job that was pushed first of those that have not ended, with a reference; NULL if there is none. */
static struct dma_fence *trap_running_fence(void)
{
	struct dma_fence *fence = NULL;
	unsigned long flags;
	unsigned int i;
	u64 seq = 0;

	raw_spin_lock_irqsave(&trap_lock, flags);
	for (i = 0; i < TRAP_MAX_JOBS; i++) {
		if (trap_jobs[i].fence && (!fence || trap_jobs[i].seq < seq)) {
			fence = trap_jobs[i].fence;
			seq = trap_jobs[i].seq;
		}
	}
	dma_fence_get(fence);
	raw_spin_unlock_irqrestore(&trap_lock, flags);
	return fence;
}

static bool trap_job_runs(void)
{
	struct dma_fence *fence = trap_running_fence();

	dma_fence_put(fence);
	return fence;
}

static unsigned long trap_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	return READ_ONCE(trap_armed) && gpu_model_fault_pending() && trap_job_runs() ? TRAP_OBJECTS : 0;
}

static unsigned long trap_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct dma_fence *fence = trap_running_fence();

	if (!fence)
		return SHRINK_STOP;

	atomic_inc(&trap_fired);
	pr_trap("%s (pid %d) waits in reclaim for the fence of the running job", current->comm, current->pid);
	dma_fence_wait(fence, false);
	pr_trap("%s (pid %d) goes on: the fence has signalled, status %d", current->comm, current->pid,
		dma_fence_get_status(fence));

	dma_fence_put(fence);
	return SHRINK_STOP;
}

/* Sleeps until a job is pushed, and looks for faults as long as one runs. */
static int trap_reclaim(void *data)
{
	while (!kthread_should_stop()) {
		ktime_t look = ns_to_ktime(TRAP_LOOK_US * NSEC_PER_USEC);

		set_current_state(TASK_IDLE);
		if (kthread_should_stop()) {
			__set_current_state(TASK_RUNNING);
		} else if (!READ_ONCE(trap_armed) || !trap_job_runs()) {
			schedule();
		} else if (!gpu_model_fault_pending()) {
			schedule_hrtimeout(&look, HRTIMER_MODE_REL);
		} else {
			__set_current_state(TASK_RUNNING);
			trap_scan(trap_shrinker, NULL);
		}
	}
	return 0;
}

static void trap_jobs_forget(void)
{
	struct dma_fence *fence;

	while ((fence = trap_running_fence())) {
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

/* The directory is the shared part's, and goes with it; this module depends on it. */
static void __init trap_debugfs_init(void)
{
	struct dentry *root = debugfs_lookup("drmsqueeze", NULL);
	struct dentry *traps = debugfs_lookup("traps", root);

	if (traps)
		dput(traps);
	else
		traps = debugfs_create_dir("traps", root);
	dput(root);

	trap_debugfs = debugfs_create_dir(TRAP_NAME, traps);
	debugfs_create_u32("armed", 0600, trap_debugfs, &trap_armed);
	debugfs_create_atomic_t("fired", 0400, trap_debugfs, &trap_fired);
}

static int __init trap_init(void)
{
	int ret;

	trap_shrinker = shrinker_alloc(0, "drmsqueeze-trap");
	if (!trap_shrinker)
		return -ENOMEM;

	trap_reclaimer = kthread_create(trap_reclaim, NULL, "trap_reclaimer");
	if (IS_ERR(trap_reclaimer)) {
		ret = PTR_ERR(trap_reclaimer);
		goto err_shrinker;
	}
	/* The fault handler's thread is real-time: a task that is not would wait for the end of the fault on its CPU. */
	sched_set_fifo_low(trap_reclaimer);
	wake_up_process(trap_reclaimer);

	ret = register_kprobe(&trap_probe);
	if (ret)
		goto err_reclaimer;

	trap_shrinker->count_objects = trap_count;
	trap_shrinker->scan_objects = trap_scan;
	/* At any priority half of the objects are to be scanned, one at a time: the first pass of a reclaimer gets here. */
	trap_shrinker->seeks = 0;
	trap_shrinker->batch = 1;
	shrinker_register(trap_shrinker);

	trap_debugfs_init();
	return 0;

err_reclaimer:
	kthread_stop(trap_reclaimer);
err_shrinker:
	shrinker_free(trap_shrinker);
	return ret;
}
module_init(trap_init);

/* Waits for as long as anything waits in the trap: the module's text must not go away under it. */
static void __exit trap_exit(void)
{
	debugfs_remove_recursive(trap_debugfs);
	WRITE_ONCE(trap_armed, 0);
	unregister_kprobe(&trap_probe);
	kthread_stop(trap_reclaimer);
	shrinker_free(trap_shrinker);
	trap_jobs_forget();
}
module_exit(trap_exit);

MODULE_DESCRIPTION("A trap for drmsqueeze: a shrinker that waits for the fence of the running job");
MODULE_LICENSE("GPL");
