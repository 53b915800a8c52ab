// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trap: two locks that are taken in both orders (AB-BA), never at the same time. Nothing comes to stand still; lockdep
 * must say all the same that it could.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/printk.h>

#include "trap.h"

static DEFINE_MUTEX(trap_lock_a);
static DEFINE_MUTEX(trap_lock_b);

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

static void trap_take_both_ways(struct trap *trap)
{
	trap_take_a_then_b();
	pr_warn("drmsqueeze trap %s (planted): two locks have been taken in one order, and are taken in the other\n",
		trap->name);
	trap_take_b_then_a();
	atomic_inc(&trap->fired);
}

static struct trap trap = {
	.name = "ab-ba",
	.spring = trap_take_both_ways,
};

static int __init trap_init(void)
{
	trap_register(&trap);
	return 0;
}
module_init(trap_init);

static void __exit trap_exit(void)
{
	trap_unregister(&trap);
}
module_exit(trap_exit);

MODULE_DESCRIPTION("A trap for drmsqueeze: two locks in both orders");
MODULE_LICENSE("GPL");
