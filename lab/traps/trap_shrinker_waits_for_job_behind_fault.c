// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trap: a shrinker that waits for the fence of a job which waits for the GPU, while the GPU waits for memory.
 *
 * The bait is out while a job of the GPU model waits for a page of memory that it shares with a process (a device fault)
 * and another job was pushed after it; the fence is that of the last. The pager, who is to provide the page, reclaims,
 * and so waits for a job that waits for the cores of the job that waits for the pager. Where the job with the fault is
 * preempted, the other ends, and whoever waits goes on.
 */
#include <linux/module.h>

#include "trap.h"

static struct trap_shrinker trap = {
	.trap = {
		.name = "shrinker-waits-for-job-behind-fault",
		.where = "reclaim for the fence of the job pushed last",
		.bait = trap_fence_behind_fault,
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

MODULE_DESCRIPTION("A trap for drmsqueeze: a shrinker that waits for a job which waits for the job with a device fault");
MODULE_LICENSE("GPL");
