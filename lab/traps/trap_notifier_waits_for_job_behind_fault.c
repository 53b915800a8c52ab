// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trap: an MMU notifier that waits for the fence of a job which waits for the GPU, while the GPU waits for memory.
 *
 * Drivers with buffers of user memory do so: i915's and amdgpu's wait for the jobs that use such a buffer before its
 * pages may go (i915_gem_userptr_invalidate(), amdgpu_hmm_invalidate_gfx()). Writing "START LENGTH" to `watch` makes
 * such a buffer of the writer's memory, for as long as the file stays open. Whoever invalidates it, to reclaim, unmap or
 * migrate a page, is caught while the bait is out: it is that of the trap shrinker-waits-for-job-behind-fault.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "trap.h"

static struct trap trap = {
	.name = "notifier-waits-for-job-behind-fault",
	.where = "an invalidation for the fence of the job pushed last",
	.bait = trap_fence_behind_fault,
};

/* The whole address space goes: whoever exits is not to be caught. */
static bool trap_invalidate(struct mmu_interval_notifier *notifier, const struct mmu_notifier_range *range,
			    unsigned long seq)
{
	mmu_interval_set_seq(notifier, seq);
	if (range->event != MMU_NOTIFY_RELEASE && mmu_notifier_range_blockable(range))
		trap_catch(&trap);
	return true;
}

static const struct mmu_interval_notifier_ops trap_notifier_ops = {
	.invalidate = trap_invalidate,
};

static ssize_t trap_watch_write(struct file *file, const char __user *ubuf, size_t len, loff_t *ppos)
{
	struct mmu_interval_notifier *notifier;
	unsigned long start, length;
	char buf[64], rest;
	int ret;

	if (file->private_data)
		return -EBUSY;
	if (len >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, len))
		return -EFAULT;
	buf[len] = '\0';
	if (sscanf(buf, "%li %li %c", &start, &length, &rest) != 2)
		return -EINVAL;

	notifier = kzalloc(sizeof(*notifier), GFP_KERNEL);
	if (!notifier)
		return -ENOMEM;
	ret = mmu_interval_notifier_insert(notifier, current->mm, start, length, &trap_notifier_ops);
	if (ret) {
		kfree(notifier);
		return ret;
	}
	if (cmpxchg(&file->private_data, NULL, notifier)) {
		mmu_interval_notifier_remove(notifier);
		kfree(notifier);
		return -EBUSY;
	}
	return len;
}

static int trap_watch_open(struct inode *inode, struct file *file)
{
	file->private_data = NULL;
	return nonseekable_open(inode, file);
}

static int trap_watch_release(struct inode *inode, struct file *file)
{
	struct mmu_interval_notifier *notifier = file->private_data;

	if (notifier) {
		mmu_interval_notifier_remove(notifier);
		kfree(notifier);
	}
	return 0;
}

static const struct file_operations trap_watch_fops = {
	.owner = THIS_MODULE,
	.open = trap_watch_open,
	.write = trap_watch_write,
	.release = trap_watch_release,
};

static int __init trap_init(void)
{
	trap_register(&trap);
	debugfs_create_file("watch", 0200, trap.debugfs, NULL, &trap_watch_fops);
	return 0;
}
module_init(trap_init);

static void __exit trap_exit(void)
{
	trap_unregister(&trap);
}
module_exit(trap_exit);

MODULE_DESCRIPTION("A trap for drmsqueeze: an MMU notifier that waits for a job which waits for the job with a device fault");
MODULE_LICENSE("GPL");
