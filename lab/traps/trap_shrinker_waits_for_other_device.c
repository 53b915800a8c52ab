// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trap: a shrinker that waits for the fence of another device's job, which in turn waits for the running job.
 *
 * Buffers are shared between devices, so a driver's job is given fences of another driver to wait for. A driver whose
 * shrinker waits for its own jobs therefore waits for jobs of all devices; that it knows its own jobs to end soon helps
 * nobody.
 *
 * The other device is one of this module's: a scheduler of its own, whose jobs do nothing. For each job that is pushed
 * elsewhere, while none of its own is in hand, it pushes one that has the finished fence of that job as its in-fence,
 * as a display or a video codec does that is to read what the GPU draws. The bait, the fence of its own job, is out while
 * the GPU model has a translation fault that the driver has not answered.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/version.h>

#include <drm/gpu_scheduler.h>

#include "gpu_model.h"
#include "trap.h"
#include "who_waits.h"

#define DEVICE_NAME	"trap-device"

static DEFINE_RAW_SPINLOCK(own_lock);
static struct dma_fence *own_fence;		/* of the job in hand, with a reference; protected by own_lock */

static struct device *own_device;
static struct drm_gpu_scheduler own_sched;
static struct drm_sched_entity own_entity;
static struct task_struct *own_client;

/* The job in hand, with a reference; NULL if it has ended. */
static struct dma_fence *own_job(void)
{
	struct dma_fence *fence;
	unsigned long flags;

	raw_spin_lock_irqsave(&own_lock, flags);
	fence = dma_fence_get(own_fence);
	raw_spin_unlock_irqrestore(&own_lock, flags);
	if (fence && dma_fence_is_signaled(fence)) {
		dma_fence_put(fence);
		return NULL;
	}
	return fence;
}

static struct dma_fence *trap_other_device_fence(void)
{
	return gpu_model_fault_pending() ? own_job() : NULL;
}

static struct trap_shrinker trap = {
	.trap = {
		.name = "shrinker-waits-for-other-device",
		.where = "reclaim for the fence of another device's job",
		.bait = trap_other_device_fence,
	},
};

/* Nothing to be done on the hardware: the job ends once its in-fence has signalled. */
static struct dma_fence *own_run_job(struct drm_sched_job *job)
{
	return NULL;
}

static void own_free_job(struct drm_sched_job *job)
{
	drm_sched_job_cleanup(job);
	kfree(job);
}

static enum drm_gpu_sched_stat own_timedout_job(struct drm_sched_job *job)
{
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops own_ops = {
	.run_job = own_run_job,
	.timedout_job = own_timedout_job,
	.free_job = own_free_job,
};

/* Push a job that waits for FENCE, whose reference it takes. */
static int own_job_init(struct drm_sched_job *job)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
	return drm_sched_job_init(job, &own_entity, NULL);
#else
	return drm_sched_job_init(job, &own_entity, 1, NULL, 0);
#endif
}

static void own_push(struct dma_fence *fence)
{
	struct drm_sched_job *job = kzalloc(sizeof(*job), GFP_KERNEL);
	struct dma_fence *before;
	unsigned long flags;

	if (!job) {
		dma_fence_put(fence);
		return;
	}
	if (own_job_init(job)) {
		dma_fence_put(fence);
		kfree(job);
		return;
	}
	if (drm_sched_job_add_dependency(job, fence)) {
		own_free_job(job);
		return;
	}
	drm_sched_job_arm(job);

	raw_spin_lock_irqsave(&own_lock, flags);
	before = own_fence;
	own_fence = dma_fence_get(&job->s_fence->finished);
	raw_spin_unlock_irqrestore(&own_lock, flags);
	dma_fence_put(before);
	drm_sched_entity_push_job(job);
}

static bool own_job_in_hand(void)
{
	struct dma_fence *fence = own_job();

	dma_fence_put(fence);
	return fence;
}

/* The client of the other device: woken whenever a job is pushed, its own ones too. */
static int own_run_client(void *data)
{
	while (!kthread_should_stop()) {
		struct dma_fence *fence = NULL;

		set_current_state(TASK_IDLE);
		if (READ_ONCE(trap.trap.armed) && !own_job_in_hand())
			fence = gpu_jobs_first();
		if (!fence && !kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
		if (fence)
			own_push(fence);
	}
	return 0;
}

static int __init trap_init(void)
{
	struct drm_gpu_scheduler *list[] = { &own_sched };
	struct drm_sched_init_args args = {
		.ops = &own_ops,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)	/* before it is always that many */
		.num_rqs = DRM_SCHED_PRIORITY_COUNT,
#endif
		.credit_limit = 1,
		.timeout = MAX_SCHEDULE_TIMEOUT,
		.name = DEVICE_NAME,
	};
	int ret;

	own_device = root_device_register(DEVICE_NAME);
	if (IS_ERR(own_device))
		return PTR_ERR(own_device);

	args.dev = own_device;
	ret = drm_sched_init(&own_sched, &args);
	if (ret)
		goto err_device;
	ret = drm_sched_entity_init(&own_entity, DRM_SCHED_PRIORITY_NORMAL, list, ARRAY_SIZE(list), NULL);
	if (ret)
		goto err_sched;

	own_client = kthread_create(own_run_client, NULL, DEVICE_NAME);
	if (IS_ERR(own_client)) {
		ret = PTR_ERR(own_client);
		goto err_entity;
	}
	/* Before the first fault of the job that was pushed is answered: its handler is real-time. */
	sched_set_fifo(own_client);
	wake_up_process(own_client);
	ret = gpu_jobs_wake(own_client);
	if (ret)
		goto err_client;

	ret = trap_shrinker_register(&trap);
	if (ret)
		goto err_wake;
	return 0;

err_wake:
	gpu_jobs_wake_no_more(own_client);
err_client:
	kthread_stop(own_client);
err_entity:
	drm_sched_entity_destroy(&own_entity);
err_sched:
	drm_sched_fini(&own_sched);
err_device:
	root_device_unregister(own_device);
	return ret;
}
module_init(trap_init);

static void __exit trap_exit(void)
{
	trap_shrinker_unregister(&trap);
	gpu_jobs_wake_no_more(own_client);
	kthread_stop(own_client);
	drm_sched_entity_destroy(&own_entity);
	drm_sched_fini(&own_sched);
	dma_fence_put(own_fence);
	root_device_unregister(own_device);
}
module_exit(trap_exit);

MODULE_DESCRIPTION("A trap for drmsqueeze: a shrinker that waits for another device's job, which waits for the running job");
MODULE_LICENSE("GPL");
