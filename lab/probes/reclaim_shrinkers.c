// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs all shrinkers inside memory reclaim, as lockdep sees it, with no lack of memory.
 *
 * A shrinker that is run through debugfs or drop_caches takes its locks outside of the fs_reclaim map, so lockdep does
 * not learn that memory reclaim takes them. Here the walk is framed as __perform_reclaim() (mm/page_alloc.c) frames it:
 * fs_reclaim_acquire(), and PF_MEMALLOC, so that what a shrinker allocates does not count as reclaim within reclaim.
 *
 * The walk is drop_slab() (mm/vmscan.c): every shrinker, for each node and memory cgroup. It is not exported, and its
 * address comes from a kprobe that is set and taken away again. The debugfs files of single shrinkers would not do:
 * a write from the kernel goes through the VFS, and lockdep would learn of its locks under fs_reclaim, which no reclaim
 * takes.
 *
 * Below /sys/kernel/debug/drmsqueeze/reclaim_shrinkers/:
 *   run   anything written here runs them once; EINTR: a fatal signal was pending
 */
#include <linux/debugfs.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

static void (*reclaim_drop_slab)(void);
static struct dentry *reclaim_root, *reclaim_debugfs;

static ssize_t reclaim_run(struct file *file, const char __user *text, size_t count, loff_t *offset)
{
	unsigned int flags;

	fs_reclaim_acquire(GFP_KERNEL);
	flags = memalloc_noreclaim_save();
	reclaim_drop_slab();
	memalloc_noreclaim_restore(flags);
	fs_reclaim_release(GFP_KERNEL);

	return fatal_signal_pending(current) ? -EINTR : count;
}

static const struct file_operations reclaim_run_fops = {
	.owner = THIS_MODULE,
	.write = reclaim_run,
};

static int __init reclaim_init(void)
{
	struct kprobe probe = { .symbol_name = "drop_slab" };
	struct dentry *root;
	int ret;

	ret = register_kprobe(&probe);
	if (ret)
		return ret;
	reclaim_drop_slab = (void *)probe.addr;
	unregister_kprobe(&probe);

	/* A GPU model's directory, or another probe's, where there is one; else our own. */
	root = debugfs_lookup("drmsqueeze", NULL);
	if (root)
		dput(root);
	else
		root = reclaim_root = debugfs_create_dir("drmsqueeze", NULL);
	reclaim_debugfs = debugfs_create_dir("reclaim_shrinkers", root);
	debugfs_create_file("run", 0200, reclaim_debugfs, NULL, &reclaim_run_fops);
	return 0;
}
module_init(reclaim_init);

static void __exit reclaim_exit(void)
{
	debugfs_remove_recursive(reclaim_debugfs);
	debugfs_remove(reclaim_root);
}
module_exit(reclaim_exit);

MODULE_DESCRIPTION("For drmsqueeze: runs all shrinkers inside memory reclaim");
MODULE_LICENSE("GPL");
