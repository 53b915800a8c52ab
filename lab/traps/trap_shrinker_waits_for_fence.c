// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trap: a shrinker that waits for the fence of the running job, as a driver's shrinker or writeback to a device may.
 *
 * A fault handler that allocates with GFP_KERNEL enters direct reclaim, and so this shrinker, and waits for the fence of
 * the job whose fault it is to answer: nothing can end that. The job's timeout does not help, since its handler allocates
 * as well. A handler that does not wait for memory fails the job, which signals the fence and lets every waiter go.
 *
 * The shrinker has something to free only while the trap is armed, the GPU model has a translation fault that the driver
 * has not answered, and a job that was pushed has not ended. kswapd and tasks of user space are caught just as the fault
 * handler is. Disarming opens nothing: the machine has to be able to hang.
 */
#include <linux/atomic.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/dma-fence.h>
#include <linux/kprobes.h>
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

static unsigned long trap_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct dma_fence *fence;

	if (!READ_ONCE(trap_armed) || !gpu_model_fault_pending())
		return 0;

	fence = trap_running_fence();
	dma_fence_put(fence);
	return fence ? TRAP_OBJECTS : 0;
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

	ret = register_kprobe(&trap_probe);
	if (ret) {
		shrinker_free(trap_shrinker);
		return ret;
	}

	trap_shrinker->count_objects = trap_count;
	trap_shrinker->scan_objects = trap_scan;
	/* Half of the objects are to be scanned at every priority, one at a time: the first pass of any reclaimer gets here. */
	trap_shrinker->seeks = 0;
	trap_shrinker->batch = 1;
	shrinker_register(trap_shrinker);

	trap_debugfs_init();
	return 0;
}
module_init(trap_init);

/* Waits for as long as a reclaimer waits in the trap: the module's text must not go away under it. */
static void __exit trap_exit(void)
{
	debugfs_remove_recursive(trap_debugfs);
	WRITE_ONCE(trap_armed, 0);
	shrinker_free(trap_shrinker);
	unregister_kprobe(&trap_probe);
	trap_jobs_forget();
}
module_exit(trap_exit);

MODULE_DESCRIPTION("A trap for drmsqueeze: a shrinker that waits for the fence of the running job");
MODULE_LICENSE("GPL");
