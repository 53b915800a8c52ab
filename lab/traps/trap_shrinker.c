// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traps, shared part: a shrinker that waits for a fence.
 *
 * The shrinker has something to free only while the trap is armed and its bait is out. Whoever reclaims then is caught,
 * kswapd and tasks of user space too. Disarming opens nothing: the machine has to be able to hang.
 *
 * Where the one who waits for memory gives up at once, or where the fence is short, no reclaimer may come in time. So
 * that the trap is sprung on such a driver as well, it brings a reclaimer of its own: a thread that calls the shrinker
 * as soon as the bait is out, and neither allocates nor frees. It shows that the job's end lets a waiter go; what
 * becomes of the job does not depend on it.
 */
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "shrinker_compat.h"
#include "trap.h"
#include "who_waits.h"

#define TRAP_OBJECTS	1024

/* How often the trap's own reclaimer looks for a bait; panfrost needs some 200 us or more for a fault of 2 MiB. */
#define TRAP_LOOK_US	50

static bool trap_is_set(struct dma_fence *fence)
{
	dma_fence_put(fence);
	return fence;
}

static unsigned long trap_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct trap_shrinker *ts = *shrinker_data(shrinker);

	return trap_is_set(trap_bait(&ts->trap)) ? TRAP_OBJECTS : 0;
}

static unsigned long trap_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct trap_shrinker *ts = *shrinker_data(shrinker);

	trap_catch(&ts->trap);
	return SHRINK_STOP;
}

/* Sleeps until a job is pushed, and looks for the bait as long as one runs. */
static int trap_reclaim(void *data)
{
	struct trap_shrinker *ts = data;

	while (!kthread_should_stop()) {
		ktime_t look = ns_to_ktime(TRAP_LOOK_US * NSEC_PER_USEC);

		set_current_state(TASK_IDLE);
		if (kthread_should_stop()) {
			__set_current_state(TASK_RUNNING);
		} else if (!READ_ONCE(ts->trap.armed) || !trap_is_set(gpu_jobs_first())) {
			schedule();
		} else if (!trap_is_set(trap_bait(&ts->trap))) {
			schedule_hrtimeout(&look, HRTIMER_MODE_REL);
		} else {
			__set_current_state(TASK_RUNNING);
			trap_scan(ts->shrinker, NULL);
		}
	}
	return 0;
}

int trap_shrinker_register(struct trap_shrinker *ts)
{
	int ret;

	ts->shrinker = shrinker_alloc(0, "drmsqueeze-trap");
	if (!ts->shrinker)
		return -ENOMEM;
	*shrinker_data(ts->shrinker) = ts;

	ts->reclaimer = kthread_create(trap_reclaim, ts, "trap_reclaimer");
	if (IS_ERR(ts->reclaimer)) {
		ret = PTR_ERR(ts->reclaimer);
		goto err_shrinker;
	}
	/* The fault handler's thread is real-time: a task that is not would wait for the end of the fault on its CPU. */
	sched_set_fifo_low(ts->reclaimer);
	wake_up_process(ts->reclaimer);

	ret = gpu_jobs_wake(ts->reclaimer);
	if (ret)
		goto err_reclaimer;

	ts->shrinker->count_objects = trap_count;
	ts->shrinker->scan_objects = trap_scan;
	/* At any priority half of the objects are to be scanned, one at a time: the first pass of a reclaimer gets here. */
	ts->shrinker->seeks = 0;
	ts->shrinker->batch = 1;
	shrinker_register(ts->shrinker);

	trap_register(&ts->trap);
	return 0;

err_reclaimer:
	kthread_stop(ts->reclaimer);
err_shrinker:
	shrinker_free(ts->shrinker);
	return ret;
}
EXPORT_SYMBOL_GPL(trap_shrinker_register);

void trap_shrinker_unregister(struct trap_shrinker *ts)
{
	trap_unregister(&ts->trap);
	gpu_jobs_wake_no_more(ts->reclaimer);
	kthread_stop(ts->reclaimer);
	shrinker_free(ts->shrinker);
}
EXPORT_SYMBOL_GPL(trap_shrinker_unregister);
