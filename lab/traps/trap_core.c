// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traps, shared part: a trap's files in debugfs, being caught, and doing what is wrong.
 */
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/sched.h>

#include "gpu_model.h"
#include "trap.h"
#include "who_waits.h"

#define pr_trap(trap, fmt, ...) \
	pr_warn_ratelimited("drmsqueeze trap %s (planted): " fmt "\n", (trap)->name, ##__VA_ARGS__)

/* How often it is looked whether a trap has been armed. */
#define TRAP_LOOK	(HZ / 50)

static struct dentry *traps_debugfs;

struct dma_fence *trap_bait(const struct trap *trap)
{
	return READ_ONCE(trap->armed) ? trap->bait() : NULL;
}
EXPORT_SYMBOL_GPL(trap_bait);

struct dma_fence *trap_fence_behind_fault(void)
{
	return gpu_model_device_fault_pending() ? gpu_jobs_last() : NULL;
}
EXPORT_SYMBOL_GPL(trap_fence_behind_fault);

void trap_catch(struct trap *trap)
{
	struct dma_fence *fence = trap_bait(trap);

	if (!fence)
		return;

	atomic_inc(&trap->fired);
	pr_trap(trap, "%s (pid %d) waits in %s", current->comm, current->pid, trap->where);
	dma_fence_wait(fence, false);
	pr_trap(trap, "%s (pid %d) goes on: the fence has signalled, status %d", current->comm, current->pid,
		dma_fence_get_status(fence));
	dma_fence_put(fence);
}
EXPORT_SYMBOL_GPL(trap_catch);

static void trap_look(struct work_struct *work)
{
	struct trap *trap = container_of(to_delayed_work(work), struct trap, work);

	if (READ_ONCE(trap->armed))
		trap->spring(trap);
	else
		schedule_delayed_work(&trap->work, TRAP_LOOK);
}

void trap_register(struct trap *trap)
{
	trap->debugfs = debugfs_create_dir(trap->name, traps_debugfs);
	debugfs_create_u32("armed", 0600, trap->debugfs, &trap->armed);
	debugfs_create_atomic_t("fired", 0400, trap->debugfs, &trap->fired);
	if (trap->spring) {
		INIT_DELAYED_WORK(&trap->work, trap_look);
		schedule_delayed_work(&trap->work, TRAP_LOOK);
	}
}
EXPORT_SYMBOL_GPL(trap_register);

void trap_unregister(struct trap *trap)
{
	if (trap->spring)
		cancel_delayed_work_sync(&trap->work);
	debugfs_remove_recursive(trap->debugfs);
	WRITE_ONCE(trap->armed, 0);
}
EXPORT_SYMBOL_GPL(trap_unregister);

/* The directory lies in that of the models' shared part, so that one has to be there. */
static int __init trap_common_init(void)
{
	struct dentry *root = debugfs_lookup("drmsqueeze", NULL);

	traps_debugfs = debugfs_create_dir("traps", root);
	dput(root);
	return 0;
}
module_init(trap_common_init);

static void __exit trap_common_exit(void)
{
	debugfs_remove_recursive(traps_debugfs);
}
module_exit(trap_common_exit);

MODULE_DESCRIPTION("What the traps of drmsqueeze share");
MODULE_LICENSE("GPL");
