// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trap: two locks that are taken in both orders (AB-BA), never at the same time. Nothing comes to stand still; lockdep
 * must say all the same that it could.
 */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/workqueue.h>

#include "trap.h"

#define TRAP_LOOK	(HZ / 50)

static DEFINE_MUTEX(trap_lock_a);
static DEFINE_MUTEX(trap_lock_b);

static struct trap trap = {
	.name = "ab-ba",
	.where = "two orders of two locks",
};

static bool trap_one_order_done;	/* of the work alone */

/* Not inlined: lockdep's report is to name them. */
static noinline void trap_take_a_then_b(void)
{
	mutex_lock(&trap_lock_a);
	mutex_lock(&trap_lock_b);
	mutex_unlock(&trap_lock_b);
	mutex_unlock(&trap_lock_a);
}

static noinline void trap_take_b_then_a(void)
{
	mutex_lock(&trap_lock_b);
	mutex_lock(&trap_lock_a);
	mutex_unlock(&trap_lock_a);
	mutex_unlock(&trap_lock_b);
}

static void trap_look(struct work_struct *work)
{
	if (!READ_ONCE(trap.armed))
		goto again;

	if (!trap_one_order_done) {
		trap_take_a_then_b();
		trap_one_order_done = true;
		goto again;
	}

	pr_warn("drmsqueeze trap %s (planted): two locks have been taken in one order, and are taken in the other\n",
		trap.name);
	trap_take_b_then_a();
	atomic_inc(&trap.fired);
	return;

again:
	schedule_delayed_work(to_delayed_work(work), TRAP_LOOK);
}

static DECLARE_DELAYED_WORK(trap_work, trap_look);

static int __init trap_init(void)
{
	trap_register(&trap);
	schedule_delayed_work(&trap_work, TRAP_LOOK);
	return 0;
}
module_init(trap_init);

static void __exit trap_exit(void)
{
	cancel_delayed_work_sync(&trap_work);
	trap_unregister(&trap);
}
module_exit(trap_exit);

MODULE_DESCRIPTION("A trap for drmsqueeze: two locks in both orders");
MODULE_LICENSE("GPL");
