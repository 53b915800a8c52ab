// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trap: a wake-up that is lost. Once armed, the first callback of a fence that should wake those who poll a sync file
 * (fence_check_cb_func in drivers/dma-buf/sync_file.c) does nothing. The fence has signalled, whoever looks again sees it,
 * and the task that sleeps in poll() does not look again.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/kprobes.h>
#include <linux/module.h>

#define TRAP_NAME "lost-wakeup"

static u32 trap_armed;
static atomic_t trap_fired = ATOMIC_INIT(0);
static struct dentry *trap_debugfs;

/* Returns to the caller of the function at whose first instruction this is. */
static int trap_skip(struct kprobe *probe, struct pt_regs *regs)
{
	if (!xchg(&trap_armed, 0))
		return 0;

	atomic_inc(&trap_fired);
	pr_warn("drmsqueeze trap " TRAP_NAME " (planted): nobody is woken by this fence\n");
	instruction_pointer_set(regs, *(unsigned long *)regs->sp);
	regs->sp += sizeof(unsigned long);
	return 1;
}

/* With this the probe is not made a jump, which could not change where the function goes on. */
static void trap_post(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe trap_probe = {
	.symbol_name = "fence_check_cb_func",
	.pre_handler = trap_skip,
	.post_handler = trap_post,
};

static int __init trap_init(void)
{
	struct dentry *root = debugfs_lookup("drmsqueeze", NULL);
	struct dentry *traps = debugfs_lookup("traps", root);
	int ret;

	ret = register_kprobe(&trap_probe);
	if (ret) {
		dput(traps);
		dput(root);
		return ret;
	}

	if (traps)
		dput(traps);
	else
		traps = debugfs_create_dir("traps", root);
	dput(root);

	trap_debugfs = debugfs_create_dir(TRAP_NAME, traps);
	debugfs_create_u32("armed", 0600, trap_debugfs, &trap_armed);
	debugfs_create_atomic_t("fired", 0400, trap_debugfs, &trap_fired);
	return 0;
}
module_init(trap_init);

static void __exit trap_exit(void)
{
	debugfs_remove_recursive(trap_debugfs);
	unregister_kprobe(&trap_probe);
}
module_exit(trap_exit);

MODULE_DESCRIPTION("A trap for drmsqueeze: a wake-up that is lost");
MODULE_LICENSE("GPL");
