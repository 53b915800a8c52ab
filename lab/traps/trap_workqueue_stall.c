// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trap: a work item that never lets the others of its CPU run. It spins until the trap is disarmed. Linux starts no
 * second worker beside one that runs, so that all per-CPU work of this processor waits behind it (Documentation/
 * core-api/workqueue.rst, concurrency management); tasks go on, since the kernel may be preempted here, and so neither
 * the soft lockup detector nor RCU sees anything. Since 6.5 Linux passes over a worker that has run for too long
 * (wq_worker_tick(), kernel/workqueue.c), which is switched off meanwhile.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/processor.h>

#include "trap.h"

/* In microseconds; 0 is off. Kernels before 6.5 have no such limit. */
#define TRAP_PATIENCE	"/sys/module/workqueue/parameters/cpu_intensive_thresh_us"

/* Writes @value, and before that puts what was there into @was, which has room for @room bytes and a NUL. */
static void trap_set_patience(const char *value, char *was, size_t room)
{
	struct file *file = filp_open(TRAP_PATIENCE, O_RDWR, 0);
	loff_t pos = 0;
	ssize_t got;

	if (IS_ERR(file))
		return;
	if (was) {
		got = kernel_read(file, was, room, &pos);
		was[max_t(ssize_t, got, 0)] = '\0';
		pos = 0;
	}
	kernel_write(file, value, strlen(value), &pos);
	filp_close(file, NULL);
}

static void trap_spin(struct trap *trap)
{
	char was[24] = "";

	trap_set_patience("0", was, sizeof(was) - 1);
	atomic_inc(&trap->fired);
	pr_warn("drmsqueeze trap %s (planted): a work item of CPU %u spins\n", trap->name, raw_smp_processor_id());
	while (READ_ONCE(trap->armed))
		cpu_relax();
	trap_set_patience(was, NULL, 0);
}

static struct trap trap = {
	.name = "workqueue-stall",
	.spring = trap_spin,
};

static int __init trap_init(void)
{
	trap_register(&trap);
	return 0;
}
module_init(trap_init);

static void __exit trap_exit(void)
{
	WRITE_ONCE(trap.armed, 0);
	trap_unregister(&trap);
}
module_exit(trap_exit);

MODULE_DESCRIPTION("A trap for drmsqueeze: a work item that lets no other run");
MODULE_LICENSE("GPL");
