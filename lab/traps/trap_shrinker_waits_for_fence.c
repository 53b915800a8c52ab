// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trap: a shrinker that waits for the fence of the running job, as a driver's shrinker or writeback to a device
 * may.
 *
 * A fault handler that allocates with GFP_KERNEL enters direct reclaim, and so this shrinker, and waits for the
 * fence of the job whose fault it is to answer: nothing can end that. The job's timeout does not help, since its
 * handler allocates as well. A handler that does not wait for memory fails the job, which signals the fence and lets
 * every waiter go. Such a handler fails within a millisecond of waking kswapd, and kswapd comes too late to be caught.
 *
 * The bait is out while the GPU model has a translation fault that the driver has not answered, and a job that was
 * pushed has not ended.
 */
#include <linux/module.h>

#include "gpu_model.h"
#include "trap.h"
#include "who_waits.h"

static struct dma_fence *trap_running_fence(void)
{
	return gpu_model_fault_pending() ? gpu_jobs_first() : NULL;
}

static struct trap_shrinker trap = {
	.trap = {
		.name = "shrinker-waits-for-fence",
		.where = "reclaim for the fence of the running job",
		.bait = trap_running_fence,
	},
};

static int __init trap_init(void)
{
	return trap_shrinker_register(&trap);
}
module_init(trap_init);

static void __exit trap_exit(void)
{
	trap_shrinker_unregister(&trap);
}
module_exit(trap_exit);

MODULE_DESCRIPTION("A trap for drmsqueeze: a shrinker that waits for the fence of the running job");
MODULE_LICENSE("GPL");
