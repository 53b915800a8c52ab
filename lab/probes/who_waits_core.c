// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who waits for whom: the table, for whoever asks.
 *
 * It is shown in /sys/kernel/debug/drmsqueeze/who_waits, and printed on the console after each list of blocked tasks
 * (sysrq-w, sysrq-t), where nobody in user space may be able to read a file any more. Nothing here allocates.
 *
 *   task PID [COMM] MS ms fence CONTEXT:SEQNO DRIVER/TIMELINE[ signalled MS ms ago]
 *   task PID [COMM] MS ms lock mutex|rwsem held by PID [COMM]
 *   task PID [COMM] MS ms lock mutex|rwsem held by nobody | held by readers
 *   task PID [COMM] MS ms work FUNCTION
 *   job CONTEXT:SEQNO DRIVER/TIMELINE of PID [COMM][ runs as CONTEXT:SEQNO DRIVER/TIMELINE][ needs CONTEXT:SEQNO DRIVER/TIMELINE]
 *
 * PID and COMM of a job are those of the thread that pushed it; `runs as` names the fence of the driver, once the job
 * has gone to the hardware; `needs` a fence that it was given and that has not signalled.
 */
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <drm/gpu_scheduler.h>

#include "who_waits.h"

#define MARK	"drmsqueeze waits: "

static struct dentry *waits_root, *waits_file;

/*
 * A driver may be gone once its fence has signalled, and its names with it. All fences of schedulers say "drm_sched":
 * what tells more is the driver of the device that the scheduler is for.
 */
int fence_name(char *text, size_t size, struct dma_fence *fence)
{
	struct drm_sched_fence *s_fence = to_drm_sched_fence(fence);
	const char *driver = "";

	if (test_bit(DMA_FENCE_FLAG_TIMESTAMP_BIT, &fence->flags))
		return scnprintf(text, size, "%llu:%llu ?/? signalled %lld ms ago", fence->context, fence->seqno,
				 ktime_ms_delta(ktime_get(), fence->timestamp));

	if (s_fence && s_fence->sched->dev)
		driver = dev_driver_string(s_fence->sched->dev);
	if (!*driver)
		driver = fence->ops->get_driver_name(fence);
	return scnprintf(text, size, "%llu:%llu %s/%s", fence->context, fence->seqno, driver,
			 fence->ops->get_timeline_name(fence));
}

static void waits_print(bool (*get)(unsigned int at, char *line))
{
	char line[WHO_WAITS_LINE];
	unsigned int at;

	for (at = 0; get(at, line); at++) {
		if (*line)
			pr_info(MARK "%s\n", line);
	}
}

/* On return and not on entry, since an entry probe may run as an NMI. */
static int waits_shown(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	waits_print(waiting_tasks_line);
	waits_print(gpu_jobs_line);
	return 0;
}
NOKPROBE_SYMBOL(waits_shown);

static struct kretprobe waits_probe = {
	.kp.symbol_name = "show_state_filter",
	.handler = waits_shown,
	.maxactive = 4,
};

static void waits_write(struct seq_file *file, bool (*get)(unsigned int at, char *line))
{
	char line[WHO_WAITS_LINE];
	unsigned int at;

	for (at = 0; get(at, line); at++) {
		if (*line)
			seq_printf(file, "%s\n", line);
	}
}

static int waits_show(struct seq_file *file, void *data)
{
	waits_write(file, waiting_tasks_line);
	waits_write(file, gpu_jobs_line);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(waits);

static int __init waits_init(void)
{
	struct dentry *root;
	int ret;

	ret = gpu_jobs_init();
	if (ret)
		return ret;
	ret = waiting_tasks_init();
	if (ret)
		goto err_jobs;
	ret = register_kretprobe(&waits_probe);
	if (ret)
		goto err_tasks;

	/* A GPU model's directory, where there is one; else our own. */
	root = debugfs_lookup("drmsqueeze", NULL);
	if (root)
		dput(root);
	else
		root = waits_root = debugfs_create_dir("drmsqueeze", NULL);
	waits_file = debugfs_create_file("who_waits", 0400, root, NULL, &waits_fops);
	return 0;

err_tasks:
	waiting_tasks_exit();
err_jobs:
	gpu_jobs_exit();
	return ret;
}
module_init(waits_init);

static void __exit waits_exit(void)
{
	debugfs_remove(waits_file);
	debugfs_remove(waits_root);
	unregister_kretprobe(&waits_probe);
	waiting_tasks_exit();
	gpu_jobs_exit();
}
module_exit(waits_exit);

MODULE_DESCRIPTION("For drmsqueeze: who waits for which fence or lock, and which jobs there are");
MODULE_LICENSE("GPL");
